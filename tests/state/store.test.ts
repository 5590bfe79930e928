import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

import type { BalancerEvent } from "../../src/state/event.ts";
import type { Intent, ModeIntent } from "../../src/state/intent.ts";
import { openSqlite } from "../../src/state/sqlite-store.ts";
import { temporaryFolder } from "../support/folder.ts";

const inFolder = temporaryFolder("state");

const address = { protocol: "http", hostname: "10.0.0.1", port: 80 } as const;
const mode = (upstream: string, to: ModeIntent["mode"], at: number): ModeIntent => ({
  kind: "mode",
  upstream,
  mode: to,
  by: "ann",
  at,
  why: 'it\'s "slow"',
});

function eventOf(seq: number): BalancerEvent {
  const named = { pool: "main", upstream: "a", from: "passing", to: "failing" };
  return {
    seq,
    at: seq,
    kind: "probe",
    ...named,
    reason: "probe_failed",
    by: "prober",
    detail: "status 503",
  };
}

/** A file of version 1. */
function firstVersion(file: string): void {
  const database = new DatabaseSync(file);
  database.exec(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS mode_intent (
      upstream TEXT PRIMARY KEY, mode TEXT NOT NULL, set_by TEXT NOT NULL, set_at INTEGER NOT NULL
    ) STRICT;
    PRAGMA user_version = 1;
    INSERT INTO mode_intent VALUES ('a', 'draining', 'ann', 5), ('b', 'asleep', 'bob', 6);
  `);
  database.close();
}

describe("the store", () => {
  test("stores the latest intent for each aspect of each upstream across a restart", () => {
    const file = inFolder("new/folder/state.db");
    const store = openSqlite(file);
    const meta = { by: "bob", why: "" };
    const added: Intent = {
      ...meta,
      kind: "added",
      upstream: "c",
      at: 4,
      pool: "main",
      spec: { id: "c", address: { ...address, http2: true }, weight: 2, backup: true },
    };
    const removed: Intent = { ...meta, kind: "removed", upstream: "d", at: 5, pool: "main", address };
    store.write([mode("a", "draining", 1), mode("b", "maintenance", 2), added]);
    store.write([
      mode("a", "ready", 3),
      { ...meta, kind: "weight", upstream: "a", weight: 0, at: 6 },
      removed,
    ]);
    store.close();
    const reopened = openSqlite(file);
    expect(reopened.intents()).toEqual([
      mode("b", "maintenance", 2),
      mode("a", "ready", 3),
      added,
      removed,
      { ...meta, kind: "weight", upstream: "a", weight: 0, at: 6 },
    ]);
    reopened.write([{ kind: "forgotten", upstream: "c", aspect: "member" }]);
    expect(reopened.intents().map(({ upstream }) => upstream)).toEqual(["b", "a", "d", "a"]);
    reopened.close();
  });

  test("stores sessions across a restart, returns them once, and stays readable for older versions", () => {
    const file = inFolder("sessions.db");
    const store = openSqlite(file);
    expect(store.takeSessions()).toEqual([]);
    const session = (digest: string, usedAt: number) => ({
      digest,
      name: "ann",
      passwordMark: "m",
      openedAt: 1,
      usedAt,
    });
    store.keepSessions([session("z", 1)]);
    store.keepSessions([session("b", 2), session("a", 3)]);
    store.close();
    expect(new DatabaseSync(file).prepare("PRAGMA user_version").get()).toEqual({ user_version: 2 });
    const reopened = openSqlite(file);
    expect(reopened.takeSessions()).toEqual([session("b", 2), session("a", 3)]);
    reopened.close();
    const again = openSqlite(file);
    expect(again.takeSessions()).toEqual([]);
    again.close();
  });

  test("writes all of several intents or none", () => {
    const store = openSqlite(":memory:");
    const wrong = { ...mode("b", "draining", 2), at: null as unknown as number };
    expect(() => store.write([mode("a", "draining", 1), wrong])).toThrow();
    expect(store.intents()).toEqual([]);
    store.write([mode("a", "draining", 1)]);
    expect(store.intents()).toHaveLength(1);
    store.close();
  });

  test("in memory works, and can be closed twice", () => {
    const store = openSqlite(":memory:");
    store.write([mode("a", "draining", 1)]);
    expect(store.intents()).toHaveLength(1);
    store.close();
    store.close();
  });

  test("stores events in order, and only the last ten thousand", () => {
    const file = inFolder("record.db");
    const store = openSqlite(file);
    store.record([{ ...eventOf(1), pool: null, upstream: null }]);
    store.record([eventOf(2), eventOf(3)]);
    store.close();
    const reopened = openSqlite(file);
    expect(reopened.events(2)).toEqual([eventOf(2), eventOf(3)]);
    expect(reopened.events(9)[0]).toMatchObject({ seq: 1, pool: null, upstream: null });
    reopened.record(Array.from({ length: 10_000 }, (_, i) => eventOf(i + 4)));
    expect(reopened.events(20_000)).toHaveLength(10_000);
    expect(reopened.events(20_000)[0]?.seq).toBe(4);
    reopened.close();
  });

  test("migrates a file of version 1 once, and skips what it cannot read", () => {
    const file = inFolder("first.db");
    firstVersion(file);
    for (const _ of [1, 2]) {
      const store = openSqlite(file);
      expect(store.intents()).toEqual([
        { kind: "mode", upstream: "a", mode: "draining", by: "ann", at: 5, why: "" },
      ]);
      expect(store.events(10)).toEqual([]);
      store.close();
    }
  });

  test("rejects a file of a newer version", () => {
    const file = inFolder("newer.db");
    const database = new DatabaseSync(file);
    database.exec("CREATE TABLE later (a); PRAGMA user_version = 99;");
    database.close();
    expect(() => openSqlite(file)).toThrow(
      /^Cannot use the state file: it was written by a newer version \(schema 99\) \(received .*newer\.db\)$/,
    );
  });

  test("reports a damaged file in one sentence", () => {
    const file = inFolder("damaged.db");
    writeFileSync(file, "this is not a database, but it is long enough that its header is read. ".repeat(20));
    expect(() => openSqlite(file)).toThrow(/^Cannot use the state file: .* \(received .*damaged\.db\)$/);
  });

  test("reports a locked file in one sentence", () => {
    const file = inFolder("locked.db");
    openSqlite(file).close();
    const other = new DatabaseSync(file);
    other.exec("BEGIN IMMEDIATE");
    expect(() => openSqlite(file)).toThrow(
      /^Cannot use the state file: .*locked.* \(received .*locked\.db\)$/,
    );
    other.close();
  });

  test("reports a folder that cannot be created in one sentence", () => {
    writeFileSync(inFolder("a-file"), "");
    expect(() => openSqlite(inFolder("a-file/state.db"))).toThrow(/^Cannot use the state file: /);
  });
});
