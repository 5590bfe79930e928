/** The store in one SQLite file, through node:sqlite, which both Bun and Deno provide; and its schema migrations. */

import { DatabaseSync } from "node:sqlite";

import { inTransaction } from "../lib/transaction.ts";
import type { PersistedSession } from "../access/sessions.ts";
import type { BalancerEvent, EventKind } from "./event.ts";
import { aspectOf, type Intent, type IntentRemoval, parseIntent, serializeIntent } from "./intent.ts";
import { newSecret } from "../lib/secrets.ts";
import type { AlertChanges, AlertRecord } from "./alert-record.ts";
import { makePrivate } from "./private-file.ts";
import { readAlerts, writeAlerts } from "./sqlite-alerts.ts";
import type { EndedSession, FleetRecord, KeptMembers, Store } from "./store.ts";

/** Enough for one day of an upstream that changes every ten seconds; about two megabytes. */
const maxEvents = 10_000;

/** Not a migration: an older version works without this table and must not reject the file as newer. */
const sessionTable = `
  CREATE TABLE IF NOT EXISTS session (
    digest TEXT PRIMARY KEY, name TEXT NOT NULL, password_mark TEXT NOT NULL,
    opened_at INTEGER NOT NULL, used_at INTEGER NOT NULL
  ) STRICT;
  DELETE FROM session;`;

/** Not a migration either: an older version opens the file, and its orders count as later ones. */
const fleetTables = `
  CREATE TABLE IF NOT EXISTS fleet_entry (
    key TEXT PRIMARY KEY, entry TEXT NOT NULL, pending INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS fleet_known (
    id INTEGER PRIMARY KEY CHECK (id = 1), epoch TEXT NOT NULL, nonce TEXT NOT NULL
  ) STRICT;`;

/** Not a migration either, as the next one. */
const endedSessionTable =
  "CREATE TABLE IF NOT EXISTS ended_session (digest TEXT PRIMARY KEY, ended_at INTEGER NOT NULL) STRICT";

const memberTable = `
  CREATE TABLE IF NOT EXISTS member (
    pool TEXT NOT NULL, source TEXT NOT NULL, at INTEGER NOT NULL, members TEXT NOT NULL, PRIMARY KEY (pool, source)
  ) STRICT`;

const secretTable =
  "CREATE TABLE IF NOT EXISTS secret (purpose TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT";

/**
 * Opens or creates the file and its folder, and migrates an older file. Throws "Cannot use the state file: …" if it is
 * damaged, locked, of a newer version or not writable.
 * @param file a path, or ":memory:"
 */
export function openSqlite(file: string): Store {
  try {
    return new SqliteStore(file);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot use the state file: ${cause} (received ${file})`);
  }
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    if (file !== ":memory:") makePrivate(file);
    this.#database = new DatabaseSync(file);
    try {
      this.#database.exec("PRAGMA busy_timeout = 500; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
      inTransaction(this.#database, () => this.#migrate());
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Call in a transaction: if two processes open an old file at the same time, only the first one migrates it. */
  #migrate(): void {
    const row = this.#database.prepare("PRAGMA user_version").get();
    const version = Number(row?.["user_version"] ?? 0);
    if (version > migrations.length) throw new Error(`it was written by a newer version (schema ${version})`);
    for (const step of migrations.slice(version)) this.#database.exec(step);
    if (version < migrations.length) this.#database.exec(`PRAGMA user_version = ${migrations.length}`);
  }

  intents(): readonly Intent[] {
    const rows = this.#database.prepare("SELECT * FROM intent ORDER BY set_at, upstream, aspect").all();
    return rows.flatMap((row) => {
      const meta = {
        upstream: String(row["upstream"]),
        by: String(row["set_by"]),
        at: Number(row["set_at"]),
        why: String(row["why"]),
      };
      const intent = parseIntent(meta, String(row["content"]));
      return intent ? [intent] : [];
    });
  }

  write(intents: readonly (Intent | IntentRemoval)[], fleet?: FleetRecord): void {
    const put = this.#database.prepare("INSERT OR REPLACE INTO intent VALUES (?, ?, ?, ?, ?, ?)");
    const drop = this.#database.prepare("DELETE FROM intent WHERE upstream = ? AND aspect = ?");
    inTransaction(this.#database, () => {
      for (const intent of intents) {
        if (intent.kind === "forgotten") drop.run(intent.upstream, intent.aspect);
        else {
          const { upstream, by, at, why } = intent;
          put.run(upstream, aspectOf(intent), serializeIntent(intent), by, at, why);
        }
      }
      if (fleet) this.#writeFleet(fleet);
    });
  }

  #writeFleet({ known, entries }: FleetRecord): void {
    this.#database.exec(fleetTables);
    const put = this.#database.prepare("INSERT OR REPLACE INTO fleet_entry VALUES (?, ?, ?)");
    const drop = this.#database.prepare("DELETE FROM fleet_entry WHERE key = ?");
    for (const { key, entry, isPending } of entries) {
      if (entry === null) drop.run(key);
      else put.run(key, entry, Number(isPending));
    }
    if (!known) return;
    const { epoch, nonce } = known;
    this.#database.prepare("INSERT OR REPLACE INTO fleet_known VALUES (1, ?, ?)").run(epoch, nonce);
  }

  fleet(): FleetRecord {
    const tables = "SELECT 1 FROM sqlite_master WHERE name IN ('fleet_entry', 'fleet_known')";
    if (this.#database.prepare(tables).all().length < 2) return { entries: [] };
    const known = this.#database.prepare("SELECT epoch, nonce FROM fleet_known").get();
    const rows = this.#database.prepare("SELECT * FROM fleet_entry ORDER BY key").all();
    return {
      ...(known && { known: { epoch: String(known["epoch"]), nonce: String(known["nonce"]) } }),
      entries: rows.map((row) => ({
        key: String(row["key"]),
        entry: String(row["entry"]),
        isPending: row["pending"] !== 0,
      })),
    };
  }

  events(limit: number): readonly BalancerEvent[] {
    const rows = this.#database.prepare("SELECT * FROM event ORDER BY seq DESC LIMIT ?").all(limit);
    return rows.toReversed().map(eventIn);
  }

  eventsBetween(from: number, to: number, beforeSeq: number): readonly BalancerEvent[] {
    return this.#database
      .prepare("SELECT * FROM event WHERE at >= ? AND at < ? AND seq < ? ORDER BY seq")
      .all(from, to, beforeSeq)
      .map(eventIn);
  }

  record(events: readonly BalancerEvent[]): void {
    const put = this.#database.prepare("INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    const prune = this.#database.prepare(
      "DELETE FROM event WHERE seq <= (SELECT seq FROM event ORDER BY seq DESC LIMIT 1 OFFSET ?)",
    );
    this.#withoutSync(() => {
      for (const { seq, at, kind, pool, upstream, from, to, reason, by, detail } of events) {
        put.run(seq, at, kind, pool, upstream, from, to, reason, by, detail);
      }
      prune.run(maxEvents);
    });
  }

  /** In WAL mode only the checkpoint then waits for the disk: events and alerts are not worth a sync every second. */
  #withoutSync(task: () => void): void {
    this.#database.exec("PRAGMA synchronous = NORMAL");
    try {
      inTransaction(this.#database, task);
    } finally {
      this.#database.exec("PRAGMA synchronous = FULL");
    }
  }

  keepSessions(sessions: readonly PersistedSession[]): void {
    inTransaction(this.#database, () => {
      this.#database.exec(sessionTable);
      const put = this.#database.prepare("INSERT INTO session VALUES (?, ?, ?, ?, ?)");
      for (const { digest, name, passwordMark, openedAt, usedAt } of sessions)
        put.run(digest, name, passwordMark, Math.round(openedAt), Math.round(usedAt));
    });
  }

  takeSessions(): readonly PersistedSession[] {
    let rows: readonly Record<string, unknown>[] = [];
    inTransaction(this.#database, () => {
      const hasTable = this.#database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'session'").get();
      if (hasTable) rows = this.#database.prepare("SELECT * FROM session ORDER BY rowid").all();
      if (rows.length > 0) this.#database.exec("DELETE FROM session");
    });
    return rows.map((row) => ({
      digest: String(row["digest"]),
      name: String(row["name"]),
      passwordMark: String(row["password_mark"]),
      openedAt: Number(row["opened_at"]),
      usedAt: Number(row["used_at"]),
    }));
  }

  keepEndedSessions(ended: readonly EndedSession[]): void {
    inTransaction(this.#database, () => {
      this.#database.exec(endedSessionTable);
      this.#database.exec("DELETE FROM ended_session");
      const put = this.#database.prepare("INSERT INTO ended_session VALUES (?, ?)");
      for (const { digest, endedAt } of ended) put.run(digest, Math.round(endedAt));
    });
  }

  endedSessions(): readonly EndedSession[] {
    let rows: readonly Record<string, unknown>[] = [];
    inTransaction(this.#database, () => {
      this.#database.exec(endedSessionTable);
      rows = this.#database.prepare("SELECT * FROM ended_session ORDER BY ended_at").all();
    });
    return rows.map((row) => ({ digest: String(row["digest"]), endedAt: Number(row["ended_at"]) }));
  }

  keepMembers(kept: readonly KeptMembers[]): void {
    inTransaction(this.#database, () => {
      this.#database.exec(memberTable);
      this.#database.exec("DELETE FROM member");
      const put = this.#database.prepare("INSERT INTO member VALUES (?, ?, ?, ?)");
      for (const { pool, source, at, members } of kept) put.run(pool, source, Math.round(at), members);
    });
  }

  members(): readonly KeptMembers[] {
    let rows: readonly Record<string, unknown>[] = [];
    inTransaction(this.#database, () => {
      this.#database.exec(memberTable);
      rows = this.#database.prepare("SELECT * FROM member").all();
    });
    return rows.map(({ pool, source, at, members }) => ({
      ...{ pool: String(pool), source: String(source), at: Number(at), members: String(members) },
    }));
  }

  alerts(): AlertRecord {
    return readAlerts(this.#database);
  }

  writeAlerts(changes: AlertChanges): void {
    this.#withoutSync(() => writeAlerts(this.#database, changes));
  }

  keptSecret(purpose: string): string | undefined {
    let value: unknown;
    inTransaction(this.#database, () => {
      this.#database.exec(secretTable);
      value = this.#database.prepare("SELECT value FROM secret WHERE purpose = ?").get(purpose)?.["value"];
    });
    return typeof value === "string" ? value : undefined;
  }

  keepSecret(purpose: string, value: string): void {
    inTransaction(this.#database, () => {
      this.#database.exec(secretTable);
      this.#database.prepare("INSERT OR REPLACE INTO secret VALUES (?, ?)").run(purpose, value);
    });
  }

  secret(purpose: string): string {
    return inTransaction(this.#database, () => {
      this.#database.exec(secretTable);
      this.#database.prepare("INSERT OR IGNORE INTO secret VALUES (?, ?)").run(purpose, newSecret());
      const row = this.#database.prepare("SELECT value FROM secret WHERE purpose = ?").get(purpose);
      return String(row?.["value"]);
    });
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

function eventIn(row: Readonly<Record<string, unknown>>): BalancerEvent {
  return {
    seq: Number(row["seq"]),
    at: Number(row["at"]),
    kind: String(row["kind"]) as EventKind,
    pool: row["pool"] === null ? null : String(row["pool"]),
    upstream: row["upstream"] === null ? null : String(row["upstream"]),
    from: String(row["came_from"]),
    to: String(row["went_to"]),
    reason: String(row["reason"]),
    by: String(row["done_by"]),
    detail: String(row["detail"]),
  };
}

/**
 * Schema migrations: step n takes a file from version n to n + 1. A new file runs all of them, so old and new files have the
 * same schema. Never change a released step; append a new one.
 */
const migrations: readonly string[] = [
  `CREATE TABLE mode_intent (
     upstream TEXT PRIMARY KEY, mode TEXT NOT NULL, set_by TEXT NOT NULL, set_at INTEGER NOT NULL
   ) STRICT;`,

  `CREATE TABLE intent (
     upstream TEXT NOT NULL, aspect TEXT NOT NULL, content TEXT NOT NULL,
     set_by TEXT NOT NULL, set_at INTEGER NOT NULL, why TEXT NOT NULL,
     PRIMARY KEY (upstream, aspect)
   ) STRICT;
   INSERT INTO intent (upstream, aspect, content, set_by, set_at, why)
     SELECT upstream, 'mode', '{"kind":"mode","mode":"' || mode || '"}', set_by, set_at, '' FROM mode_intent;
   DROP TABLE mode_intent;
   CREATE TABLE event (
     seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, pool TEXT, upstream TEXT,
     came_from TEXT NOT NULL, went_to TEXT NOT NULL, reason TEXT NOT NULL, done_by TEXT NOT NULL, detail TEXT NOT NULL
   ) STRICT;`,
];

/** The schema that this version writes. */
export const currentSchema = migrations.length;
