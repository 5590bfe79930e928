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
  const textAt = (at: number) => alertText({ at, configuration: { ...configuration, refused } });
  expect(textAt(refused.at + 60_000)).toBe(
    "The configuration reload requested by ann at 03:12:00 UTC was rejected (2 problems); the current configuration stays in effect. See the configuration",
  );
  expect(textAt(refused.at + 2 * 86_400_000)).toContain("at 2030-01-01 03:12:00 UTC was rejected");
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

describe("the alert of a certificate that is ordered", () => {
  const minute = 60_000;
  const now = Date.parse("2030-06-01T12:00:00Z");
  const order = {
    host: "shop.example",
    directory: "letsencrypt",
    expiresAt: now + 20 * 24 * 60 * minute,
    nextOrderAt: now + 5 * minute,
    isOrdering: false,
    failures: 0,
    failure: null,
  };
  const failure = { reason: "challenge_failed", detail: "no such name", at: now };
  const shown = (change: Partial<NonNullable<Snapshot["orders"]>[number]>) =>
    alertText({ at: now, orders: [{ ...order, ...change }] });

  test("is absent while there is one and no order has failed", () => expect(shown({})).toBe(""));

  test("says what clients get, why, and when the next order is due", () => {
    expect(shown({ expiresAt: null, isOrdering: true })).toBe(
      "shop.example has a self-signed certificate, which clients reject. Its first certificate is ordered now.",
    );
    expect(shown({ expiresAt: null, failures: 1, failure })).toBe(
      "No certificate for shop.example, whose clients get a self-signed one: the authority could not verify the host. Cause: no such name. Next order in 5 min.",
    );
    expect(shown({ failures: 3, failure })).toBe(
      "The certificate of shop.example could not be renewed: the authority could not verify the host (3 times). Cause: no such name. It expires in 20 d. Next order in 5 min.",
    );
    expect(shown({ expiresAt: now - 1, failures: 9, failure })).toContain(
      "It has expired: clients refuse to connect.",
    );
  });

  test("replaces the advice to renew its file", () => {
    const expiresAt = now + 86_400_000;
    const facts = { source: "/srv/acme/shop.example/cert.pem", names: ["shop.example"], keyType: "ec" };
    const times = { validFrom: now - 89 * 86_400_000, expiresAt, status: "expiring" as const };
    expect(
      alertText({
        at: now,
        engine: "wire",
        orders: [{ ...order, expiresAt }],
        certificates: [{ ...facts, ...times, fingerprint: "aa" }],
      }),
    ).toBe("The server certificate expires on 2030-06-02, in 24 hours. The balancer orders its successor.");
  });
});
