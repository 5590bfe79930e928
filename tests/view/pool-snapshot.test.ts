import { expect, test } from "bun:test";

import { FaultRegistry } from "../../src/fault/fault-registry.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { Attempt } from "../../src/pool/attempt.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { completed } from "../../src/pool/outcome.ts";
import { poolSnapshot, type PoolView } from "../../src/view/pool-snapshot.ts";
import { upFor } from "../support/fake-admin-api.ts";
import { createPoolFixture } from "../support/pool-fixture.ts";

function setUp() {
  const fixture = createPoolFixture();
  const { pool, now } = fixture;
  const metrics = new Metrics(() => now.ms);
  const snapshot = (usual: PoolView["usual"] = null) => {
    const view: PoolView = {
      pool,
      faults: new FaultRegistry(),
      metrics,
      policy: "round-robin",
      probe: "TCP",
      usual,
      retryBudget: { balance: 7.9 },
      queue: { size: 0 },
      maxQueued: 1_024,
      now: now.ms,
      at: 1_000_000 + now.ms,
      events: [],
      annotationsFor: () => ({
        lastProbe: null,
        probeHistory: "",
        uptime: upFor(0),
        statusSince: 0,
        modeSet: null,
        weightSet: null,
        added: null,
        drain: null,
      }),
    };
    return poolSnapshot(view);
  };
  return { ...fixture, metrics, snapshot };
}

test("a snapshot shows the course of an ejection, in wall-clock time", () => {
  const { upstreams, now, pool, runAttempt, snapshot } = setUp();
  const [a] = upstreams;
  expect(snapshot()).toMatchObject({ panic: false, retryBudget: 7 });
  const calm = { state: "up", since: null, until: null, reason: null, cause: null, count: 0 } as const;
  expect(snapshot().upstreams[0]).toMatchObject({
    outlier: calm,
    slowStart: null,
    maxInFlight: 256,
    fit: true,
  });
  for (let i = 0; i < 5; i++) runAttempt(a, "bad");
  now.ms += 10_000;
  expect(snapshot().upstreams[0]).toMatchObject({
    status: "ejected",
    fit: false,
    outlier: {
      state: "ejected",
      since: 1_001_000,
      until: 1_031_000,
      reason: "consecutive_failures",
      cause: "upstream_reset",
      count: 1,
    },
  });
  now.ms += 20_000;
  // No request in between: reading the snapshot ends the ejection.
  expect(snapshot().upstreams[0]).toMatchObject({ status: "probation", fit: true, outlier: { until: null } });
  runAttempt(a, "ok");
  now.ms += 15_000;
  expect(snapshot().upstreams[0]).toMatchObject({
    status: "passing",
    slowStart: 0.5,
    weight: 1,
    effectiveWeight: 0.5,
  });
  for (const upstream of pool.upstreams) for (let i = 0; i < 3; i++) pool.recordProbe(upstream, false);
  expect(snapshot().panic).toBe(false);
});

test("requests refused before any attempt count in the pool's traffic, but in no upstream's", () => {
  const { upstreams, metrics, now, snapshot } = setUp();
  snapshot();
  const [a] = upstreams;
  if (!a) throw new Error("no upstream");
  const attempt = new Attempt(() => now.ms, metrics, httpResponseClassifier);
  attempt.start(a);
  attempt.responseStarted(200);
  attempt.end(completed);
  const refused = { reason: "no_upstream", status: 503 };
  for (let i = 0; i < 4; i++) metrics.refused("main", refused, 0);
  // Its attempt already counts as an error.
  metrics.refused("main", { reason: "connect_refused", status: 502 }, 1);
  metrics.refused("main", { reason: "request_too_large", status: 413 }, 0);
  metrics.refused("other", refused, 0);
  now.ms += 2_000;
  expect(snapshot()).toMatchObject({
    traffic: { requests: 6, errors: 4, requestsPerSecond: 3, errorShare: 4 / 6 },
    turnedAwayPerSecond: 2,
  });
  expect(snapshot().upstreams[0]).toMatchObject({ traffic: { requests: 1, errors: 0 } });
});

test("a snapshot says what is usual, once there is a history", () => {
  const { snapshot } = setUp();
  expect(snapshot()).not.toHaveProperty("usual");
  const usual = { p95Ms: 40, errorShare: 0.001, perSecond: 900, peakPerSecond: 1_500 };
  expect(snapshot(usual).usual).toEqual({
    ...{ requestsPerSecond: 900, errorShare: 0.001, p95Ms: 40, peakRequestsPerSecond: 1_500 },
  });
});

test("a snapshot shows panic mode", () => {
  const { upstreams, pool, runAttempt, snapshot } = setUp();
  for (let i = 0; i < 5; i++) runAttempt(upstreams[0], "bad");
  for (const upstream of upstreams.slice(1)) pool.setMode(upstream, "draining");
  expect(snapshot().panic).toBe(true);
  expect(snapshot().upstreams[0]).toMatchObject({ status: "ejected", fit: true });
});
