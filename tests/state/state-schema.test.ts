import { describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

import { currentSchema, openSqlite } from "../../src/state/sqlite-store.ts";
import { readSchema } from "../../src/state/state-schema.ts";
import { temporaryFolder } from "../support/folder.ts";

const inFolder = temporaryFolder("schema");

const read = (schema: number) => ({ kind: "read", schema }) as const;

describe("the schema of a state file", () => {
  test("is read while a balancer has it open, when it stands in the write-ahead log alone", () => {
    const store = openSqlite(inFolder("open.db"));
    expect(existsSync(inFolder("open.db-wal"))).toBe(true);
    expect(readSchema(inFolder("open.db"))).toEqual(read(currentSchema));
    store.close();
    expect(existsSync(inFolder("open.db-wal"))).toBe(false);
    expect(readSchema(inFolder("open.db"))).toEqual(read(currentSchema));
  });

  test("is that of the last commit: not of a transaction that is open, nor of an earlier turn of the log", () => {
    const database = new DatabaseSync(inFolder("turns.db"));
    database.exec("PRAGMA journal_mode = WAL; CREATE TABLE filler (text TEXT); PRAGMA user_version = 41");
    expect(readSchema(inFolder("turns.db"))).toEqual(read(41));
    // The log begins again at its start, with another salt; what lies behind is of before.
    for (let turn = 0; turn < 3; turn += 1) {
      database.exec(`INSERT INTO filler VALUES ('${"x".repeat(50_000)}'); PRAGMA wal_checkpoint(RESTART)`);
      database.exec(`PRAGMA user_version = ${50 + turn}`);
      expect(readSchema(inFolder("turns.db"))).toEqual(read(50 + turn));
    }
    // Larger than the cache, so that pages of the open transaction reach the log.
    database.exec(`PRAGMA cache_size = 2; BEGIN; PRAGMA user_version = 99;`);
    for (let count = 0; count < 50; count += 1)
      database.exec(`INSERT INTO filler VALUES ('${"y".repeat(20_000)}')`);
    expect(readSchema(inFolder("turns.db"))).toEqual(read(52));
    database.exec("COMMIT");
    expect(readSchema(inFolder("turns.db"))).toEqual(read(99));
    database.close();
  });

  test("is read without a trace: no companion appears, not even after a crash", () => {
    mkdirSync(inFolder("crash"));
    const store = openSqlite(inFolder("live.db"));
    for (const suffix of ["", "-wal"])
      copyFileSync(inFolder(`live.db${suffix}`), inFolder(`crash/state.db${suffix}`));
    store.close();
    expect(readSchema(inFolder("crash/state.db"))).toEqual(read(currentSchema));
    expect(readdirSync(inFolder("crash")).toSorted()).toEqual(["state.db", "state.db-wal"]);
  });

  test("is told apart from files that are missing, empty or no databases", () => {
    expect(readSchema(inFolder("none.db"))).toEqual({ kind: "missing" });
    writeFileSync(inFolder("empty.db"), "");
    expect(readSchema(inFolder("empty.db"))).toEqual(read(0));
    for (const text of ["x", "x".repeat(200)]) {
      writeFileSync(inFolder("text.db"), text);
      expect(readSchema(inFolder("text.db"))).toEqual({
        kind: "unreadable",
        why: "it is no SQLite database",
      });
    }
    expect(readSchema(inFolder())).toMatchObject({ kind: "unreadable" });
  });
});
