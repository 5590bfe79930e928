import { describe, expect, test } from "bun:test";

import { completed, failure, failureLabel, signalOf } from "../../src/pool/outcome.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import {
  OutlierDetector,
  type OutlierLimits,
  type OutlierState,
  type OutlierVerdict,
} from "../../src/pool/outlier-detector.ts";

const limits: OutlierLimits = {
  consecutiveFailures: 3,
  failureRatio: 0.5,
  minimumVolume: 8,
  windowMs: 10_000,
  ejectionMs: 30_000,
  maxEjectionMs: 100_000,
};

/**
 * A history, read from left to right: + success, - failure, x cancelled, b an attempt starts, p probes restore it,
 * ! failure of an upstream that the pool may not eject, digits "30s": this many seconds pass, then the state is read.
 */
function replay(history: string): { outlier: OutlierDetector; now: number; changes: number } {
  const outlier = new OutlierDetector(limits);
  let now = 0;
  let changes = 0;
  for (const [event, seconds] of history.matchAll(/([\d.]+)s|[-+xbp!]/g)) {
    if (seconds !== undefined) {
      now += Number(seconds) * 1_000;
      if (outlier.expireEjection(now)) changes += 1;
    } else if (event === "b") outlier.attemptStarted();
    else if (event === "p") changes += Number(outlier.restore(now, "probe_passed"));
    else {
      const signal = event === "+" ? "success" : event === "x" ? "cancelled" : "failure";
      changes += Number(outlier.record(signal, now, event !== "!"));
    }
  }
  return { outlier, now, changes };
}

/** The state after a history, whether another attempt is admitted, and for how many seconds it stays ejected. */
const rows: readonly (readonly [history: string, state: OutlierState, admits: boolean, left?: number])[] = [
  ["", "up", true],
  ["--", "up", true],
  ["--+--", "up", true],
  ["--x-", "ejected", false, 30],
  ["---", "ejected", false, 30],
  ["!!!", "up", true],
  ["!!!-", "ejected", false, 30],
  // By ratio: 4 of 8 within ten seconds.
  ["-+-+-+-", "up", true],
  ["+-+-+-+-", "ejected", false, 30],
  ["-+-+-+ 11s -+", "up", true],
  ["+++++--+--", "up", true],
  // Ejected: no result counts, and the ejection ends when it is read.
  ["--- ++- 29.9s", "ejected", false, 0.1],
  ["--- 30s", "probation", true],
  ["--- 500s", "probation", true],
  // Probation: one attempt at a time.
  ["--- 30s b", "probation", false],
  ["--- 30s b x", "probation", true],
  ["--- 30s b +", "up", true],
  ["--- 30s b -", "ejected", false, 60],
  ["--- 30s b !", "probation", true],
  ["--- 30s bb x", "probation", false],
  ["--- 30s bb xx", "probation", true],
  // Longer each time, up to a maximum, and shorter again after some time up.
  ["--- 30s b- 60s b-", "ejected", false, 90],
  ["--- 30s b- 60s b- 90s b-", "ejected", false, 100],
  ["--- 30s b- 60s b- 90s b- 100s b- 100s b-", "ejected", false, 100],
  ["--- 30s b+ ---", "ejected", false, 60],
  ["--- 30s b+ 29s ---", "ejected", false, 60],
  ["--- 30s b+ 30s ---", "ejected", false, 30],
  ["--- 30s b- 60s b- 90s b+ 60s ---", "ejected", false, 60],
  ["--- 30s b- 60s b- 90s b+ 900s ---", "ejected", false, 30],
  // Probes.
  ["p", "up", true],
  ["--- p", "up", true],
  ["--- p --", "up", true],
  ["--- 30s b p", "up", true],
];

describe("an outlier verdict", () => {
  for (const [history, state, admits, left] of rows) {
    test(`is ${state}${left === undefined ? "" : ` for ${left} s`} after "${history}"`, () => {
      const { outlier, now } = replay(history);
      expect(outlier.state).toBe(state);
      expect(outlier.admits).toBe(admits);
      if (left === undefined) expect(outlier.endsAt).toBe(Infinity);
      else expect((outlier.endsAt - now) / 1_000).toBeCloseTo(left, 6);
    });
  }

  test("reports a change exactly when it changes", () => {
    expect(replay("-- + -- x").changes).toBe(0);
    expect(replay("--- +- 30s b x b+ +").changes).toBe(3);
  });

  test("has the reason of its last change", () => {
    const reasonAfter = (history: string) => replay(history).outlier.reason;
    expect(reasonAfter("--")).toBeUndefined();
    expect(reasonAfter("---")).toBe("consecutive_failures");
    expect(reasonAfter("+-+-+-+-")).toBe("failure_ratio");
    expect(reasonAfter("--- 30s")).toBe("ejection_over");
    expect(reasonAfter("--- 30s b-")).toBe("probation_failed");
    expect(reasonAfter("--- 30s b+")).toBe("answered");
    expect(reasonAfter("--- p")).toBe("probe_passed");
  });

  test("has the failure that caused the ejection until it is up again, and shares it with other processes", () => {
    const outlier = new OutlierDetector(limits);
    const fail = (label: string, now: number) => {
      outlier.setFailureLabel(label);
      return outlier.record("failure", now, true);
    };
    for (const label of ["head_timeout", "head_timeout"]) expect(fail(label, 0)).toBe(false);
    expect(outlier.cause).toBeUndefined();
    expect(fail("connect_refused", 0)).toBe(true);
    expect(outlier.cause).toBe("connect_refused");
    outlier.expireEjection(30_000);
    expect(outlier.cause).toBe("connect_refused");
    outlier.attemptStarted();
    fail("status_503", 30_001);
    expect(outlier.cause).toBe("status_503");
    const other = new OutlierDetector(limits);
    other.adopt(JSON.parse(JSON.stringify(outlier.verdict)) as OutlierVerdict);
    expect(other.cause).toBe("status_503");
    outlier.restore(30_002, "probe_passed");
    expect(outlier.cause).toBeUndefined();
    outlier.ejectUnresponsive(30_003);
    expect(outlier.cause).toBeUndefined();
  });

  test("reports which attempts started before the ejection", () => {
    const { outlier } = replay("5s ---");
    expect(outlier.ejectedAfter(4_000)).toBe(true);
    expect(outlier.ejectedAfter(5_001)).toBe(false);
    outlier.expireEjection(99_000);
    expect(outlier.ejectedAfter(4_000)).toBe(false);
  });
});

test("a failure's label is its reason or the failing status", () => {
  expect(failureLabel(failure("connect", "connect_refused"), 0)).toBe("connect_refused");
  expect(failureLabel(completed, 503)).toBe("status_503");
});

describe("the signal of an attempt's outcome", () => {
  test("is failure only for gateway failures", () => {
    for (const status of [200, 301, 404, 429, 500, 501, 505])
      expect(signalOf(completed, status, httpResponseClassifier)).toBe("success");
    for (const status of [502, 503, 504])
      expect(signalOf(completed, status, httpResponseClassifier)).toBe("failure");
    for (const phase of ["connect", "head", "body"] as const) {
      expect(signalOf(failure(phase, "upstream_reset"), 200, httpResponseClassifier)).toBe("failure");
    }
    expect(signalOf({ kind: "cancelled" }, 503, httpResponseClassifier)).toBe("cancelled");
  });
});
