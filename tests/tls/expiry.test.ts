import { describe, expect, test } from "bun:test";

import { certificateStatus, describeExpiry, stageOf, type ValidityPeriod } from "../../src/tls/expiry.ts";

const day = 86_400_000;
const end = Date.parse("2030-06-30T12:00:00Z");

/** A certificate that expires at `end`. */
function lasting(days: number): ValidityPeriod {
  return { validFrom: end - days * day, expiresAt: end };
}

const seenAt = (certificate: ValidityPeriod, daysLeft: number): readonly unknown[] => {
  const now = end - daysLeft * day;
  const stage = stageOf(certificate, now);
  return [stage, certificateStatus(stage), describeExpiry(certificate, now)];
};

describe("a certificate for a year, with this many days left,", () => {
  test.each([
    [366, ["early", "early", "is not valid before 2029-06-30"]],
    [365, ["valid", "valid", undefined]],
    [30.01, ["valid", "valid", undefined]],
    [30, [30, "expiring", "expires on 2030-06-30, in 30 days"]],
    [7.01, [30, "expiring", "expires on 2030-06-30, in 7 days"]],
    [7, [7, "expiring", "expires on 2030-06-30, in 7 days"]],
    [6.999, [7, "expiring", "expires on 2030-06-30, in 7 days"]],
    [1.5, [7, "expiring", "expires on 2030-06-30, in 36 hours"]],
    [1, [1, "expiring", "expires on 2030-06-30, in 24 hours"]],
    [0.01, [1, "expiring", "expires on 2030-06-30, within two hours"]],
    [0, ["expired", "expired", "expired on 2030-06-30"]],
    [-40, ["expired", "expired", "expired on 2030-06-30"]],
  ])("%d", (left, seen: readonly unknown[]) => expect(seenAt(lasting(365), left)).toEqual(seen));
});

// Automatic renewal happens with 30 of 90 days left, and with 2 or 3 of 6 days left: no notice is due then.
test.each([
  [90, { 30: "valid", 20: "valid", 7: 7, 1: 1 }],
  [47, { 30: "valid", 10: "valid", 7: 7, 1: 1 }],
  [6, { 5: "valid", 2: "valid", 1: 1 }],
  [1, { 0.9: "valid", 0.1: "valid", 0: "expired" }],
])("a certificate for %d days has the notices that are short compared to its lifetime", (days, stages) => {
  for (const [left, stage] of Object.entries(stages)) {
    const seen = stageOf(lasting(days), end - Number(left) * day);
    expect(`${left}: ${seen}`).toBe(`${left}: ${stage}`);
  }
});
