import { describe, expect, test } from "bun:test";
import { Alerts } from "../../src/dashboard/overview/alerts.tsx";
import { markup } from "../../src/dashboard/layout/shell.tsx";
import type { CertificateSnapshot, Snapshot } from "../../src/snapshot/snapshot.ts";
import { calmSnapshot } from "../support/fake-admin-api.ts";

function told(change: Partial<Snapshot>): string {
  const html = markup(Alerts({ snapshot: { ...calmSnapshot(), ...change } }));
  return html.replaceAll(/<[^>]*>/g, "").replaceAll("\u00a0", " ");
}

const configuration = calmSnapshot().configuration;

test("says nothing while all is as it should be", () => expect(told({})).toBe(""));

test("says that load is shed, and how much memory is taken", () => {
  const memory = { rssBytes: 950 * 2 ** 20, limitBytes: 1_000 * 2 ** 20, shedding: true };
  expect(told({ memory })).toBe(
    "Load shedding: memory limit reached, new requests are refused. 950 of 1,000 MiB in use.",
  );
});

test("says that a configuration was refused, and by whom it was asked for", () => {
  const refused = { at: Date.UTC(2030, 0, 1, 3, 12), by: "ann", problems: ["one", "two"] };
  expect(told({ configuration: { ...configuration, refused } })).toBe(
    "The configuration reload requested by ann at 03:12:00 UTC was rejected (2 problems); the current configuration stays in effect. See the configuration",
  );
});

test("says that settings wait for a restart", () => {
  expect(told({ configuration: { ...configuration, needsRestart: ["listen.port"] } })).toBe(
    "1 changed setting will take effect after a restart. See the configuration",
  );
});

describe("of a certificate that clients see", () => {
  const day = 86_400_000;
  const now = Date.parse("2030-06-01T12:00:00Z");
  const shown = (status: CertificateSnapshot["status"], daysLeft: number, needsRestart: string[] = []) => {
    const expiresAt = now + daysLeft * day;
    const validFrom = status === "early" ? now + day : expiresAt - 365 * day;
    const certificate = { listener: "listen", path: "/cert", validFrom, expiresAt, status } as const;
    return told({ at: now, certificates: [certificate], configuration: { ...configuration, needsRestart } });
  };
  const deed = "Replace /cert and restart the balancer, which reads the file only at startup.";

  test("says nothing while it is valid", () => expect(shown("valid", 100)).toBe(""));

  test.each([
    ["expiring", 6, `expires on 2030-06-07, in 6 days. ${deed}`],
    ["expired", -1, `expired on 2030-05-31: clients refuse to connect. ${deed}`],
    ["early", 300, `is not valid before 2030-06-02: clients refuse to connect. ${deed}`],
  ] as const)("says what to do when it is %s", (status, daysLeft, words) =>
    expect(shown(status, daysLeft)).toBe(`The server certificate ${words}`),
  );

  test("says that a new one waits for a restart", () =>
    expect(shown("expired", -1, ["listen.tls.cert"])).toContain(
      "The last reload read a new certificate from /cert: restart the balancer to use it.",
    ));
});
