import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createSecureContext, TLSSocket } from "node:tls";

import { wireEngine as bunEngine } from "../../../src/engine/wire/bun.ts";
import { wireEngine as nodeEngine } from "../../../src/engine/wire/node.ts";
import { proxyVersions, readProxyHeader } from "../../../src/net/proxy-protocol.ts";
import { type EngineFixture, startEngine } from "../../support/engine-fixture.ts";
import { respondWith } from "../../support/origin.ts";
import { RawClient } from "../../support/raw-client.ts";
import { until } from "../../support/wait.ts";
import { get } from "./fixture.ts";

const pem = (name: string) => readFileSync(join(import.meta.dirname, "certificates", name), "utf8");
const [ca, cert, key] = [pem("authority.crt"), pem("server.crt"), pem("server.key")];

interface SeenConnection {
  readonly header: Buffer;
  readonly address: string | undefined;
  requests: number;
}

/** A server that reads a PROXY header, perhaps TLS, and then requests. */
async function startServer(isSecure = false) {
  const seen: SeenConnection[] = [];
  const open = new Set<Socket>();
  const serve = (socket: Socket, connection: SeenConnection) => {
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
        const target = text.split(" ")[1];
        text = text.slice(end + 4);
        connection.requests += 1;
        if (target === "/cut") socket.destroy();
        else socket.write(respondWith(`${seen.indexOf(connection)}`));
      }
    });
  };
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    let bytes = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const header = readProxyHeader(bytes);
      if (header === "invalid") return void socket.destroy();
      if (header === "more") return;
      socket.off("data", onData);
      const connection = { header: bytes.subarray(0, header.length), address: header.address, requests: 0 };
      seen.push(connection);
      const rest = bytes.subarray(header.length);
      if (isSecure) {
        socket.pause();
        if (rest.length > 0) socket.unshift(rest);
        const secureContext = createSecureContext({ cert, key });
        serve(new TLSSocket(socket, { isServer: true, secureContext }), connection);
      } else {
        serve(socket, connection);
        if (rest.length > 0) socket.emit("data", rest);
      }
    };
    socket.on("data", onData);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const close = () => {
    for (const socket of open) socket.destroy();
    server.close();
  };
  return { seen, port, close };
}

type Server = Awaited<ReturnType<typeof startServer>>;

describe.each([
  ["Bun's sockets", bunEngine],
  ["node's sockets", nodeEngine],
] as const)("a PROXY header to upstreams, on %s,", (_, engine) => {
  const play = async (
    run: (scene: { set: EngineFixture; server: Server; client(): Promise<RawClient> }) => Promise<void>,
    { version = "v1", isSecure = false }: { version?: "v1" | "v2"; isSecure?: boolean } = {},
  ) => {
    const server = await startServer(isSecure);
    const set = await startEngine(engine, {
      ports: [server.port],
      destination: { proxyProtocol: version },
      listener: { proxyProtocol: { isFrom: () => true, timeoutMs: 2_000 } },
    });
    const [upstream] = set.pool.upstreams;
    if (upstream && isSecure)
      Object.assign(upstream, {
        address: { ...upstream.address, protocol: "https", tls: { verify: true, ca } },
      });
    const clients: RawClient[] = [];
    const client = async () => {
      const one = await RawClient.connect(set.port);
      clients.push(one);
      return one;
    };
    try {
      await run({ set, server, client });
      expect(set.bugs).toEqual([]);
    } finally {
      for (const one of clients) one.destroy();
      set.close();
      server.close();
    }
  };

  for (const version of proxyVersions) {
    test.each([false, true])(
      `names each client, whose requests share one connection: ${version}, TLS %p`,
      (isSecure) =>
        play(
          async ({ server, client }) => {
            const [one, other] = [await client(), await client()];
            one.send(`PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${get("/1")}`);
            expect((await one.readResponse()).body.toString()).toBe("0");
            other.send(`PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n${get("/2")}`);
            expect((await other.readResponse()).body.toString()).toBe("1");
            for (const path of ["/3", "/4"]) {
              expect((await one.send(get(path)).readResponse()).body.toString()).toBe("0");
              expect((await other.send(get(path)).readResponse()).body.toString()).toBe("1");
            }
            expect(server.seen.map(({ address, requests }) => [address, requests])).toEqual([
              ["192.0.2.1", 3],
              ["2001:db8::1", 3],
            ]);
          },
          { version, isSecure },
        ),
      15_000,
    );
  }

  test("has the ports of the client's connection and of the listener", () =>
    play(async ({ set, server, client }) => {
      const one = await client();
      const { localPort } = one.socket;
      await one.send(`PROXY UNKNOWN\r\n${get()}`).readResponse();
      expect(server.seen[0]?.header.toString()).toBe(
        `PROXY TCP4 127.0.0.1 127.0.0.1 ${localPort} ${set.port}\r\n`,
      );
    }));

  test("begins a new connection where the old one is gone, for a retry too", () =>
    play(async ({ server, client, set }) => {
      const one = await client();
      await one.send(`PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${get("/1")}`).readResponse();
      expect((await one.send(get("/cut")).readResponse()).status).toBe(502);
      await one.send(get("/2")).readResponse();
      expect(server.seen.length).toBeGreaterThan(1);
      for (const { address } of server.seen) expect(address).toBe("192.0.2.1");
      expect(set.pool.upstreams[0]?.inFlight).toBe(0);
    }));

  test("ends with the client's connection", () =>
    play(async ({ server, client }) => {
      for (let i = 0; i < 5; i++) {
        const one = await client();
        await one.send(`PROXY TCP4 192.0.2.${i} 192.0.2.2 1 2\r\n${get("/1")}`).readResponse();
        one.destroy();
      }
      expect(server.seen.map(({ address, requests }) => [address, requests])).toEqual(
        [0, 1, 2, 3, 4].map((i) => [`192.0.2.${i}`, 1]),
      );
      const last = await client();
      const answer = await last.send(`PROXY TCP4 192.0.2.9 192.0.2.2 1 2\r\n${get("/1")}`).readResponse();
      expect(answer.body.toString()).toBe("5");
      await until(() => server.seen.length === 6);
    }));
});
