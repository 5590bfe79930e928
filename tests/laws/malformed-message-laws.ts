/** What engines must do with malformed messages: only the side that sent them is at fault. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { FaultInjection } from "../../src/fault/fault.ts";
import { Deadlines } from "../../src/proxy/deadlines.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
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
