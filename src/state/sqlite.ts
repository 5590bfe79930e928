/** The store in one SQLite file, through node:sqlite, which Bun and Deno both carry. */

import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { modes } from "../pool/upstream.ts";
import type { ModeIntent, Store } from "./store.ts";

/** Raised whenever the tables change; a file from a newer version is refused rather than misread. */
const schemaVersion = 1;

/**
 * Opens or creates the file and its folder. Throws "Cannot use …" if it is damaged, locked, newer or not to be written.
 * @param file a path, or ":memory:"
 */
export function openSqlite(file: string): Store {
  try {
    return new SqliteStore(file);
  } catch (error) {
    throw new Error(
      `Cannot use the state file: ${error instanceof Error ? error.message : String(error)}, received ${file}`,
    );
  }
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    if (file !== ":memory:") mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    this.#database = new DatabaseSync(file);
    try {
      this.#prepare();
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  #prepare(): void {
    const database = this.#database;
    database.exec("PRAGMA busy_timeout = 500; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
    const row = database.prepare("PRAGMA user_version").get();
    const version = Number(row?.["user_version"] ?? 0);
    if (version > schemaVersion) throw new Error(`it was written by a newer version (schema ${version})`);
    database.exec(`
      CREATE TABLE IF NOT EXISTS mode_intent (
        upstream TEXT PRIMARY KEY, mode TEXT NOT NULL, set_by TEXT NOT NULL, set_at INTEGER NOT NULL
      ) STRICT;
      PRAGMA user_version = ${schemaVersion};
    `);
  }

  modes(): readonly ModeIntent[] {
    const rows = this.#database.prepare("SELECT upstream, mode, set_by, set_at FROM mode_intent").all();
    return rows.flatMap((row) => {
      const mode = modes.find((known) => known === row["mode"]);
      if (!mode) return [];
      return [
        { upstream: String(row["upstream"]), mode, by: String(row["set_by"]), at: Number(row["set_at"]) },
      ];
    });
  }

  setMode({ upstream, mode, by, at }: ModeIntent): void {
    this.#database
      .prepare("INSERT OR REPLACE INTO mode_intent (upstream, mode, set_by, set_at) VALUES (?, ?, ?, ?)")
      .run(upstream, mode, by, at);
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}
