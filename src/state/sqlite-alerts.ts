/** The tables of alerts in the state file. An older version opens the file and leaves them alone, so they are no migration. */

import type { DatabaseSync } from "node:sqlite";

import { type AlertChanges, type AlertRecord, alertStates, noAlerts } from "./alert-record.ts";

const tables = `
  CREATE TABLE IF NOT EXISTS alert (
    id INTEGER PRIMARY KEY, receiver TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL,
    tries INTEGER NOT NULL, ended_at INTEGER, answer TEXT NOT NULL, content TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS alert_thread (
    receiver TEXT NOT NULL, thread TEXT NOT NULL, about TEXT NOT NULL, title TEXT NOT NULL, level TEXT NOT NULL,
    number INTEGER NOT NULL, told_by TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (receiver, thread)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS silence (
    id TEXT PRIMARY KEY, kind TEXT, pool TEXT, upstream TEXT, at INTEGER NOT NULL, until INTEGER NOT NULL,
    done_by TEXT NOT NULL, why TEXT NOT NULL
  ) STRICT;`;

const count = "SELECT count(*) AS n FROM sqlite_master WHERE name IN ('alert', 'alert_thread', 'silence')";

export function readAlerts(database: DatabaseSync): AlertRecord {
  if (Number(database.prepare(count).get()?.["n"]) < 3) return noAlerts;
  return {
    alerts: database
      .prepare("SELECT * FROM alert ORDER BY id")
      .all()
      .map((row) => ({
        ...{ id: Number(row["id"]), receiver: String(row["receiver"]), at: Number(row["at"]) },
        // A state of a later version: it is over, whatever it was.
        state: alertStates.find((state) => state === row["state"]) ?? "dropped",
        ...{
          tries: Number(row["tries"]),
          endedAt: row["ended_at"] === null ? null : Number(row["ended_at"]),
        },
        ...{ answer: String(row["answer"]), content: String(row["content"]) },
      })),
    told: database
      .prepare("SELECT * FROM alert_thread")
      .all()
      .map((row) => ({
        ...{ receiver: String(row["receiver"]), thread: String(row["thread"]), key: String(row["about"]) },
        ...{ title: String(row["title"]), level: String(row["level"]), number: Number(row["number"]) },
        ...{ by: String(row["told_by"]), at: Number(row["at"]) },
      })),
    silences: database
      .prepare("SELECT * FROM silence ORDER BY at, id")
      .all()
      .map((row) => ({
        ...{ id: String(row["id"]), kind: textOrNull(row["kind"]), pool: textOrNull(row["pool"]) },
        ...{ upstream: textOrNull(row["upstream"]), at: Number(row["at"]), until: Number(row["until"]) },
        ...{ by: String(row["done_by"]), why: String(row["why"]) },
      })),
  };
}

function textOrNull(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

/** Call in a transaction. */
export function writeAlerts(database: DatabaseSync, changes: AlertChanges): void {
  database.exec(tables);
  const putAlert = database.prepare("INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  for (const { id, receiver, at, state, tries, endedAt, answer, content } of changes.alerts)
    putAlert.run(id, receiver, at, state, tries, endedAt, answer, content);
  const dropAlert = database.prepare("DELETE FROM alert WHERE id = ?");
  for (const id of changes.removedAlerts) dropAlert.run(id);
  const putTold = database.prepare("INSERT OR REPLACE INTO alert_thread VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  for (const { receiver, thread, key, title, level, number, by, at } of changes.told)
    putTold.run(receiver, thread, key, title, level, number, by, at);
  const dropTold = database.prepare("DELETE FROM alert_thread WHERE receiver = ? AND thread = ?");
  for (const { receiver, thread } of changes.removedTold) dropTold.run(receiver, thread);
  const putSilence = database.prepare("INSERT OR REPLACE INTO silence VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  for (const { id, kind, pool, upstream, at, until, by, why } of changes.silences)
    putSilence.run(id, kind, pool, upstream, at, until, by, why);
  const dropSilence = database.prepare("DELETE FROM silence WHERE id = ?");
  for (const id of changes.removedSilences) dropSilence.run(id);
}
