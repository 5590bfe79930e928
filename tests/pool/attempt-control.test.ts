import { describe, expect, test } from "bun:test";

import { Queue } from "../../src/proxy/queue.ts";
import { cancelled } from "../../src/pool/outcome.ts";
import { reclaimSlots } from "../../src/pool/attempt-control.ts";
import type { Attempt } from "../../src/pool/attempt.ts";
import { createPoolFixture, type PoolFixture } from "../support/pool-fixture.ts";
import { FakeTime } from "../support/fake-time.ts";

/** Attempts on the first upstream whose clients still send; those in `yielding` give up their slot on request. */
function startSending({ startAttempt, upstreams }: PoolFixture, names: readonly string[], yielding: string) {
  const yieldRequests: string[] = [];
  const attempts = names.map((name) => {
    const attempt = startAttempt(upstreams[0] as PoolFixture["upstreams"][number]);
    attempt.awaitClient();
    const yieldSlot = (given: Attempt) => {
      yieldRequests.push(name);
      if (yielding.includes(name)) given.end(cancelled);
      return yielding.includes(name);
    };
    attempt.driver = { rescue() {}, abort() {}, yieldSlot };
    return attempt;
  });
  return { yieldRequests, attempts };
}

describe("slow clients", () => {
  test("are asked to yield in the order of their start, until enough slots are free", () => {
    const fixture = createPoolFixture();
    const { yieldRequests, attempts } = startSending(fixture, ["a", "b", "c", "d"], "bcd");
    reclaimSlots(fixture.upstreams, 2, 5_000);
    expect(yieldRequests).toEqual(["a", "b", "c"]);
    expect(attempts.map(({ isOpen }) => isOpen)).toEqual([true, false, false, true]);
  });

  test("and slow readers are asked to yield, but neither tunnels nor requests that the upstream has to respond to", () => {
    const fixture = createPoolFixture();
    const { yieldRequests, attempts } = startSending(fixture, ["a", "b", "c", "d"], "abcd");
    attempts[0]?.awaitUpstream();
    attempts[1]?.responseStarted(200);
    attempts[2]?.responseStarted(101);
    reclaimSlots(fixture.upstreams, 9, 5_000);
    expect(yieldRequests).toEqual(["d", "b"]);
  });

  test("keep their slots on an upstream that accepts no new requests", async () => {
    const fixture = createPoolFixture({ weights: [1] });
    const { yieldRequests } = startSending(fixture, ["a"], "");
    const time = new FakeTime();
    const limits = { maxWaiting: 9, timeoutMs: 5_000, whenNoneFit: true };
    const queue = new Queue({ pool: fixture.pool, limits, clock: time.clock, schedule: time.schedule });
    queue.enqueue({ tryToLeave: () => false, queueTimedOut: () => {} });
    await time.advance(1_000);
    expect(yieldRequests.length).toBeGreaterThan(0);
    yieldRequests.length = 0;
    fixture.pool.setMode(fixture.upstreams[0] as PoolFixture["upstreams"][number], "draining");
    await time.advance(1_000);
    expect(yieldRequests).toEqual([]);
  });
});
