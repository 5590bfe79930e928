import { describe, expect, test } from "bun:test";

import { FaultRegistry } from "../../src/fault/fault-registry.ts";
import { upstreamDetail } from "../../src/view/snapshot-builder.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { UpstreamObservations } from "../../src/view/observations.ts";
import { policyEntry } from "../../src/policy/policies.ts";
import { Attempt } from "../../src/pool/attempt.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { cancelled, failure, completed } from "../../src/pool/outcome.ts";
import { Pool } from "../../src/pool/pool.ts";
import { upFor } from "../support/fake-admin-api.ts";
import { upstreamOf } from "../support/upstreams.ts";

const probe = (at: number) => ({ at, success: true, detail: "connected", latencyMs: 1 });

describe("the observations of an upstream", () => {
  test("contain the time of the last status change, whatever the cause", () => {
    let now = 100;
    const observed = new UpstreamObservations(() => now);
    const upstream = upstreamOf("a");
    expect(observed.statusSince(upstream)).toBe(100);
    now = 200;
    expect(observed.statusSince(upstream)).toBe(100);
    upstream.activeHealth.record(true);
    expect(observed.statusSince(upstream)).toBe(200);
    now = 300;
    upstream.mode = "draining";
    observed.sample(upstream);
    now = 400;
    expect(observed.statusSince(upstream)).toBe(300);
  });

  test("contain the last sixty probes, oldest first, across status changes", () => {
    const observed = new UpstreamObservations(() => 0);
    const upstream = upstreamOf("a");
    for (let at = 1; at <= 70; at++) {
      observed.probed(upstream, probe(at));
      if (at === 50) upstream.activeHealth.record(true);
    }
    const times = observed.probesOf(upstream).map(({ at }) => at);
    expect(times).toHaveLength(60);
    expect([times[0], times[59]]).toEqual([11, 70]);
  });
});

describe("the detail of an upstream", () => {
  const upstream = upstreamOf("a");
  let now = 100_000;
  const metrics = new Metrics(() => now);
  const policy = policyEntry("first").create({ random: () => 0, clock: () => now });
  const pool = new Pool({ name: "main", policy, upstreams: [upstream], random: () => 0, clock: () => now });
  const observed = new UpstreamObservations(() => now);
  observed.probed(upstream, probe(7));
  const detail = () =>
    upstreamDetail(
      {
        pool,
        faults: new FaultRegistry(),
        policy: "first",
        probe: "TCP connect every 5s",
        metrics,
        now,
        at: now,
        events: [],
        usual: null,
        retryBudget: { balance: 0 },
        queue: { size: 0 },
        maxQueued: 1_024,
        annotationsFor: () => ({
          lastProbe: null,
          probeHistory: "",
          uptime: upFor(0),
          modeSet: null,
          statusSince: 0,
          weightSet: null,
          added: null,
          drain: null,
        }),
      },
      upstream,
      observed,
    );

  test("has no latency bars without a response", () => expect(detail().latencies).toEqual([]));

  test("has errors by reason, codes, probes and latencies", () => {
    const attempt = new Attempt(() => now, metrics, httpResponseClassifier);
    for (const [latencyMs, status] of [
      [3, 200],
      [3, 200],
      [11, 503],
    ] as const) {
      // prettier-ignore
      attempt.start(upstream);
      now += latencyMs;
      attempt.responseStarted(status);
      attempt.end(completed);
    }
    for (const outcome of [failure("connect", "connect_refused"), cancelled]) {
      attempt.start(upstream);
      attempt.end(outcome);
    }
    const { latencies, ...rest } = detail();
    expect(rest).toMatchObject({
      pool: "main",
      errorsByReason: { connect_refused: 1, status_503: 1 },
      codes: { "200": 2, "503": 1 },
      cancelled: 1,
      probes: [{ at: 7 }],
    });
    expect(latencies.map(({ count }) => count)).toEqual([2, 0, 0, 1]);
    expect(latencies[0]).toMatchObject({ toMs: 4 });
    expect(latencies[3]).toMatchObject({ fromMs: 8 });
    for (const [index, { fromMs }] of latencies.entries()) {
      if (index > 0) expect(fromMs).toBeCloseTo(latencies[index - 1]?.toMs ?? 0);
    }
  });
});
