import { expect, test } from "bun:test";
import { DatabaseSync } from "node:sqlite";

import { type AlertRow, noAlerts } from "../../src/state/alert-record.ts";
import { openSqlite } from "../../src/state/sqlite-store.ts";
import { temporaryFolder } from "../support/folder.ts";

const inFolder = temporaryFolder("alert-record");

const alert: AlertRow = {
  ...{ id: 1, receiver: "ops", at: 5, tries: 2, endedAt: null, answer: "status 503", content: "{}" },
  state: "waiting",
};
const told = {
  ...{ receiver: "ops", thread: "/p-aaaaa", key: "queue\nshop\n\n\n\n", title: "614 requests wait" },
  ...{ level: "critical", number: 1, by: "", at: 5 },
};
const silence = {
  ...{ id: "s-1", kind: null, pool: null, upstream: "web-11", at: 5, until: 10 },
  ...{ by: "ann", why: "kernel" },
};
const none = { ...noAlerts, removedAlerts: [], removedTold: [], removedSilences: [] };

test("alerts are kept over a restart, in order, and removed", () => {
  const file = inFolder("kept.db");
  const store = openSqlite(file);
  expect(store.alerts()).toEqual(noAlerts);
  store.writeAlerts({ ...none, alerts: [{ ...alert, id: 2 }, alert], told: [told], silences: [silence] });
  store.writeAlerts({ ...none, alerts: [{ ...alert, id: 2, state: "sent", endedAt: 7 }] });
  store.close();
  const again = openSqlite(file);
  expect(again.alerts()).toEqual({
    alerts: [alert, { ...alert, id: 2, state: "sent", endedAt: 7 }],
    told: [told],
    silences: [silence],
  });
  again.writeAlerts({ ...none, removedAlerts: [1, 2], removedTold: [told], removedSilences: ["s-1"] });
  expect(again.alerts()).toEqual(noAlerts);
  again.close();
});

test("the file stays readable for older versions, which compare its schema", () => {
  const file = inFolder("schema.db");
  const store = openSqlite(file);
  store.writeAlerts({ ...none, alerts: [alert] });
  store.close();
  const database = new DatabaseSync(file);
  expect(database.prepare("PRAGMA user_version").get()).toEqual({ user_version: 2 });
  database.exec("UPDATE alert SET state = 'of a later version'");
  database.close();
  const again = openSqlite(file);
  expect(again.alerts().alerts).toEqual([{ ...alert, state: "dropped" }]);
  again.close();
});

test("a change is written as a whole or not at all", () => {
  const store = openSqlite(":memory:");
  const wrong = { ...told, at: null as unknown as number };
  expect(() => store.writeAlerts({ ...none, alerts: [alert], told: [wrong] })).toThrow();
  expect(store.alerts()).toEqual(noAlerts);
  store.close();
});
