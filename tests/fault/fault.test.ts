import { describe, expect, test } from "bun:test";

import type { Upstream } from "../../src/pool/upstream.ts";
import { ExchangeAttempts } from "../../src/proxy/exchange-attempts.ts";
import { seededRandom } from "../../src/lib/random.ts";
import {
  describeFault,
  FaultInjection,
  type FaultSpec,
  injectedErrors,
  reasonNotToInject,
} from "../../src/fault/fault.ts";
import { FaultRegistry } from "../../src/fault/fault-registry.ts";
import { capDelay } from "../../src/proxy/interception.ts";
import { createPoolFixture } from "../support/pool-fixture.ts";

const plan: FaultSpec = {
  latencyMs: 0,
  errorShare: 1,
  error: "connect_refused",
  probes: false,
  until: 5_000,
  by: "ann",
  why: "",
};
const faultOf = (change: Partial<FaultSpec> = {}) =>
  new FaultInjection({ ...plan, ...change }, seededRandom(1));

const observer = { attemptEnded() {}, retried() {}, notRetried() {}, hedged() {}, refused() {} };

describe("a fault", () => {
  test("ends at its time, even if nothing read it before", () => {
    const { upstreams } = createPoolFixture();
    const [a] = upstreams;
    if (!a) throw new Error("an upstream is expected");
    const faults = new FaultRegistry();
    faults.set(a, faultOf());
    expect(faults.intercept(a, 0)?.then).toMatchObject({ reason: "connect_refused", detail: "rehearsal" });
    expect(faults.intercept(a, 4_999)).toBeDefined();
    expect(faults.intercept(a, 5_000)).toBeUndefined();
  });

  test("intercepts attempts on its own upstream only, and none once it is removed", () => {
    const { upstreams } = createPoolFixture();
    const [a, b] = upstreams;
    if (!a || !b) throw new Error("two upstreams are expected");
    const faults = new FaultRegistry();
    faults.set(a, faultOf());
    expect(faults.intercept(b, 0)).toBeUndefined();
    faults.set(b, faultOf({ until: 9_000 }));
    faults.set(a, undefined);
    expect(faults.intercept(a, 0)).toBeUndefined();
    expect(faults.intercept(b, 8_999)).toBeDefined();
  });

  test("marks the attempt of an exchange, and leaves the next one alone", () => {
    const { upstreams, pool, now } = createPoolFixture();
    const [a, b] = upstreams;
    if (!a || !b) throw new Error("two upstreams are expected");
    const faults = new FaultRegistry();
    faults.set(a, faultOf());
    const attempts = new ExchangeAttempts(() => now.ms, observer, [faults]);
    const attempt = attempts.start(a, pool);
    expect([attempt.isIntercepted, attempts.interceptionOf(attempt)?.then]).toMatchObject([
      true,
      { reason: "connect_refused" },
    ]);
    attempt.end({ kind: "cancelled" });
    expect(attempts.start(b, pool)).toBe(attempt);
    expect([attempt.isIntercepted, attempts.interceptionOf(attempt)]).toEqual([false, undefined]);
  });

  test("fails the configured share of attempts, and delays all", () => {
    const fault = faultOf({ errorShare: 0.3, latencyMs: 200 });
    const interceptions = Array.from({ length: 2_000 }, () => fault.intercept(0));
    expect(interceptions.every((each) => each?.delayMs === 200)).toBe(true);
    const failed = interceptions.filter((each) => each?.then !== "send").length;
    expect(failed).toBeGreaterThan(530);
    expect(failed).toBeLessThan(670);
  });

  test("injects every kind of error; connect errors are retriable for any method", () => {
    const results = injectedErrors.map((error) => faultOf({ error }).intercept(0)?.then);
    expect(
      results.map((then) => {
        if (then === undefined || then === "send") return then;
        return then.kind === "response" ? `${then.status}` : `${then.phase} ${then.reason}`;
      }),
    ).toEqual([
      ...["connect connect_refused", "connect connect_timeout", "connect connect_reset"],
      ...["head head_timeout", "head head_invalid", "head upstream_reset"],
      ...["500", "502", "503", "504"],
    ]);
  });

  test("turns a delay longer than the head timeout into a timeout", () => {
    const held = { then: "send", detail: "x" } as const;
    expect(capDelay({ ...held, delayMs: 999 }, 1_000)).toEqual({ ...held, delayMs: 999 });
    expect(capDelay({ ...held, delayMs: 1_000 }, 1_000)).toMatchObject({
      delayMs: 1_000,
      then: { reason: "head_timeout", phase: "head", detail: "x" },
    });
  });

  test("has a short description", () => {
    expect(describeFault({ ...plan, latencyMs: 2_000, errorShare: 0.3, probes: true })).toBe(
      "+2 s, 30% connect_refused, failing probes",
    );
  });
});

function noFaults() {
  const faults = new FaultRegistry();
  return { faults, hasFault: (upstream: Upstream) => faults.has(upstream) };
}

describe("the safety check", () => {
  test("refuses the last available upstream, and more than half of the pool", () => {
    const { faults, hasFault } = noFaults();
    const { pool, upstreams } = createPoolFixture({ weights: [1, 1, 1, 1] });
    const [a, b, c, d] = upstreams;
    if (!a || !b || !c || !d) throw new Error("four upstreams are expected");
    expect(reasonNotToInject(pool, a, hasFault)).toBeUndefined();
    faults.set(a, faultOf());
    // An active fault may be replaced.
    expect(reasonNotToInject(pool, a, hasFault)).toBeUndefined();
    expect(reasonNotToInject(pool, b, hasFault)).toBeUndefined();
    faults.set(b, faultOf());
    expect(reasonNotToInject(pool, c, hasFault)).toContain("3 of 4");
    pool.setMode(c, "maintenance");
    expect(reasonNotToInject(pool, d, hasFault)).toContain("no other upstream");
  });

  test("counts upstreams that were ejected because of a fault", () => {
    const { faults, hasFault } = noFaults();
    const { pool, upstreams, runAttempt } = createPoolFixture();
    const [a, b] = upstreams;
    if (!a || !b) throw new Error("upstreams are expected");
    faults.set(a, faultOf());
    for (let i = 0; i < 5; i++) runAttempt(a, "bad");
    expect(a.status).toBe("ejected");
    expect(reasonNotToInject(pool, b, hasFault)).toContain("2 of 3");
  });

  test("refuses the only upstream of a pool", () => {
    const { hasFault } = noFaults();
    const { pool, upstreams } = createPoolFixture({ weights: [1] });
    const [a] = upstreams;
    expect(a && reasonNotToInject(pool, a, hasFault)).toContain("no other upstream");
  });
});
