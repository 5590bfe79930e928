import { describe, expect, test } from "bun:test";
import { Alerts } from "../../src/dashboard/overview/alerts.tsx";
import { markup } from "../../src/dashboard/layout/shell.tsx";
import type { CertificateSnapshot, Snapshot } from "../../src/snapshot/snapshot.ts";
import { calmSnapshot } from "../support/fake-admin-api.ts";

function alertText(change: Partial<Snapshot>): string {
  const html = markup(Alerts({ snapshot: { ...calmSnapshot(), ...change } }));
  return html.replaceAll(/<[^>]*>/g, "").replaceAll("\u00a0", " ");
}

const configuration = calmSnapshot().configuration;

test("shows no alert in a normal state", () => expect(alertText({})).toBe(""));

test("shows load shedding and the memory in use", () => {
  const memory = { rssBytes: 950 * 2 ** 20, limitBytes: 1_000 * 2 ** 20, shedding: true };
  expect(alertText({ memory })).toBe(
    "Load shedding: memory limit reached, new requests are refused. 950 of 1,000 MiB in use.",
  );
});

test("shows a rejected reload and its actor", () => {
  const refused = { at: Date.UTC(2030, 0, 1, 3, 12), by: "ann", problems: ["one", "two"] };
  expect(alertText({ configuration: { ...configuration, refused } })).toBe(
    "The configuration reload requested by ann at 03:12:00 UTC was rejected (2 problems); the current configuration stays in effect. See the configuration",
  );
});

test("shows the number of settings that need a restart", () => {
  expect(alertText({ configuration: { ...configuration, needsRestart: ["listen.port"] } })).toBe(
    "1 changed setting needs a restart. See the configuration",
  );
});

describe("the alert of a server certificate", () => {
  const day = 86_400_000;
  const now = Date.parse("2030-06-01T12:00:00Z");
  const shown = (status: CertificateSnapshot["status"], daysLeft: number, needsRestart: string[] = []) => {
    const expiresAt = now + daysLeft * day;
    const validFrom = status === "early" ? now + day : expiresAt - 365 * day;
    const facts = { source: "/cert", names: ["a.example"], keyType: "ec", fingerprint: "aa" };
    const certificate = { ...facts, validFrom, expiresAt, status } as const;
    return alertText({
      at: now,
      engine: "wire",
      certificates: [certificate],
      configuration: { ...configuration, needsRestart },
    });
  };
  const remedy = "Replace /cert: the balancer reads it within a minute.";

  test("is absent while the certificate is valid", () => expect(shown("valid", 100)).toBe(""));

  test.each([
    ["expiring", 6, `expires on 2030-06-07, in 6 days. ${remedy}`],
    ["expired", -1, `expired on 2030-05-31: clients refuse to connect. ${remedy}`],
    ["early", 300, `is not valid before 2030-06-02: clients refuse to connect. ${remedy}`],
  ] as const)("shows the remedy when the certificate is %s", (status, daysLeft, expected) =>
    expect(shown(status, daysLeft)).toBe(`The server certificate ${expected}`),
  );

  test("shows that a new certificate needs a restart", () =>
    expect(shown("expired", -1, ["certificate /cert"])).toContain(
      "The last reload read a new certificate from /cert: restart the balancer to use it.",
    ));
});
