import { describe, expect, test } from "bun:test";

import type { RecordSink, RequestRecord } from "../../src/proxy/record.ts";
import { SinkSelection } from "../../src/proxy/recorder.ts";
import { endedWith, goodRecord } from "../support/records.ts";

interface TestSink extends RecordSink {
  readonly records: RequestRecord[];
}

function testSink(wants: {
  readonly always?: boolean;
  readonly slowMs?: number;
  readonly failed?: boolean;
  readonly traced?: boolean;
}): TestSink {
  const records: RequestRecord[] = [];
  return {
    records,
    ...(wants.traced && { wantsTraced: true }),
    wants: () => wants.always ?? false,
    wantsSlow: (durationMs) => durationMs >= (wants.slowMs ?? Infinity),
    wantsFailed: () => wants.failed ?? false,
    accept: ({ record }) => void records.push(record),
  };
}

const all = testSink({ always: true });
const slow = testSink({ slowMs: 100 });
const failed = testSink({ failed: true });
const traced = testSink({ traced: true });
const sinks = [all, slow, failed, traced];

const fail = (error: unknown) => {
  throw error;
};

/** Number of records that each sink received. */
function recordsPerSink(targets: readonly TestSink[], end: Parameters<SinkSelection["end"]>): number[] {
  for (const { records } of targets) records.length = 0;
  const selection = new SinkSelection(targets, fail);
  selection.open();
  selection.end(...end);
  if (selection.isWanted) selection.give(endedWith(goodRecord));
  return targets.map(({ records }) => records.length);
}

describe("several record sinks", () => {
  test.each([
    ["of a successful exchange", 10, false, false, [1, 0, 0, 0]],
    ["of a slow exchange", 100, false, false, [1, 1, 0, 0]],
    ["of a failed exchange", 10, true, false, [1, 0, 1, 0]],
    ["of a traced exchange", 10, false, true, [1, 0, 0, 1]],
    ["of a slow, failed and traced exchange", 100, true, true, [1, 1, 1, 1]],
  ])("get a record %s once, and only if they want it", (_, durationMs, hasFailed, isTraced, expected) => {
    expect(recordsPerSink(sinks, [durationMs, hasFailed, isTraced])).toEqual(expected);
  });

  test("that want no record cause none, and are reset with the exchange", () => {
    expect(recordsPerSink([slow, failed, traced], [10, false, false])).toEqual([0, 0, 0]);
    const selection = new SinkSelection([all], fail);
    selection.open();
    expect(selection.isWanted).toBe(true);
    selection.forget();
    expect(selection.isWanted).toBe(false);
  });

  test("are sampled for every exchange, independently of each other", () => {
    let drawn = 0;
    const sampled: RecordSink = { ...testSink({}), wants: () => ++drawn % 2 === 0 };
    const selection = new SinkSelection([all, sampled], fail);
    for (let i = 0; i < 10; i++) selection.open();
    expect(drawn).toBe(10);
  });

  test.each(["wants", "wantsSlow", "wantsFailed", "accept"] as const)(
    "get their records although another one throws in %s",
    (call) => {
      const throwing = { ...testSink({ always: call === "accept" }), [call]: () => fail("a bug") };
      const others = [testSink({ always: true }), testSink({ failed: true })] as const;
      const bugs: unknown[] = [];
      const selection = new SinkSelection([others[0], throwing, others[1]], (bug) => void bugs.push(bug));
      selection.open();
      selection.end(10, true, false);
      selection.give(endedWith(goodRecord));
      expect(others.map(({ records }) => records.length)).toEqual([1, 1]);
      expect(bugs).toEqual(["a bug"]);
    },
  );
});
