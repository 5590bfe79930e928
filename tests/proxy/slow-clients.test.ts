import { describe, expect, test } from "bun:test";

import { cancelled } from "../../src/pool/outcome.ts";
import type { Upstream } from "../../src/pool/upstream.ts";
import { isSlowUpload, ReadingPace, yieldResponse } from "../../src/proxy/slow-clients.ts";
import { createPoolFixture } from "../support/pool-fixture.ts";

test.each([
  [1_999, 0, false],
  [2_000, 0, true],
  [2_000, 1_999, true],
  [2_000, 2_000, false],
  [60_000, 59_999, true],
])("an upload of %d ms with %d bytes", (ms, bytes, isSlow) => {
  expect(isSlowUpload(bytes, ms)).toBe(isSlow);
});

function startResponse() {
  const fixture = createPoolFixture({ weights: [1], limits: { maxInFlight: 1 } });
  const [upstream] = fixture.upstreams as [Upstream];
  const attempt = fixture.startAttempt(upstream);
  attempt.responseStarted(200);
  return { ...fixture, upstream, attempt };
}

describe("the pace of a client that reads", () => {
  /** Bytes taken, whether the client is behind, and the expected duration of its slowness, at each second. */
  const runs: ReadonlyArray<readonly [string, ReadonlyArray<readonly [number, boolean, number]>]> = [
    ["never reads", [[9e6, true, 0], [9e6, true, 0], [9e6, true, 2_000], [9e6, true, 3_000], [9e6, true, 4_000]]],
    ["reads enough", [[0, true, 0], [1_000, true, 0], [2_000, true, 0], [3_000, true, 0], [4_000, true, 0]]],
    ["reads too little", [[0, true, 0], [500, true, 0], [1_999, true, 2_000], [2_500, true, 3_000]]],
    ["waits for the upstream", [[0, false, 0], [0, false, 0], [0, false, 0], [0, false, 0]]],
    ["has caught up", [[0, true, 0], [0, true, 0], [0, true, 2_000], [9, false, 0], [9, true, 0], [9, true, 2_000]]],
    ["reads enough again", [[0, true, 0], [0, true, 0], [0, true, 2_000], [0, true, 3_000], [5_000, true, 0]]],
  ]; // prettier-ignore
  test.each(runs)("that %s", (_, steps) => {
    const { attempt } = startResponse();
    const pace = new ReadingPace();
    const measured = steps.map(([takenBytes, isBehind], second) =>
      pace.slowMs(attempt, { takenBytes, isBehind }, second * 1_000),
    );
    expect(measured).toEqual(steps.map(([, , expected]) => expected));
  });

  test("begins anew with another request", () => {
    const { attempt, upstream } = startResponse();
    const pace = new ReadingPace();
    const progress = { takenBytes: 0, isBehind: true };
    expect([0, 2_000].map((now) => pace.slowMs(attempt, progress, now))).toEqual([0, 2_000]);
    attempt.end(cancelled);
    attempt.start(upstream);
    expect([4_000, 5_000, 6_000].map((now) => pace.slowMs(attempt, progress, now))).toEqual([0, 0, 2_000]);
  });
});

test("a response that is read too slowly gives up its slot first, and ends ten seconds later", () => {
  const { attempt, upstream, pool } = startResponse();
  let freed = 0;
  pool.onCapacity = () => (freed += 1);
  expect(yieldResponse(attempt, 0)).toBe("keep");
  expect(upstream.hasCapacity).toBe(false);
  expect(yieldResponse(attempt, 2_000)).toBe("freed");
  expect([upstream.hasCapacity, upstream.inFlight, upstream.streams, freed]).toEqual([true, 1, 1, 1]);
  expect(yieldResponse(attempt, 9_999)).toBe("keep");
  expect(yieldResponse(attempt, 10_000)).toBe("end");
  attempt.end(cancelled);
  expect([upstream.inFlight, upstream.streams]).toEqual([0, 0]);
});
