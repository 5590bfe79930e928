import { describe, expect, test } from "bun:test";

import { Attempt } from "../../src/pool/attempt.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { cancelled, completed, failure, type Outcome, superseded } from "../../src/pool/outcome.ts";
import { upstreamOf } from "../support/upstreams.ts";

function setUp() {
  const now = { ms: 1_000 };
  const outcomes: Outcome[] = [];
  const attempt = new Attempt(
    () => now.ms,
    { attemptEnded: (_, outcome) => outcomes.push(outcome) },
    httpResponseClassifier,
  );
  return { now, outcomes, attempt, upstream: upstreamOf("a") };
}

describe("an attempt", () => {
  test("counts as in flight until its first end; further ends are ignored", () => {
    const { attempt, upstream, outcomes } = setUp();
    attempt.start(upstream);
    expect(upstream.inFlight).toBe(1);
    attempt.end(completed);
    attempt.end(cancelled);
    expect(upstream.inFlight).toBe(0);
    expect(outcomes).toEqual([completed]);
  });

  test("measures the latency until the response head, not until the end", () => {
    const { attempt, upstream, now } = setUp();
    attempt.start(upstream);
    now.ms += 40;
    attempt.responseStarted(200);
    now.ms += 5_000;
    attempt.end(completed);
    expect(attempt.timeToHeadersMs).toBe(40);
    expect(upstream.latency.read(1_040)).toBe(40);
  });

  test("counts a quick refusal as slow, and ignores a cancelled attempt", () => {
    const { attempt, upstream, now } = setUp();
    attempt.start(upstream);
    attempt.end(cancelled);
    expect(upstream.latency.measured).toBe(false);
    attempt.start(upstream);
    now.ms += 1;
    attempt.end(failure("connect", "connect_refused"));
    expect(upstream.latency.read(now.ms)).toBe(1_000);
  });

  test("whose response was refused for its form is as slow as it was, and says nothing about the upstream", () => {
    const { attempt, upstream, now } = setUp();
    const signals: string[] = [];
    const accounting = {
      attemptStarted() {},
      attemptResponding() {},
      slotFreed() {},
      attemptEnded: (_: Attempt, signal: string) => void signals.push(signal),
    };
    for (const phase of ["head", "body"] as const) {
      attempt.start(upstream, accounting);
      now.ms += 7;
      if (phase === "body") attempt.responseStarted(200);
      attempt.end(failure(phase, "answer_refused", "a rule"));
    }
    expect(signals).toEqual(["cancelled", "cancelled"]);
    expect(upstream.latency.read(now.ms)).toBe(7);
    attempt.start(upstream, accounting);
    attempt.end(failure("head", "head_invalid"));
    expect(signals.at(-1)).toBe("failure");
  });

  test("measures how long an outrun attempt had waited, so that its upstream looks as slow as it is", () => {
    const { attempt, upstream, now } = setUp();
    attempt.start(upstream);
    now.ms += 300;
    attempt.end(superseded);
    expect(upstream.latency.measured).toBe(true);
    expect(upstream.latency.read(now.ms)).toBe(300);
    // Where its head had come, the latency is known already.
    attempt.start(upstream);
    now.ms += 400;
    attempt.responseStarted(200);
    now.ms += 9_000;
    attempt.end(superseded);
    expect(upstream.latency.read(now.ms)).toBeLessThan(400);
    // A client that leaves tells nothing about the upstream.
    const other = upstreamOf("b");
    attempt.start(other);
    now.ms += 300;
    attempt.end(cancelled);
    expect(other.latency.measured).toBe(false);
  });

  test("waits from the last sign of its upstream's work", () => {
    const { attempt, upstream, now } = setUp();
    attempt.start(upstream);
    now.ms += 50;
    attempt.interimReceived();
    expect([attempt.waitingSince, attempt.isWaiting]).toEqual([1_050, true]);
    attempt.awaitClient();
    attempt.interimReceived();
    expect(attempt.isWaiting).toBe(false);
    attempt.end(completed);
    attempt.interimReceived();
    expect(upstream.waiting.oldest).toBeUndefined();
  });

  test("refuses to start while it is open, and can be reused after its end", () => {
    const { attempt, upstream } = setUp();
    attempt.start(upstream);
    expect(() => attempt.start(upstream)).toThrow("still open");
    attempt.responseStarted(500);
    attempt.end(completed);
    attempt.start(upstream);
    expect(attempt.status).toBe(0);
    expect(attempt.timeToHeadersMs).toBeUndefined();
  });
});
