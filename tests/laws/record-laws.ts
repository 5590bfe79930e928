/** What every engine must record: each exchange ends with exactly one record. */

import { expect } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { respondWith, type OriginOptions, startOrigin } from "../support/origin.ts";
import { sendRequest, RawClient } from "../support/raw-client.ts";
import { type EngineFixture, startEngine } from "../support/engine-fixture.ts";
import { until } from "../support/wait.ts";

const get = (target: string, headers = "") =>
  `GET ${target} HTTP/1.1\r\nHost: shop.example\r\n${headers}\r\n`;

async function withRecords(
  engine: Engine,
  response: OriginOptions["respond"],
  run: (fixture: EngineFixture) => Promise<void>,
  hasDeadUpstream = false,
): Promise<void> {
  const deadOrigin = await startOrigin(() => {});
  await deadOrigin.close();
  const origin = await startOrigin(response);
  const fixture = await startEngine(engine, {
    ports: hasDeadUpstream ? [deadOrigin.port, origin.port] : [origin.port],
  });
  try {
    await run(fixture);
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await origin.close();
  }
}

const ok: OriginOptions["respond"] = (_, socket) => void socket.write(respondWith("ok"));

export const recordLaws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "records a successful exchange once": (engine) =>
    withRecords(engine, ok, async ({ port, records }) => {
      const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
      await sendRequest(port, get("/a?b=c", `X-Request-Id: one\r\ntraceparent: ${traceparent}\r\n`));
      await until(() => records.length > 0);
      await sendRequest(port, get("/next", "X-Request-Id: two\r\n"));
      await until(() => records.length > 1);
      expect(records.map(({ requestId }) => requestId)).toEqual(["one", "two"]);
      const expected = { method: "GET", target: "/a?b=c", host: "shop.example", status: 200, pool: "main" };
      expect(records[0]).toMatchObject({
        ...expected,
        traceId: traceparent.slice(3, 35),
        reason: null,
        isClientGone: false,
      });
      expect(records[0]?.attempts).toMatchObject([{ status: 200, outcome: "response" }]);
      expect(records[0]?.bytesOut).toBeGreaterThan(1);
      expect(records[0]?.listener).toBe("main");
    }),

  "records a retried exchange once, with both attempts": (engine) =>
    withRecords(
      engine,
      ok,
      async ({ port, records }) => {
        for (const target of ["/1", "/2"]) await sendRequest(port, get(target));
        await until(() => records.length === 2);
        const retried = records.find(({ attempts }) => attempts.length === 2);
        expect(retried).toMatchObject({ status: 200, retried: ["connect_refused"] });
        expect(retried?.attempts).toMatchObject([{ reason: "connect_refused" }, { status: 200 }]);
      },
      true,
    ),

  "records an exchange with a refused request head once": (engine) =>
    withRecords(engine, ok, async ({ port, records }) => {
      await sendRequest(port, "TRACE / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
      await until(() => records.length > 0);
      expect(records).toMatchObject([
        { status: 405, reason: "request_invalid", complaint: "CONNECT and TRACE are not supported" },
      ]);
      expect(records).toMatchObject([{ pool: null, attempts: [], clientAddress: "127.0.0.1" }]);
    }),

  "records an exchange whose client disconnected once": (engine) => {
    let hasArrived = false;
    return withRecords(
      engine,
      () => void (hasArrived = true),
      async ({ port, records }) => {
        const client = await RawClient.connect(port);
        client.send(get("/left"));
        await until(() => hasArrived);
        client.destroy();
        await until(() => records.length > 0);
        expect(records).toMatchObject([{ target: "/left", status: 0, isClientGone: true }]);
        expect(records[0]?.attempts).toMatchObject([{ outcome: "cancelled" }]);
      },
    );
  },

  "records an exchange with a truncated response once": (engine) =>
    withRecords(
      engine,
      (_, socket) => {
        const head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 900000\r\n\r\n";
        socket.write(head + "x".repeat(100_000), () => socket.destroy());
      },
      async ({ port, records }) => {
        await sendRequest(port, get("/short")).catch(() => undefined);
        await until(() => records.length > 0);
        expect(records).toMatchObject([{ target: "/short", reason: "body_truncated", isClientGone: false }]);
        expect(records[0]?.attempts).toMatchObject([{ phase: "body", reason: "body_truncated" }]);
      },
    ),

  "records an exchange that became a WebSocket once": async (engine) => {
    const echo = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no")),
      websocket: { message: (socket, message) => void socket.send(message) },
    });
    const fixture = await startEngine(engine, { ports: [echo.port ?? 0] });
    try {
      const socket = new WebSocket(`ws://127.0.0.1:${fixture.port}/chat`);
      const replies: unknown[] = [];
      socket.onopen = () => socket.send("hellö");
      socket.onmessage = ({ data }) => replies.push(data);
      await until(() => replies.length === 1);
      expect(fixture.records).toEqual([]);
      socket.close();
      await until(() => fixture.records.length > 0);
      expect(fixture.records).toMatchObject([{ target: "/chat", status: 101, reason: null }]);
      expect(fixture.records[0]?.attempts).toHaveLength(1);
      // "hellö" has six bytes in each direction; the wire engine also counts frames and heads.
      expect(fixture.records[0]?.bytesIn).toBeGreaterThanOrEqual(6);
      expect(fixture.records[0]?.bytesOut).toBeGreaterThanOrEqual(6);
    } finally {
      fixture.close();
      await echo.stop(true);
    }
  },
};
