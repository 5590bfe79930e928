import { describe, expect, test } from "bun:test";

import { Queue } from "../../src/proxy/queue.ts";
import { cancelled } from "../../src/pool/outcome.ts";
import { reclaimSlots } from "../../src/pool/attempt-control.ts";
import type { Attempt } from "../../src/pool/attempt.ts";
import { createPoolFixture, type PoolFixture } from "../support/domain.ts";
import { FakeTime } from "../support/fake-time.ts";

/** Attempts on the first upstream whose clients still send; those named give way when they are asked. */
function sending(
  { startAttempt: start, upstreams }: PoolFixture,
  names: readonly string[],
  yielding: string,
) {
  const asked: string[] = [];
  const attempts = names.map((name) => {
    const attempt = start(upstreams[0] as PoolFixture["upstreams"][number]);
    attempt.awaitClient();
    const giveWay = (given: Attempt) => {
      asked.push(name);
      if (yielding.includes(name)) given.end(cancelled);
      return yielding.includes(name);
    };
    attempt.driver = { rescue() {}, abort() {}, yieldSlot: giveWay };
    return attempt;
  });
  return { asked, attempts };
}

describe("clients that trickle", () => {
  test("are asked in the order in which they began, until there are places enough", () => {
    const play = createPoolFixture();
    const { asked, attempts } = sending(play, ["a", "b", "c", "d"], "bcd");
    reclaimSlots(play.upstreams, 2, 5_000);
    expect(asked).toEqual(["a", "b", "c"]);
    expect(attempts.map(({ isOpen }) => isOpen)).toEqual([true, false, false, true]);
  });

  test("are not asked where it is the upstream's turn, or where an answer has begun", () => {
    const play = createPoolFixture();
    const { asked, attempts } = sending(play, ["a", "b", "c"], "abc");
    attempts[0]?.awaitUpstream();
    attempts[1]?.responseStarted(200);
    reclaimSlots(play.upstreams, 9, 5_000);
    expect(asked).toEqual(["c"]);
  });

  test("keep their places on an upstream on which nobody could take them over", async () => {
    const play = createPoolFixture({ weights: [1] });
    const { asked } = sending(play, ["a"], "");
    const time = new FakeTime();
    const limits = { maxWaiting: 9, timeoutMs: 5_000, whenNoneFit: true };
    const queue = new Queue({ pool: play.pool, limits, clock: time.clock, schedule: time.schedule });
    queue.enqueue({ retry: () => false, queueTimedOut: () => {} });
    await time.advance(1_000);
    expect(asked.length).toBeGreaterThan(0);
    asked.length = 0;
    play.pool.setMode(play.upstreams[0] as PoolFixture["upstreams"][number], "draining");
    await time.advance(1_000);
    expect(asked).toEqual([]);
  });
});
