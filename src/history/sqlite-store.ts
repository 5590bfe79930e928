/** The history in one SQLite file next to the state file. Losing it loses charts, never operator intents. */

import { format, parse } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";

import { inTransaction } from "../lib/transaction.ts";
import type { WallClock } from "../lib/clock.ts";
import { makePrivate } from "../state/private-file.ts";
import {
  type HistoryStore,
  type Period,
  type Resolution,
  resolutions,
  type SeriesKey,
  type StoredSeries,
} from "./store.ts";
import type { Point } from "./point.ts";

/** Increase it when the tables change. History of a version that cannot be migrated is dropped. */
const schemaVersion = 3;

/** Columns that version 1 did not have. They are last, so that old and new files have the same column order. */
const sinceVersion2 = ["rescues", "queued"].map((name) => `${name} INTEGER NOT NULL DEFAULT 0`);

/** The last column, after those of version 2. */
const sinceVersion3 = "uptime TEXT NOT NULL DEFAULT ''";

/** "state.db" → "state-history.db"; ":memory:" is returned as it is. */
export function historyFileOf(stateFile: string): string {
  if (stateFile === ":memory:") return stateFile;
  const { dir, name, ext } = parse(stateFile);
  return format({ dir, name: `${name}-history`, ext });
}

/**
 * Opens or creates the file and its folder. Throws "Cannot use the history file: …" if it is damaged, locked or not writable.
 * @param file a path, or ":memory:"
 */
export function openHistory(file: string, wallClock: WallClock): HistoryStore {
  try {
    return new SqliteHistory(file, wallClock);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot use the history file: ${cause} (received ${file})`);
  }
}

/**
 * A point is stored in a slot: its time modulo the retention of the resolution. It overwrites the expired point, so
 * the file has a bounded size without any search (the idea of Oetiker's RRDtool). It takes about 0.6 MB per pool and upstream.
 */
const tables = `
  CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, pool TEXT NOT NULL, upstream TEXT NOT NULL, last_at INTEGER NOT NULL,
    ${sinceVersion3},
    UNIQUE (pool, upstream)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS point (
    series INTEGER NOT NULL, step_ms INTEGER NOT NULL, slot INTEGER NOT NULL,
    at INTEGER NOT NULL, span_ms INTEGER NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL, retries INTEGER NOT NULL, in_flight INTEGER NOT NULL,
    p50_us INTEGER, p95_us INTEGER, p99_us INTEGER,
    ${sinceVersion2.join(", ")},
    PRIMARY KEY (series, step_ms, slot)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${schemaVersion};
`;

/** Whether a slot holds the first part of the same interval, from before a restart. Then the two parts are merged. */
const isSame = "excluded.at - at BETWEEN 0 AND step_ms - 1";
const sumOf = (name: string) => `${name} = excluded.${name} + iif(${isSame}, ${name}, 0)`;
const maxOf = (name: string) =>
  `${name} = iif(${isSame}, coalesce(max(${name}, excluded.${name}), ${name}, excluded.${name}), excluded.${name})`;
const put = `
  INSERT INTO point VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (series, step_ms, slot) DO UPDATE SET
    ${["span_ms", "requests", "errors", "retries", "rescues"].map(sumOf).join(", ")},
    ${["queued", "in_flight", "p50_us", "p95_us", "p99_us"].map(maxOf).join(", ")},
    at = excluded.at`;

/** Stored upstream of a pool series. Not NULL, because a unique key does not compare nulls as equal. */
const ofPool = "";

/** The longest retention. */
const maxMs = Math.max(...resolutions.map(({ retentionMs }) => retentionMs));

/** Points of a removed series deleted at a time: some milliseconds of work, during which requests wait. */
const eraseBatchSize = 1_000;

class SqliteHistory implements HistoryStore {
  readonly #database: DatabaseSync;
  readonly #wallClock: WallClock;
  /** Ids of the series in the current batch, whose `last_at` is already updated. */
  readonly #ids = new Map<string, number>();
  readonly #findExpired: StatementSync;
  readonly #erasePoints: StatementSync;
  readonly #erase: StatementSync;
  readonly #find: StatementSync;
  readonly #touch: StatementSync;
  readonly #put: StatementSync;
  readonly #list: StatementSync;
  readonly #listSlots: StatementSync;
  readonly #busiest: StatementSync;
  readonly #keepUptime: StatementSync;
  readonly #uptime: StatementSync;

  constructor(file: string, wallClock: WallClock) {
    if (file !== ":memory:") makePrivate(file);
    const database = new DatabaseSync(file);
    this.#database = database;
    this.#wallClock = wallClock;
    try {
      // Never wait for disk or lock: a lost second of history does not matter, and writes to a locked file are repeated soon.
      database.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
      // Checkpoint every 200 pages: a checkpoint of many pages blocks the process for 20 ms.
      database.exec("PRAGMA wal_autocheckpoint = 200;");
      inTransaction(this.#database, () => migrate(database));
      this.#find = database.prepare("SELECT id FROM series WHERE pool = ? AND upstream = ?");
      this.#touch = database.prepare(`
        INSERT INTO series (pool, upstream, last_at) VALUES (?, ?, ?)
        ON CONFLICT (pool, upstream) DO UPDATE SET last_at = excluded.last_at RETURNING id`);
      this.#put = database.prepare(put);
      this.#keepUptime = database.prepare("UPDATE series SET uptime = ? WHERE id = ?");
      this.#uptime = database.prepare("SELECT uptime FROM series WHERE pool = ? AND upstream = ?");
      this.#list = database.prepare(
        "SELECT * FROM point WHERE series = ? AND step_ms = ? AND at > ? AND at <= ? ORDER BY at",
      );
      // By the primary key: an hour is found among the ten thousand minutes of a week without looking at the others.
      this.#listSlots = database.prepare(
        "SELECT * FROM point WHERE series = ? AND step_ms = ? AND slot BETWEEN ? AND ? AND at > ? AND at <= ?",
      );
      this.#busiest = database.prepare(
        "SELECT max(requests * 1000.0 / max(span_ms, 1)) AS rate FROM point WHERE series = ? AND step_ms = ?",
      );
      this.#findExpired = database.prepare("SELECT id FROM series WHERE last_at < ? LIMIT 1");
      this.#erasePoints = database.prepare(`
        DELETE FROM point WHERE (series, step_ms, slot) IN
          (SELECT series, step_ms, slot FROM point WHERE series = ? LIMIT ${eraseBatchSize})`);
      this.#erase = database.prepare("DELETE FROM series WHERE id = ?");
      inTransaction(this.#database, () => {
        while (this.#eraseExpired());
      });
    } catch (error) {
      database.close();
      throw error;
    }
  }

  write(points: readonly StoredSeries[]): void {
    this.#ids.clear();
    inTransaction(this.#database, () => {
      for (const { series, resolution, point, uptime } of points) {
        const slot = slotOf(point.at, resolution);
        const id = this.#idFor(series, point.at);
        this.#put.run(id, resolution.stepMs, slot, ...valuesOf(point));
        if (uptime !== undefined) this.#keepUptime.run(uptime, id);
      }
      this.#eraseExpired();
    });
  }

  /** Deletes a part of one series that is older than the retention. False if nothing is left. */
  #eraseExpired(): boolean {
    const id = this.#findExpired.get(this.#wallClock() - maxMs)?.["id"];
    if (typeof id !== "number") return false;
    if (Number(this.#erasePoints.run(id).changes) < eraseBatchSize) this.#erase.run(id);
    return true;
  }

  read({ pool, upstream }: SeriesKey, resolution: Resolution, period: Period): readonly Point[] {
    const id = this.#find.get(pool, upstream ?? ofPool)?.["id"];
    if (typeof id !== "number") return [];
    const { after, until } = period;
    const { stepMs, retentionMs } = resolution;
    const isShort = until - after < retentionMs / 10;
    if (!isShort) return this.#list.all(id, stepMs, after, until).map(pointOf);
    const rows = slotRanges(period, resolution).flatMap(([from, to]) =>
      this.#listSlots.all(id, stepMs, from, to, after, until).map(pointOf),
    );
    return rows.sort((one, other) => one.at - other.at);
  }

  busiest({ pool, upstream }: SeriesKey, resolution: Resolution): number {
    const id = this.#find.get(pool, upstream ?? ofPool)?.["id"];
    return typeof id === "number" ? Number(this.#busiest.get(id, resolution.stepMs)?.["rate"] ?? 0) : 0;
  }

  uptime({ pool, upstream }: SeriesKey): string {
    return String(this.#uptime.get(pool, upstream ?? ofPool)?.["uptime"] ?? "");
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #idFor({ pool, upstream }: SeriesKey, at: number): number {
    const key = `${pool}\n${upstream ?? ofPool}`;
    const cached = this.#ids.get(key);
    if (cached !== undefined) return cached;
    const id = Number(this.#touch.get(pool, upstream ?? ofPool, at)?.["id"]);
    this.#ids.set(key, id);
    return id;
  }
}

function slotOf(at: number, { stepMs, retentionMs }: Resolution): number {
  return Math.ceil(at / stepMs) % (retentionMs / stepMs);
}

/** The slots of a short period: two ranges where it passes the end of the ring. */
function slotRanges(
  { after, until }: Period,
  resolution: Resolution,
): readonly (readonly [first: number, last: number])[] {
  const [first, last] = [slotOf(after, resolution), slotOf(until, resolution)];
  if (first <= last) return [[first, last]];
  return [
    [first, resolution.retentionMs / resolution.stepMs - 1],
    [0, last],
  ];
}

/** Creates the tables or migrates older ones. */
function migrate(database: DatabaseSync): void {
  const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (version < 1 || version > schemaVersion) {
    database.exec("DROP TABLE IF EXISTS point; DROP TABLE IF EXISTS series;");
  } else {
    if (version < 2)
      for (const column of sinceVersion2) database.exec(`ALTER TABLE point ADD COLUMN ${column}`);
    if (version < 3) database.exec(`ALTER TABLE series ADD COLUMN ${sinceVersion3}`);
  }
  database.exec(tables);
}

function valuesOf(point: Point): readonly (number | null)[] {
  const micros = (ms: number | null) => (ms === null ? null : Math.round(ms * 1_000));
  const { requests, errors, retries, rescues, queued, inFlight } = point;
  const counts = [Math.round(point.at), Math.round(point.spanMs), requests, errors, retries, inFlight];
  return [...counts, micros(point.p50Ms), micros(point.p95Ms), micros(point.p99Ms), rescues, queued];
}

function pointOf(row: Readonly<Record<string, unknown>>): Point {
  const number = (name: string) => Number(row[name]);
  const millis = (name: string) => (row[name] === null ? null : number(name) / 1_000);
  return {
    at: number("at"),
    spanMs: number("span_ms"),
    requests: number("requests"),
    errors: number("errors"),
    retries: number("retries"),
    rescues: number("rescues"),
    queued: number("queued"),
    inFlight: number("in_flight"),
    p50Ms: millis("p50_us"),
    p95Ms: millis("p95_us"),
    p99Ms: millis("p99_us"),
  };
}
