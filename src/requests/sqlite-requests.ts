/** The kept requests in one SQLite file next to the state file. Losing it loses searches, never operator intents. */

import { format, parse } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

import { inTransaction } from "../lib/transaction.ts";
import { parseJson } from "../lib/json.ts";
import { makePrivate } from "../state/private-file.ts";
import type { StoredRequest } from "./recent-requests.ts";
import {
  lastUpstreamOf,
  reasonsOf,
  type RecordFilter,
  type RequestOutcome,
  requestOutcomes,
  statusRanges,
  upstreamsOf,
} from "./request-filter.ts";
import { mergeGroups, type UpstreamGroup } from "./request-groups.ts";
import {
  type KeptCounts,
  type KeptRequest,
  maxGroupMembers,
  type OutcomeCounts,
  type RequestCell,
  type RequestGroup,
  type RequestSearch,
  type RequestStore,
} from "./request-store.ts";

/** Increase it when the tables change: requests of another version are dropped. */
const schemaVersion = 1;

/**
 * What is searched stands apart from the records, so that a search without an index reads some megabytes. It is ordered by
 * time, because every search is.
 */
const tables = `
  CREATE TABLE IF NOT EXISTS request (
    ended_at INTEGER NOT NULL, seq INTEGER NOT NULL, outcome INTEGER NOT NULL, status INTEGER NOT NULL,
    pool TEXT, route TEXT, upstream TEXT, reason TEXT, method TEXT NOT NULL, host TEXT NOT NULL, path TEXT NOT NULL,
    client TEXT NOT NULL, request_id TEXT NOT NULL, upstreams TEXT NOT NULL, reasons TEXT NOT NULL,
    PRIMARY KEY (ended_at, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS request_by_id ON request (request_id);
  CREATE TABLE IF NOT EXISTS record (seq INTEGER PRIMARY KEY, content TEXT NOT NULL) STRICT;
  PRAGMA user_version = ${schemaVersion};
`;

const minuteMs = 60_000;

/** Characters of the path that are searched. */
const maxPath = 512;

/** Groups that are read before they are merged. */
const maxGroups = 200;

/** "state.db" → "state-requests.db"; ":memory:" is returned as it is. */
export function requestsFileOf(stateFile: string): string {
  if (stateFile === ":memory:") return stateFile;
  const { dir, name, ext } = parse(stateFile);
  return format({ dir, name: `${name}-requests`, ext });
}

/**
 * Opens or creates the file and its folder. Throws "Cannot use the file of requests: …" if it is damaged, locked or not
 * writable.
 * @param file a path, or ":memory:"
 */
export function openRequests(file: string): RequestStore {
  try {
    return new SqliteRequests(file);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot use the file of requests: ${cause} (received ${file})`);
  }
}

class SqliteRequests implements RequestStore {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #putRecord: StatementSync;
  readonly #record: StatementSync;
  readonly #find: StatementSync;
  readonly #commonest: StatementSync;
  readonly #thin: StatementSync;
  readonly #dropRecord: StatementSync;

  constructor(file: string) {
    if (file !== ":memory:") makePrivate(file);
    const database = new DatabaseSync(file);
    this.#database = database;
    try {
      // As for the history: never wait for disk or lock, and checkpoint a few pages at a time.
      database.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
      database.exec("PRAGMA wal_autocheckpoint = 200; PRAGMA secure_delete = ON;");
      inTransaction(this.#database, () => migrate(database));
      this.#put = database.prepare(
        "INSERT OR REPLACE INTO request VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      );
      this.#putRecord = database.prepare("INSERT OR REPLACE INTO record VALUES (?, ?)");
      this.#record = database.prepare("SELECT content FROM record WHERE seq = ?");
      this.#find = database.prepare(
        "SELECT seq FROM request WHERE request_id = ? ORDER BY ended_at DESC LIMIT 1",
      );
      const inCell = "ended_at >= ? AND ended_at < ? AND outcome = ?";
      this.#commonest = database.prepare(`
        SELECT upstream, status, reason FROM request WHERE ${inCell}
        GROUP BY upstream, status, reason ORDER BY count(*) DESC LIMIT 1`);
      // A hash of the number, so that the requests that stay are spread over the minute.
      this.#thin = database.prepare(`
        DELETE FROM request WHERE (ended_at, seq) IN (
          SELECT ended_at, seq FROM request
          WHERE ${inCell} AND upstream IS ? AND status = ? AND reason IS ?
          ORDER BY (seq * 2654435761) & 4294967295 LIMIT ?) RETURNING seq`);
      this.#dropRecord = database.prepare("DELETE FROM record WHERE seq = ?");
    } catch (error) {
      database.close();
      throw error;
    }
  }

  write(requests: readonly KeptRequest[]): void {
    inTransaction(this.#database, () => {
      for (const { request, endedAt, outcome } of requests) {
        this.#put.run(endedAt, request.seq, requestOutcomes.indexOf(outcome), ...columnsOf(request));
        this.#putRecord.run(request.seq, JSON.stringify(request));
      }
    });
  }

  cells(): readonly (RequestCell & { readonly count: number })[] {
    const rows = this.#database
      .prepare(
        `SELECT ended_at / ${minuteMs} AS minute, outcome, count(*) AS count FROM request
         GROUP BY minute, outcome ORDER BY minute`,
      )
      .all();
    return rows.flatMap((row) => {
      const outcome = requestOutcomes[Number(row["outcome"])];
      return outcome ? [{ minute: Number(row["minute"]), outcome, count: Number(row["count"]) }] : [];
    });
  }

  thin({ minute, outcome }: RequestCell, count: number): number {
    const cell = [minute * minuteMs, (minute + 1) * minuteMs, requestOutcomes.indexOf(outcome)] as const;
    const kind = this.#commonest.get(...cell);
    if (!kind) return 0;
    const { upstream = null, status = 0, reason = null } = kind;
    let dropped: readonly Record<string, unknown>[] = [];
    inTransaction(this.#database, () => {
      dropped = this.#thin.all(...cell, upstream, status, reason, count);
      for (const { seq } of dropped) this.#dropRecord.run(Number(seq));
    });
    return dropped.length;
  }

  search({ filter, limit, cursor }: RequestSearch): readonly StoredRequest[] {
    const { where, values } = conditionOf(filter);
    const later = cursor ? [...where, "(ended_at, seq) < (?, ?)"] : where;
    const bounds = cursor ? [...values, cursor.endedAt, cursor.seq] : values;
    const rows = this.#database
      .prepare(`SELECT seq FROM request ${whereText(later)} ORDER BY ended_at DESC, seq DESC LIMIT ?`)
      .all(...bounds, limit);
    return rows.flatMap(({ seq }) => this.#recordOf(Number(seq)));
  }

  groups(filter: RecordFilter): readonly RequestGroup[] {
    const { where, values } = conditionOf(filter);
    const sampled = requestOutcomes.indexOf("sampled");
    const rows = this.#database
      .prepare(
        `SELECT outcome, iif(outcome = ${sampled}, NULL, upstream) AS server,
           iif(outcome = ${sampled}, 0, status) AS code, iif(outcome = ${sampled}, NULL, reason) AS word,
           count(*) AS count, min(ended_at) AS first_at, max(ended_at) AS last_at,
           json_group_array(DISTINCT coalesce(route, '')) AS routes
         FROM request ${whereText(where)}
         GROUP BY outcome, server, code, word ORDER BY count DESC LIMIT ${maxGroups}`,
      )
      .all(...values);
    return mergeGroups(rows.flatMap(groupIn));
  }

  /** In one pass; the first row is the sum of all routes. */
  count(filter: RecordFilter): KeptCounts {
    const { where, values } = conditionOf(filter);
    const sums = (part: (outcome: RequestOutcome, index: number) => string) =>
      requestOutcomes.map((outcome, index) => `total(${part(outcome, index)}) AS ${outcome}`).join(", ");
    const [whole, ...routes] = this.#database
      .prepare(
        `WITH by_route AS MATERIALIZED (
           SELECT route, count(*) AS count, ${sums((_, index) => `outcome = ${index}`)}
           FROM request ${whereText(where)} GROUP BY route)
         SELECT NULL AS route, count(*) AS count, ${sums((outcome) => outcome)} FROM by_route
         UNION ALL
         SELECT * FROM (SELECT * FROM by_route ORDER BY count DESC, route LIMIT ${maxGroupMembers})`,
      )
      .all(...values);
    return {
      counts: countsIn(whole ?? {}),
      routes: routes.map((row) => ({
        route: typeof row["route"] === "string" ? row["route"] : null,
        counts: countsIn(row),
      })),
      routeCount: Number(whole?.["count"] ?? 0),
    };
  }

  find(requestId: string): StoredRequest | undefined {
    const seq = this.#find.get(requestId)?.["seq"];
    return typeof seq === "number" ? this.#recordOf(seq)[0] : undefined;
  }

  get lastSeq(): number {
    return Number(this.#database.prepare("SELECT max(seq) AS seq FROM record").get()?.["seq"] ?? 0);
  }

  clear(): void {
    this.#database.exec("DELETE FROM request; DELETE FROM record; VACUUM;");
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  /** Empty if it is not there, or was written by another version in a form that cannot be read. */
  #recordOf(seq: number): readonly StoredRequest[] {
    const content = this.#record.get(seq)?.["content"];
    const request = typeof content === "string" ? parseJson(content) : undefined;
    return request === undefined ? [] : [request as StoredRequest];
  }
}

function migrate(database: DatabaseSync): void {
  const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (version !== schemaVersion) database.exec("DROP TABLE IF EXISTS request; DROP TABLE IF EXISTS record;");
  database.exec(tables);
}

/** The columns from `status` on. */
function columnsOf(request: StoredRequest): readonly SQLInputValue[] {
  const { status, pool, route, reason, method, host, target, clientAddress, requestId } = request;
  return [
    ...[status, pool, route, lastUpstreamOf(request), reason, method, host, target.slice(0, maxPath)],
    ...[clientAddress, requestId, listText(upstreamsOf(request)), listText(reasonsOf(request))],
  ];
}

/** "|a|b|": an entry is found by the text between two bars. */
function listText(entries: readonly string[]): string {
  return entries.length === 0 ? "" : `|${[...new Set(entries)].join("|")}|`;
}

interface Condition {
  readonly where: readonly string[];
  readonly values: readonly SQLInputValue[];
}

/** The same conditions as `matchesRequest`, in SQL. */
function conditionOf(filter: RecordFilter): Condition {
  const where: string[] = [];
  const values: SQLInputValue[] = [];
  const add = (condition: string, ...given: readonly SQLInputValue[]) => {
    where.push(condition);
    values.push(...given);
  };
  const { from, to, pool, upstream, route, method, status, path, reason, client, requestId } = filter;
  if (from !== undefined) add("ended_at >= ?", from);
  if (to !== undefined) add("ended_at < ?", to);
  if (requestId !== undefined) add("request_id = ?", requestId);
  if (pool !== undefined) add("pool = ?", pool);
  if (route !== undefined) add("route = ?", route);
  if (method !== undefined) add("method = ?", method);
  if (client !== undefined) add("client = ?", client);
  if (upstream !== undefined) add("instr(upstreams, ?) > 0", `|${upstream}|`);
  if (reason !== undefined) add("instr(reasons, ?) > 0", `|${reason}|`);
  if (status !== undefined) {
    const ranges = statusRanges(status);
    add(
      `(${ranges.map(() => "status BETWEEN ? AND ?").join(" OR ")})`,
      ...ranges.flatMap((range) => [range.from, range.to]),
    );
  }
  if (path !== undefined) {
    const text = path.startsWith("/") ? "path" : "iif(substr(path, 1, 1) = '/', host || path, path)";
    const prefix = path.slice(0, maxPath);
    add(`substr(${text}, 1, ?) = ?`, [...prefix].length, prefix);
  }
  if (filter.outcomes !== undefined) {
    const known = filter.outcomes.map((outcome) => requestOutcomes.indexOf(outcome));
    add(`outcome IN (${known.join(", ")})`);
  }
  return { where, values };
}

function whereText(where: readonly string[]): string {
  return where.length === 0 ? "" : `WHERE ${where.join(" AND ")}`;
}

function countsIn(row: Readonly<Record<string, unknown>>): OutcomeCounts {
  const of = (outcome: RequestOutcome) => Number(row[outcome] ?? 0);
  return {
    failed: of("failed"),
    refused: of("refused"),
    retried: of("retried"),
    slow: of("slow"),
    sampled: of("sampled"),
  };
}

function groupIn(row: Readonly<Record<string, unknown>>): readonly UpstreamGroup[] {
  const outcome = requestOutcomes[Number(row["outcome"])];
  if (!outcome) return [];
  const text = (name: string) => (typeof row[name] === "string" ? row[name] : null);
  const routes = parseJson(text("routes") ?? "[]");
  return [
    {
      outcome,
      status: Number(row["code"]),
      reason: text("word"),
      upstream: text("server"),
      routes: Array.isArray(routes) ? routes.map(String).filter((route) => route !== "") : [],
      count: Number(row["count"]),
      firstAt: Number(row["first_at"]),
      lastAt: Number(row["last_at"]),
    },
  ];
}
