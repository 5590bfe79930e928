import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import {
  capDelay,
  describeFault,
  FaultInjection,
  type FaultSpec,
  injectedErrors,
  reasonNotToInject,
} from "../../src/fault/fault.ts";
import { domain } from "../support/domain.ts";

const plan: FaultSpec = {
  ...{ latencyMs: 0, errorShare: 1, error: "connect_refused", probes: false },
  ...{ until: 5_000, by: "ann", why: "" },
};
const rehearsalOf = (change: Partial<FaultSpec> = {}) =>
  new FaultInjection({ ...plan, ...change }, seededRandom(1));

describe("a rehearsal", () => {
  test("ends at its time, even if nobody looks before", () => {
    const { upstreams, start, now } = domain();
    const [a] = upstreams;
    if (!a) throw new Error("an upstream is expected");
    a.fault = rehearsalOf();
    expect(start(a).interception?.end).toMatchObject({ reason: "connect_refused", detail: "rehearsal" });
    now.ms = 4_999;
    expect(start(a).interception).toBeDefined();
    now.ms = 5_000;
    expect(start(a).interception).toBeUndefined();
  });

  test("leaves an attempt alone without one, also when the attempt is used again", () => {
    const { upstreams, start, pool } = domain();
    const [a, b] = upstreams;
    if (!a || !b) throw new Error("two upstreams are expected");
    a.fault = rehearsalOf();
    const attempt = start(a);
    attempt.end({ kind: "cancelled" });
    attempt.start(b, pool);
    expect(attempt.interception).toBeUndefined();
  });

  test("fails as many attempts as its share says, and delays all", () => {
    const fault = rehearsalOf({ errorShare: 0.3, latencyMs: 200 });
    const staged = Array.from({ length: 2_000 }, () => fault.intercept(0));
    expect(staged.every((each) => each?.delayMs === 200)).toBe(true);
    const failed = staged.filter((each) => each?.end).length;
    expect(failed).toBeGreaterThan(530);
    expect(failed).toBeLessThan(670);
  });

  test("plays every kind it offers, connects as what any method may retry", () => {
    const ends = injectedErrors.map((error) => rehearsalOf({ error }).intercept(0)?.end);
    expect(
      ends.map((end) => (end?.kind === "answer" ? `${end.status}` : `${end?.phase} ${end?.reason}`)),
    ).toEqual([
      ...["connect connect_refused", "connect connect_timeout", "connect connect_reset"],
      ...["head head_timeout", "head head_invalid", "head upstream_reset"],
      ...["500", "502", "503", "504"],
    ]);
  });

  test("turns a delay beyond the time for a head into a timeout", () => {
    expect(capDelay({ delayMs: 999, end: undefined }, 1_000)).toEqual({ delayMs: 999, end: undefined });
    expect(capDelay({ delayMs: 1_000, end: undefined }, 1_000)).toMatchObject({
      delayMs: 1_000,
      end: { reason: "head_timeout", phase: "head" },
    });
  });

  test("is told in few words", () => {
    expect(describeFault({ ...plan, latencyMs: 2_000, errorShare: 0.3, probes: true })).toBe(
      "+2000 ms, 30 % connect_refused, failing probes",
    );
  });
});

describe("the guard", () => {
  test("refuses the last fit upstream, and more than half of them", () => {
    const { pool, upstreams } = domain({ weights: [1, 1, 1, 1] });
    const [a, b, c, d] = upstreams;
    if (!a || !b || !c || !d) throw new Error("four upstreams are expected");
    expect(reasonNotToInject(pool, a)).toBeUndefined();
    a.fault = rehearsalOf();
    // The one that is under way already may be replaced.
    expect(reasonNotToInject(pool, a)).toBeUndefined();
    expect(reasonNotToInject(pool, b)).toBeUndefined();
    b.fault = rehearsalOf();
    expect(reasonNotToInject(pool, c)).toContain("3 of 4");
    pool.setMode(c, "maintenance");
    expect(reasonNotToInject(pool, d)).toContain("no other upstream");
  });

  test("counts those that their rehearsal got ejected", () => {
    const { pool, upstreams, run } = domain();
    const [a, b] = upstreams;
    if (!a || !b) throw new Error("upstreams are expected");
    a.fault = rehearsalOf();
    for (let i = 0; i < 5; i++) run(a, "bad");
    expect(a.status).toBe("ejected");
    expect(reasonNotToInject(pool, b)).toContain("2 of 3");
  });

  test("refuses the only one of a pool", () => {
    const { pool, upstreams } = domain({ weights: [1] });
    const [a] = upstreams;
    expect(a && reasonNotToInject(pool, a)).toContain("no other upstream");
  });
});
