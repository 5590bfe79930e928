/** HTTP/2 to an upstream whose name has several addresses, and to one that takes no connections. */

import { describe, expect, test } from "bun:test";

import type { Engine } from "../../../../src/engine/engine.ts";
import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { wireEngine as nodeEngine } from "../../../../src/engine/wire/node.ts";
import { type EngineFixture, startEngine } from "../../../support/engine-fixture.ts";
import { type Http2Server, startHttp2Server } from "../../../support/http2-server.ts";
import { sendRequest } from "../../../support/raw-client.ts";
import { post } from "../fixture.ts";

const hosts = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];

async function withAddresses(
  engine: Engine,
  run: (scene: {
    servers: readonly Http2Server[];
    fixture: EngineFixture;
    send: (count: number) => Promise<string>;
  }) => Promise<void>,
): Promise<void> {
  const servers: Http2Server[] = [];
  for (const hostname of hosts) {
    const port = servers[0]?.port ?? 0;
    const onRequest = ({ respond }: { respond: (fields: [[string, string]], body: string) => void }) =>
      respond([[":status", "200"]], hostname.slice(-1));
    servers.push(await startHttp2Server({ hostname, port, onRequest }));
  }
  const ports = [servers[0]?.port ?? 0];
  const fixture = await startEngine(engine, { ports, address: { http2: true }, retries: 0 });
  fixture.pool.upstreams[0]?.endpoints.replace(hosts.slice(0, 2));
  try {
    await run({
      servers,
      fixture,
      async send(count) {
        let from = "";
        for (let i = 0; i < count; i++) {
          const response = await sendRequest(fixture.port, post("x"));
          from += response.status === 200 ? response.body.toString() : ` ${response.status} `;
        }
        return from;
      },
    });
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await Promise.all(servers.map((server) => server.close()));
  }
}

describe.each([
  ["Bun's sockets", wireEngine],
  ["node's sockets", nodeEngine],
] as const)("HTTP/2 to the addresses of a name on %s", (_, engine) => {
  test("goes to all in turn, over one connection to each", () =>
    withAddresses(engine, async ({ servers, send }) => {
      expect(await send(8)).toMatch(/^(2323|3232)+$/);
      expect(servers.map(({ connections }) => connections.length)).toEqual([1, 1, 0]);
    }));

  test("goes to the others when one is closed, whatever the method", () =>
    withAddresses(engine, async ({ servers, send }) => {
      await send(2);
      await servers[0]?.close();
      expect(await send(4)).toBe("3333");
    }));

  test(
    "leaves an address that the name no longer has",
    () =>
      withAddresses(engine, async ({ fixture, send }) => {
        await send(4);
        fixture.pool.upstreams[0]?.endpoints.replace(hosts.slice(1));
        expect(await send(4)).toMatch(/^(3434|4343)$/);
      }),
    25_000,
  );
});

describe("HTTP/2 to a server that accepts no connections", () => {
  test.each([
    ["Bun's sockets", wireEngine],
    ["node's sockets", nodeEngine],
  ] as const)(
    "fails with connect_timeout, and works as soon as the server does, on %s",
    async (_, engine) => {
      const hole = Bun.spawn(
        [process.execPath, `${import.meta.dirname}/../../../runtime/black-hole.ts`, "2500"],
        {
          stdout: "pipe",
        },
      );
      const reader = hole.stdout.getReader();
      const port = Number(new TextDecoder().decode((await reader.read()).value));
      // The queue of connections is full with these.
      const full = await Promise.all(
        Array.from({ length: 4 }, () =>
          Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } }).catch(() => {}),
        ).slice(0, 2),
      );
      const timeouts = { connectMs: 200 };
      const fixture = await startEngine(engine, {
        ports: [port],
        address: { http2: true },
        retries: 0,
        timeouts,
      });
      try {
        for (let round = 0; round < 3; round++) {
          const sent = Array.from({ length: 20 }, () => sendRequest(fixture.port, post("x")));
          expect((await Promise.all(sent)).map(({ status }) => status)).toEqual(Array(20).fill(504));
        }
        expect(fixture.bugs).toEqual([]);
        expect(fixture.listener.active()).toBe(0);
      } finally {
        for (const socket of full) socket?.terminate();
        fixture.close();
        hole.kill();
        await hole.exited;
      }
    },
    20_000,
  );
});
