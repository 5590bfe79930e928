/** What every engine does with limits that a route has in place of its pool's. */

import { expect } from "bun:test";

import type { RouteFile } from "../../src/config/route-schema.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { configuredRoutes } from "../support/configured-routes.ts";
import { type EngineFixture, type EngineFixtureOptions, startEngine } from "../support/engine-fixture.ts";
import { delayed, respondWith, startOrigin, startSilentOrigins } from "../support/origin.ts";
import { sendRequest } from "../support/raw-client.ts";
import { get } from "../support/route-fixture.ts";

type Law = (engine: Engine) => Promise<void>;

/** Two upstreams that never respond. */
async function withSilence(
  engine: Engine,
  routes: readonly RouteFile[],
  run: (fixture: EngineFixture, sent: () => number) => Promise<void>,
  options: Partial<EngineFixtureOptions> = {},
): Promise<void> {
  const { origins, pending } = await startSilentOrigins(2);
  const ports = origins.map(({ port }) => port);
  const fixture = await startEngine(engine, { ports, routes: configuredRoutes(routes), ...options });
  try {
    await run(fixture, () => pending.length);
    expect(fixture.bugs).toEqual([]);
  } finally {
    fixture.close();
    await Promise.all(origins.map((origin) => origin.close()));
  }
}

const post = (target: string, body: string) =>
  `POST ${target} HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const chunked = (target: string, size: number) =>
  `POST ${target} HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n${size.toString(16)}\r\n${"a".repeat(size)}\r\n0\r\n\r\n`;

export const routeLimitLaws: Readonly<Record<string, Law>> = {
  "limits the body of a request by its route": async (engine) => {
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("served")));
    const routes = configuredRoutes([
      { path: "/small", maxRequestBody: "10B", pool: "main" },
      { path: "/", pool: "main" },
    ]);
    const destination = { maxRequestBodyBytes: 20 };
    const fixture = await startEngine(engine, { ports: [origin.port], routes, destination });
    try {
      const statuses: number[] = [];
      for (const request of [
        post("/small", "a".repeat(10)),
        post("/small", "a".repeat(11)),
        chunked("/small", 11),
        post("/", "a".repeat(20)),
        post("/", "a".repeat(21)),
      ])
        statuses.push((await sendRequest(fixture.port, request)).status);
      expect(statuses).toEqual([200, 413, 413, 200, 413]);
    } finally {
      fixture.close();
      await origin.close();
    }
  },

  "ends a wait for the response's head by the timeout of the route, and retries as often as it says": (
    engine,
  ) =>
    withSilence(
      engine,
      [
        { path: "/none", timeouts: { head: "100ms" }, retries: 0, pool: "main" },
        { path: "/one", timeouts: { head: "100ms" }, retries: 1, pool: "main" },
      ],
      async ({ port }, sent) => {
        expect((await sendRequest(port, get("/none"))).status).toBe(504);
        expect(sent()).toBe(1);
        expect((await sendRequest(port, get("/one"))).status).toBe(504);
        expect(sent()).toBe(3);
      },
      { retries: 1 },
    ),

  "ends a request by the total timeout of its route, also where others wait longer": (engine) =>
    withSilence(
      engine,
      [
        { path: "/short", timeouts: { total: "150ms" }, pool: "main" },
        { path: "/long", timeouts: { total: "600ms" }, pool: "main" },
      ],
      async (fixture) => {
        const ended: string[] = [];
        const ask = async (target: string) => {
          const { status, header } = await sendRequest(fixture.port, get(target));
          ended.push(`${target} ${status} ${/details="(\w+)/.exec(header("proxy-status") ?? "")?.[1]}`);
        };
        await Promise.all([ask("/long"), ask("/short"), ask("/long")]);
        expect(ended).toEqual([
          "/short 504 total_timeout",
          "/long 504 total_timeout",
          "/long 504 total_timeout",
        ]);
      },
    ),

  "waits without a limit where the route says so": async (engine) => {
    const origin = await startOrigin(delayed((_, socket) => void socket.write(respondWith("late")), 700));
    const routes = configuredRoutes([{ timeouts: { head: 0, bodyIdle: 0, total: 0 }, pool: "main" }]);
    const timeouts = { headMs: 100, bodyIdleMs: 100, totalMs: 200 };
    const fixture = await startEngine(engine, { ports: [origin.port], routes, timeouts });
    try {
      expect((await sendRequest(fixture.port, get("/"))).body.toString()).toBe("late");
    } finally {
      fixture.close();
      await origin.close();
    }
  },

  "hedges no request of a route that does not want it": (engine) =>
    withSilence(
      engine,
      [
        { path: "/alone", hedge: false, timeouts: { head: "400ms" }, retries: 0, pool: "main" },
        { path: "/", timeouts: { head: "400ms" }, retries: 0, pool: "main" },
      ],
      async ({ port }, sent) => {
        await sendRequest(port, get("/alone"));
        expect(sent()).toBe(1);
        await sendRequest(port, get("/both"));
        expect(sent()).toBe(3);
      },
      { hedgeAfterMs: 50 },
    ),

  "ends a request by the deadline of its route while it waits in the queue": (engine) =>
    withSilence(
      engine,
      [
        { path: "/first", pool: "main" },
        { path: "/second", timeouts: { total: "150ms" }, pool: "main" },
      ],
      async ({ port, listener, queued }) => {
        const first = [get("/first"), get("/first")].map((request) =>
          sendRequest(port, request).catch(() => {}),
        );
        const second = await sendRequest(port, get("/second"));
        expect([second.status, queued()]).toEqual([504, 0]);
        listener.close();
        await Promise.all(first);
      },
      { queue: { maxWaiting: 10, timeoutMs: 5_000, whenNoneFit: false, maxInFlight: 1 } },
    ),
};
