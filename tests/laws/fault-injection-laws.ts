/** How every engine must treat an injected fault: as a real one. */

import { describe, expect, test } from "bun:test";

import type { Engine } from "../../src/engine/engine.ts";
import { systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { FaultInjection, type FaultSpec } from "../../src/fault/fault.ts";
import { rescueWaiting } from "../../src/pool/attempt-control.ts";
import { StallDetector } from "../../src/probe/stall-detector.ts";
import { respondWith, type Origin, startOrigin } from "../support/origin.ts";
import { sendRequest, RawClient } from "../support/raw-client.ts";
import { type EngineFixture, startEngine, type EngineFixtureOptions } from "../support/engine-fixture.ts";
import { until } from "../support/wait.ts";

interface FaultSetup {
  readonly origins: readonly Origin[];
  readonly fixture: EngineFixture;
  /** Injects a fault on the first upstream. */
  inject(change: Partial<FaultSpec>): void;
}

const get = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const post = "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello";

async function withFault(
  engine: Engine,
  run: (setup: FaultSetup) => Promise<void>,
  { count = 3, ...options }: Partial<EngineFixtureOptions> & { readonly count?: number } = {},
): Promise<void> {
  const origins = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      startOrigin((_request, socket) => void socket.write(respondWith(`from ${i}`))),
    ),
  );
  const fixture = await startEngine(engine, { ports: origins.map(({ port }) => port), ...options });
  const inject: FaultSetup["inject"] = (change) => {
    const [first] = fixture.pool.upstreams;
    const spec = { latencyMs: 0, errorShare: 0, error: "connect_refused", probes: false } as const;
    const until = systemClock() + 60_000;
    if (first)
      fixture.faults.set(
        first,
        new FaultInjection({ ...spec, until, by: "ann", why: "", ...change }, seededRandom(1)),
      );
  };
  try {
    await run({ origins, fixture, inject });
    expect(fixture.bugs).toEqual([]);
    await until(() => fixture.pool.upstreams.every(({ inFlight }) => inFlight === 0));
  } finally {
    fixture.close();
    await Promise.all(origins.map((origin) => origin.close()));
  }
}

const laws: Readonly<Record<string, (engine: Engine) => Promise<void>>> = {
  "an injected failure ejects the upstream, no client sees an error, and the upstream returns": (engine) =>
    withFault(
      engine,
      async ({ origins, fixture, inject }) => {
        const [first] = fixture.pool.upstreams;
        inject({ errorShare: 1 });
        for (let i = 0; i < 20; i++) expect((await sendRequest(fixture.port, get)).status).toBe(200);
        expect(first?.status).toBe("ejected");
        expect(origins[0]?.requests).toHaveLength(0);
        const failed = fixture.ended.filter(({ outcome }) => outcome.kind === "failure");
        expect(failed).toHaveLength(3);
        expect(failed[0]?.outcome).toMatchObject({ reason: "connect_refused", detail: "rehearsal" });
        if (first) fixture.faults.set(first, undefined);
        first?.outlier.restore(systemClock(), "probe_passed");
        fixture.pool.setUpstreams(fixture.pool.upstreams);
        for (let i = 0; i < 6; i++) expect((await sendRequest(fixture.port, get)).status).toBe(200);
        expect(origins[0]?.requests.length).toBeGreaterThan(0);
      },
      { ejectsAfter: 3 },
    ),

  "an injected delay holds the request before anything is sent, and counts as the upstream's latency": (
    engine,
  ) =>
    withFault(
      engine,
      async ({ origins, fixture, inject }) => {
        inject({ latencyMs: 150 });
        const startedAt = systemClock();
        const pendingResponse = sendRequest(fixture.port, post);
        await until(() => fixture.pool.upstreams[0]?.waiting.oldest !== undefined);
        expect(origins[0]?.requests).toHaveLength(0);
        const response = await pendingResponse;
        expect(response.status).toBe(200);
        expect(systemClock() - startedAt).toBeGreaterThanOrEqual(149);
        expect(origins[0]?.requests[0]?.body.toString()).toBe("hello");
        expect(fixture.pool.upstreams[0]?.latency.measured).toBe(true);
      },
      { count: 1 },
    ),

  "an injected delay makes the upstream suspected, and its requests are rescued when it is down": (engine) =>
    withFault(engine, async ({ origins, fixture, inject }) => {
      const { pool } = fixture;
      const [first] = pool.upstreams;
      if (!first) throw new Error("an upstream is expected");
      inject({ latencyMs: 20_000 });
      const responses = [1, 2, 3].map(() => sendRequest(fixture.port, get));
      await until(() => first.waiting.oldest !== undefined);
      // The detector's clock runs ahead, so that the test need not wait.
      const suspects: unknown[] = [];
      const stallDetector = new StallDetector({
        pools: () => [pool],
        clock: () => systemClock() + 1_500,
        schedule: systemSchedule,
        p99Ms: () => 10,
        onSuspicion: (suspicions) => suspects.push(...suspicions.map(({ upstream }) => upstream)),
      });
      stallDetector.check();
      expect(suspects).toContain(first);
      pool.recordProbe(first, false, { isSuspected: true });
      expect(first.status).toBe("failing");
      rescueWaiting(first);
      expect((await Promise.all(responses)).map(({ status }) => status)).toEqual([200, 200, 200]);
      expect(origins[0]?.requests).toHaveLength(0);
    }),

  "an injected delay may be hedged, and the superseded attempt is never sent": (engine) =>
    withFault(
      engine,
      async ({ origins, fixture, inject }) => {
        const [first] = fixture.pool.upstreams;
        inject({ latencyMs: 300 });
        const startedAt = systemClock();
        const pendingResponse = sendRequest(fixture.port, get);
        await until(() => first?.waiting.oldest?.driver !== undefined);
        const waiting = first?.waiting.oldest;
        if (waiting) waiting.driver?.hedge?.(waiting);
        expect((await pendingResponse).status).toBe(200);
        expect(systemClock() - startedAt).toBeLessThan(300);
        await until(() => fixture.ended.length === 2);
        expect(fixture.ended.map(({ outcome }) => outcome.kind).toSorted()).toEqual([
          "cancelled",
          "response",
        ]);
        await until(() => systemClock() - startedAt > 350);
        expect(origins[0]?.requests).toHaveLength(0);
      },
      { destination: { mayHedge: true } },
    ),

  "an injected delay longer than the head timeout is a timeout": (engine) =>
    withFault(
      engine,
      async ({ fixture, inject }) => {
        inject({ latencyMs: 10_000 });
        const response = await sendRequest(fixture.port, post);
        expect(response.status).toBe(504);
        expect(response.header("proxy-status")).toContain("head_timeout");
      },
      { count: 1, timeouts: { headMs: 200 } },
    ),

  "an injected status is retried on another upstream if that is configured": (engine) =>
    withFault(
      engine,
      async ({ origins, fixture, inject }) => {
        inject({ errorShare: 1, error: "status_503" });
        for (let i = 0; i < 6; i++) expect((await sendRequest(fixture.port, get)).status).toBe(200);
        expect(origins[0]?.requests).toHaveLength(0);
        expect(fixture.ended.filter(({ status }) => status === 503)).toHaveLength(2);
        expect(fixture.retried).toEqual(["status_503", "status_503"]);
      },
      { destination: { retryStatuses: new Set([503]) } },
    ),

  "an injected status reaches the client as a response of the balancer if nothing is retried": (engine) =>
    withFault(
      engine,
      async ({ fixture, inject }) => {
        inject({ errorShare: 1, error: "status_502" });
        const client = await RawClient.connect(fixture.port);
        for (let i = 0; i < 2; i++) {
          const response = await client.send(get).readResponse();
          expect(response.status).toBe(502);
          expect(response.header("proxy-status")).toContain("rehearsal");
        }
        client.destroy();
        await until(() => fixture.ended.length === 2);
        expect(fixture.ended[0]).toMatchObject({ status: 502, outcome: { kind: "response" } });
      },
      { count: 1 },
    ),

  "a client that disconnects during an injected delay counts no upstream failure": (engine) =>
    withFault(
      engine,
      async ({ origins, fixture, inject }) => {
        inject({ latencyMs: 20_000 });
        const client = await RawClient.connect(fixture.port);
        client.send(get);
        await until(() => fixture.pool.upstreams[0]?.waiting.oldest !== undefined);
        client.destroy();
        await until(() => fixture.ended.length === 1);
        expect(fixture.ended[0]?.outcome.kind).toBe("cancelled");
        expect(origins[0]?.requests).toHaveLength(0);
      },
      { count: 1 },
    ),
};

export function faultInjectionLaws(engine: Engine): void {
  describe(`fault injection on the ${engine.name} engine`, () => {
    for (const [law, run] of Object.entries(laws)) test(law, () => run(engine));
  });
}
