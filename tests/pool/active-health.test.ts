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
  ["---", "failing", false, false],
  ["-+", "passing", true, false],
  ["-+-", "passing", false, true],
  ["-+---", "failing", true, false],
  ["+---+", "failing", false, true],
  ["+---++", "passing", true, false],
  ["+---+-", "failing", false, false],
  ["+---+-+", "failing", false, true],
  ["+---+-++", "passing", true, false],
  ["-+---+", "failing", false, true],
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

test("needs rise successes for the first pass too where a request has failed", () => {
  const activeHealth = new ActiveHealth({ rise: 2, fall: 3 });
  activeHealth.record(false);
  expect(activeHealth.record(true, false, false)).toBe(false);
  expect(activeHealth.record(true, false, false)).toBe(true);
});

test("is established once another process found it passing", () => {
  const activeHealth = new ActiveHealth({ rise: 2, fall: 3 });
  expect(activeHealth.isEstablished).toBe(false);
  activeHealth.adopt("failing");
  expect(activeHealth.isEstablished).toBe(false);
  activeHealth.adopt("passing");
  activeHealth.adopt("failing");
  expect(activeHealth.isEstablished).toBe(true);
  expect(activeHealth.record(true)).toBe(false);
});

test("new rise and fall limits apply from the next result, and the current run of results is kept", () => {
  const activeHealth = new ActiveHealth({ rise: 2, fall: 3 });
  for (const success of [true, false]) activeHealth.record(success);
  activeHealth.adjust({ rise: 2, fall: 2 });
  expect(activeHealth.state).toBe("passing");
  expect(activeHealth.record(false)).toBe(true);
});
