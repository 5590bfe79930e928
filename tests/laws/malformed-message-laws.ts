/** What engines must do with malformed messages: only the side that sent them is at fault. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { FaultInjection } from "../../src/fault/fault.ts";
import { Deadlines } from "../../src/proxy/deadlines.ts";
import { type OriginOptions, respondWith, startOrigin } from "../support/origin.ts";
import { sendRequest, RawClient } from "../support/raw-client.ts";
import { startEngine } from "../support/engine-fixture.ts";
import { until } from "../support/wait.ts";

const get = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const handshake = (headers = "") =>
  `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n${headers}Sec-WebSocket-Key: ${btoa("0123456789abcdef")}\r\n\r\n`;

export const oddityLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "counts no upstream failure for malformed or duplicate subprotocols of a client": async (engine) => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no", { status: 400 })),
      websocket: { message() {} },
    });
    const fixture = await startEngine(engine, { ports: [server.port ?? 0], ejectsAfter: 2 });
    try {
      for (const offered of ["chat, chat", "two words", "a, (b)"]) {
        const client = await RawClient.connect(fixture.port);
        const response = await client
          .send(handshake(`Sec-WebSocket-Protocol: ${offered}\r\n`))
          .readResponse();
        expect([101, 400]).toContain(response.status);
        client.destroy();
      }
      await until(() => fixture.pool.upstreams[0]?.inFlight === 0, "the tunnels to end");
      expect(fixture.ended.filter(({ outcome }) => outcome.kind === "failure")).toEqual([]);
      expect(fixture.bugs).toEqual([]);
    } finally {
      fixture.close();
      await server.stop(true);
    }
  },

  "counts no upstream failure when a server hangs up on a request whose end has not arrived": async (
    engine,
  ) => {
    const chunked = "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const requests = [
      `POST / HTTP/1.1\r\n${chunked}FFFFFFFFFFFF\r\nabc`,
      `PUT / HTTP/1.1\r\n${chunked}5\r\nhello\r\n`,
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000000000\r\n\r\nabc`,
      `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc`,
    ];
    let hangUps = 0;
    const hangUp: OriginOptions = {
      respond: (_, socket) => void socket.write(respondWith("ok")),
      onHead({ method }, socket) {
        if (method === "GET") return false;
        hangUps += 1;
        if (hangUps % 3 === 0) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nsome");
        if (hangUps % 2 === 0) socket.resetAndDestroy();
        else socket.end();
        return true;
      },
    };
    const origins = await Promise.all([startOrigin(hangUp), startOrigin(hangUp)]);
    const fixture = await startEngine(engine, { ports: origins.map(({ port }) => port), ejectsAfter: 2 });
    try {
      for (const request of [...requests, ...requests, ...requests]) {
        const client = await RawClient.connect(fixture.port);
        client.send(request);
        await until(() => client.received.length > 0 || client.isClosed, "the end of the request");
        await until(
          () => fixture.pool.upstreams.every(({ inFlight }) => inFlight === 0),
          "its attempts to end",
        );
        expect(client.received.toString()).toMatch(/^(HTTP\/1\.1 (200|400|502) |$)/);
        client.destroy();
      }
      expect(fixture.ended.length).toBeGreaterThanOrEqual(3);
      expect(hangUps).toBeGreaterThanOrEqual(3);
      expect(fixture.ended.filter(({ outcome }) => outcome.kind !== "cancelled")).toEqual([]);
      expect(fixture.pool.upstreams.map(({ outlier }) => outlier.state)).toEqual(["up", "up"]);
      expect((await sendRequest(fixture.port, get)).body.toString()).toBe("ok");
      expect(fixture.bugs).toEqual([]);
    } finally {
      fixture.close();
      for (const origin of origins) await origin.close();
    }
  },

  "counts no upstream failure when a client leaves in the middle of its body, or sends a malformed one":
    async (engine) => {
      const origin = await startOrigin({
        respond: (_, socket) => void socket.write(respondWith("ok")),
        onHead: ({ method }) => method === "POST",
      });
      const fixture = await startEngine(engine, { ports: [origin.port], ejectsAfter: 2 });
      try {
        const ends: ReadonlyArray<(client: RawClient) => void> = [
          (client) => client.destroy(),
          (client) => void client.socket.end(),
          (client) => void client.send("zz\r\nhello\r\n"),
          (client) => void client.send("5\r\nhello, world\r\n0\r\n\r\n"),
          (client) => void client.send("-5\r\nhello\r\n0\r\n\r\n"),
        ];
        for (const [index, end] of ends.entries()) {
          const client = await RawClient.connect(fixture.port);
          client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
          await until(() => origin.requests.length === index + 1, "the upload to start");
          end(client);
          await until(() => fixture.ended.length === index + 1, "the attempt to end");
          client.destroy();
        }
        expect(fixture.ended.map(({ outcome }) => outcome.kind)).toEqual(ends.map(() => "cancelled"));
        expect((await sendRequest(fixture.port, get)).body.toString()).toBe("ok");
        expect(fixture.bugs).toEqual([]);
      } finally {
        fixture.close();
        await origin.close();
      }
    },

  "counts a reset after a whole request, with or without a body, as the upstream's failure": async (
    engine,
  ) => {
    const origin = await startOrigin((_, socket) => void socket.resetAndDestroy());
    const fixture = await startEngine(engine, { ports: [origin.port], ejectsAfter: 10 });
    try {
      const requests = [
        get,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
      ];
      for (const request of requests) expect((await sendRequest(fixture.port, request)).status).toBe(502);
      expect(fixture.ended.map(({ outcome }) => outcome)).toMatchObject(
        requests.map(() => ({ kind: "failure", reason: "upstream_reset" })),
      );
    } finally {
      fixture.close();
      await origin.close();
    }
  },

  "forwards a response with an unknown status, or responds with 502 answer_refused": async (engine) => {
    const origin = await startOrigin(
      (_, socket) => void socket.write(respondWith("odd", ["Content-Type: text/plain"], "999 Odd")),
    );
    const fixture = await startEngine(engine, { ports: [origin.port] });
    try {
      const response = await sendRequest(fixture.port, get);
      if (response.status !== 999) {
        expect(response.status).toBe(502);
        expect(response.header("proxy-status")).toContain('details="answer_refused: ');
      }
      expect(fixture.pool.upstreams[0]?.inFlight).toBe(0);
      expect(fixture.bugs).toEqual([]);
    } finally {
      fixture.close();
      await origin.close();
    }
  },

  "refuses a WebSocket handshake whose total timeout expires during an injected delay": async (engine) => {
    const deadlines = new Deadlines({ clock: systemClock, schedule: systemSchedule });
    const origin = await startOrigin(() => {});
    const timeouts = { totalMs: 200 };
    const fixture = await startEngine(engine, { ports: [origin.port], timeouts, destination: { deadlines } });
    const [upstream] = fixture.pool.upstreams;
    const spec = { latencyMs: 1_000, errorShare: 0, error: "connect_refused", probes: false } as const;
    const until = systemClock() + 60_000;
    if (upstream)
      fixture.faults.set(
        upstream,
        new FaultInjection({ ...spec, until, by: "ann", why: "" }, seededRandom(1)),
      );
    try {
      const client = await RawClient.connect(fixture.port);
      const response = await client.send(handshake()).readResponse();
      expect(response.status).toBe(504);
      expect(upstream?.inFlight).toBe(0);
      expect(origin.requests).toEqual([]);
      client.destroy();
    } finally {
      fixture.close();
      await origin.close();
    }
  },
};
