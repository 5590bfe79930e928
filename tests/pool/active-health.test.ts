import { describe, expect, test } from "bun:test";

import { ActiveHealth, type ActiveHealthState } from "../../src/pool/active-health.ts";

/** Each row: probe results in order (+ success, − failure), the state after them, whether the last one changed it, and whether it may change soon. */
const rows: readonly (readonly [
  results: string,
  state: ActiveHealthState,
  changed: boolean,
  changing: boolean,
])[] = [
  ["", "checking", false, true],
  ["+", "passing", true, false],
  ["-", "failing", true, false],
  ["++", "passing", false, false],
  ["+-", "passing", false, true],
  ["+--", "passing", false, true],
  ["+---", "failing", true, false],
  ["+--+", "passing", false, false],
  ["+--+--", "passing", false, true],
  ["+--+---", "failing", true, false],
  ["-+", "failing", false, true],
  ["-++", "passing", true, false],
  ["-+-", "failing", false, false],
  ["-+-+", "failing", false, true],
  ["-+-++", "passing", true, false],
  ["+----", "failing", false, false],
];

describe("active health with rise 2 and fall 3", () => {
  for (const [results, state, changed, changing] of rows) {
    test(`is ${state} after "${results}"`, () => {
      const activeHealth = new ActiveHealth({ rise: 2, fall: 3 });
      const last = [...results].map((result) => activeHealth.record(result === "+")).at(-1) ?? false;
      expect(activeHealth.state).toBe(state);
      expect(last).toBe(changed);
      expect(activeHealth.isChanging).toBe(changing);
    });
  }
});

test("new rise and fall limits apply from the next result, and the current run of results is kept", () => {
  const activeHealth = new ActiveHealth({ rise: 2, fall: 3 });
  for (const success of [true, false]) activeHealth.record(success);
  activeHealth.adjust({ rise: 2, fall: 2 });
  expect(activeHealth.state).toBe("passing");
  expect(activeHealth.record(false)).toBe(true);
});
