import { describe, expect, test } from "bun:test";

import type { RecordSink, RequestRecord } from "../../src/proxy/record.ts";
import { SinkSelection } from "../../src/proxy/recorder.ts";
import { endedWith, goodRecord } from "../support/records.ts";

interface Taken extends RecordSink {
  readonly records: RequestRecord[];
}

function taker(wants: {
  readonly always?: boolean;
  readonly slowMs?: number;
  readonly failed?: boolean;
  readonly traced?: boolean;
}): Taken {
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

const all = taker({ always: true });
const slow = taker({ slowMs: 100 });
const failed = taker({ failed: true });
const traced = taker({ traced: true });
const takers = [all, slow, failed, traced];

/** How many each of them got. */
function given(takersThen: readonly Taken[], end: Parameters<SinkSelection["end"]>): number[] {
  for (const { records } of takersThen) records.length = 0;
  const selection = new SinkSelection(takersThen);
  selection.open();
  selection.end(...end);
  if (selection.isWanted) selection.give(endedWith(goodRecord));
  return takersThen.map(({ records }) => records.length);
}

describe("several takers of records", () => {
  test.each([
    ["that went well", 10, false, false, [1, 0, 0, 0]],
    ["that was slow", 100, false, false, [1, 1, 0, 0]],
    ["that failed", 10, true, false, [1, 0, 1, 0]],
    ["that was traced", 10, false, true, [1, 0, 0, 1]],
    ["that was all of this", 100, true, true, [1, 1, 1, 1]],
  ])("get one %s only if they want it, and once", (_, durationMs, hasFailed, isTraced, expected) => {
    expect(given(takers, [durationMs, hasFailed, isTraced])).toEqual(expected);
  });

  test("that want nothing cause no record, and are forgotten with the exchange", () => {
    expect(given([slow, failed, traced], [10, false, false])).toEqual([0, 0, 0]);
    const selection = new SinkSelection([all]);
    selection.open();
    expect(selection.isWanted).toBe(true);
    selection.forget();
    expect(selection.isWanted).toBe(false);
  });

  test("draw their lots for every exchange, whatever the others want", () => {
    let drawn = 0;
    const lots: RecordSink = { ...taker({}), wants: () => ++drawn % 2 === 0 };
    const selection = new SinkSelection([all, lots]);
    for (let i = 0; i < 10; i++) selection.open();
    expect(drawn).toBe(10);
  });
});
