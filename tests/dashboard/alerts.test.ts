import { expect, test } from "bun:test";
import { Alerts } from "../../src/dashboard/alerts.tsx";
import { markup } from "../../src/dashboard/shell.tsx";
import type { Snapshot } from "../../src/snapshot.ts";
import { calmSnapshot } from "../support/admin-stand-in.ts";

function told(change: Partial<Snapshot>): string {
  const html = markup(Alerts({ snapshot: { ...calmSnapshot(), ...change } }));
  return html.replaceAll(/<[^>]*>/g, "").replaceAll("\u00a0", " ");
}

const configuration = calmSnapshot().configuration;

test("says nothing while all is as it should be", () => expect(told({})).toBe(""));

test("says that load is shed, and how much memory is taken", () => {
  const memory = { rssBytes: 950 * 2 ** 20, limitBytes: 1_000 * 2 ** 20, shedding: true };
  expect(told({ memory })).toBe(
    "LOAD SHEDDING: memory is short, so new requests are refused. 950 of 1,000 MiB are taken.",
  );
});

test("says that a configuration was refused, and by whom it was asked for", () => {
  const refused = { at: Date.UTC(2030, 0, 1, 3, 12), by: "ann", problems: ["one", "two"] };
  expect(told({ configuration: { ...configuration, refused } })).toBe(
    "The configuration that ann asked for at 03:12:00 UTC was refused (2 problems); the old one counts. See the configuration",
  );
});

test("says that settings wait for a restart", () => {
  expect(told({ configuration: { ...configuration, needsRestart: ["listen.port"] } })).toBe(
    "1 changed setting will count after a restart. See the configuration",
  );
});
