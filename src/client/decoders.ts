/** Type guards for admin API responses, which may come from another program or another version. */

import type { Setting } from "../config/effective.ts";
import type { Snapshot, UpstreamDetail } from "../snapshot/snapshot.ts";
import type { HistoryResult, SeriesHistory } from "../history/history.ts";
import { areStrings, asArray, asRecord, isRecord } from "../lib/json.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { RoutesReport } from "../snapshot/route-report.ts";
import type { Intent } from "../state/intent.ts";

/** Checks only enough to reject the response of another program or an older version. */
export function isSnapshot(value: unknown): value is Snapshot {
  return (
    isRecord(value) &&
    typeof value["at"] === "number" &&
    typeof value["phase"] === "string" &&
    (value["problems"] === undefined || hasProblems(value)) &&
    Array.isArray(value["pools"]) &&
    value["pools"].every(
      (pool: unknown) =>
        isRecord(pool) &&
        isRecord(pool["traffic"]) &&
        isRecord(pool["refusals"]) &&
        Array.isArray(pool["upstreams"]) &&
        pool["upstreams"].every(
          (upstream: unknown) =>
            isRecord(upstream) &&
            typeof upstream["id"] === "string" &&
            isRecord(upstream["traffic"]) &&
            isRecord(upstream["uptime"]),
        ),
    )
  );
}

export function isDetail(value: unknown): value is UpstreamDetail {
  return (
    isRecord(value) &&
    typeof value["id"] === "string" &&
    isRecord(value["traffic"]) &&
    isRecord(value["errorsByReason"]) &&
    isRecord(value["codes"]) &&
    Array.isArray(value["probes"]) &&
    Array.isArray(value["latencies"])
  );
}

export function isHistory(value: unknown): value is HistoryResult {
  return isRecord(value) && Array.isArray(value["series"]) && value["series"].every(isSeries);
}

/** What charts and lists need of a problem. */
export interface ProblemSpan {
  readonly id: string;
  readonly title: string;
  readonly level: string;
  /** Epoch milliseconds. */
  readonly since: number;
  /** Null while it is open. */
  readonly closedAt: number | null;
  /** The upstreams it is about: one, or the parts of a problem of their pool. */
  readonly upstreams: readonly string[];
}

export function problemSpansIn(value: unknown): readonly ProblemSpan[] | undefined {
  const list = isRecord(value) ? value["problems"] : undefined;
  if (!Array.isArray(list)) return undefined;
  return list.flatMap((entry: unknown) => {
    if (!isRecord(entry)) return [];
    const { id, title, level, since, closedAt } = entry;
    if (typeof id !== "string" || typeof title !== "string" || typeof level !== "string") return [];
    const [begin, end] = [since, closedAt].map((text) =>
      typeof text === "string" ? Date.parse(text) : null,
    );
    return begin === null || begin === undefined || Number.isNaN(begin)
      ? []
      : [{ id, title, level, since: begin, closedAt: end ?? null, upstreams: upstreamsIn(entry) }];
  });
}

function upstreamsIn({ subject, parts }: Readonly<Record<string, unknown>>): readonly string[] {
  return [subject, ...(Array.isArray(parts) ? (parts as readonly unknown[]) : [])].flatMap((part) => {
    const upstream = isRecord(part) ? part["upstream"] : undefined;
    return typeof upstream === "string" ? [upstream] : [];
  });
}

function isSeries(value: unknown): value is SeriesHistory {
  if (!isRecord(value) || typeof value["pool"] !== "string" || !isRecord(value["columns"])) return false;
  return Object.values(value["columns"]).every(Array.isArray);
}

/** What reading the files of certificates again has changed. */
export interface RotationView {
  /** Files of certificates. */
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly refused: readonly { readonly path: string; readonly why: string }[];
}

export function rotationIn(value: unknown): RotationView | undefined {
  if (!isRecord(value) || !areStrings(value["changed"]) || !areStrings(value["removed"])) return undefined;
  const { changed, removed, refused } = value;
  if (!Array.isArray(refused)) return undefined;
  const problems = refused.flatMap((entry: unknown) => {
    const { path, why } = asRecord(entry);
    return typeof path === "string" && typeof why === "string" ? [{ path, why }] : [];
  });
  return { changed, removed, refused: problems };
}

export function routesIn(value: unknown): RoutesReport | undefined {
  if (!isRecord(value) || !Array.isArray(value["routes"])) return undefined;
  const { routes, others } = value;
  const areRoutes = routes.every(
    (route: unknown) =>
      isRecord(route) &&
      typeof route["route"] === "string" &&
      typeof route["place"] === "string" &&
      isRecord(route["leadsTo"]) &&
      areStrings(route["leadsTo"]["pools"]) &&
      hasRouteCounts(route),
  );
  return areRoutes && (others === null || (isRecord(others) && hasRouteCounts(others)))
    ? (value as unknown as RoutesReport)
    : undefined;
}

function hasRouteCounts({ recent, total }: Readonly<Record<string, unknown>>): boolean {
  return isRecord(recent) && typeof recent["requestsPerSecond"] === "number" && isRecord(total);
}

export function settingsIn(value: unknown): readonly Setting[] | undefined {
  const list = isRecord(value) ? value["settings"] : undefined;
  if (!Array.isArray(list)) return undefined;
  return list.every((entry) => isRecord(entry) && typeof entry["name"] === "string") ? list : undefined;
}

/** Also accepts event kinds that this version does not know; their text is shown as it is. */
export function eventsIn(value: unknown): readonly BalancerEvent[] | undefined {
  const list = isRecord(value) ? value["events"] : undefined;
  if (!Array.isArray(list)) return undefined;
  const textKeys = ["kind", "from", "to", "reason", "by", "detail"];
  return list.every(
    (entry: unknown) =>
      isRecord(entry) &&
      typeof entry["seq"] === "number" &&
      typeof entry["at"] === "number" &&
      textKeys.every((key) => typeof entry[key] === "string"),
  )
    ? (list as readonly BalancerEvent[])
    : undefined;
}

/** Checks only what a list of problems, an exit code and a page need. */
export function hasProblems(value: unknown): boolean {
  return (
    isListOf(value, "problems", ["id", "level", "state", "title", "since"]) &&
    asArray(asRecord(value)["problems"]).every((problem) =>
      ["subject", "hits", "cause", "do", "links"].every((key) => isRecord(asRecord(problem)[key])),
    )
  );
}

/** Whether the value has receivers of alerts and silences. */
export function hasReceivers(value: unknown): boolean {
  return isListOf(value, "receivers", ["name"]) && isListOf(value, "silences", ["id"]);
}

export function hasPeers(value: unknown): boolean {
  return isListOf(value, "peers", ["name"]) && isListOf(value, "seen", []);
}

/** Whether `key` has a list of maps, each with texts of these names. */
function isListOf(value: unknown, key: string, texts: readonly string[]): boolean {
  const list = isRecord(value) ? value[key] : undefined;
  return (
    Array.isArray(list) &&
    list.every((entry: unknown) => isRecord(entry) && texts.every((name) => typeof entry[name] === "string"))
  );
}

export function intentsIn(value: unknown): readonly Intent[] | undefined {
  const list = isRecord(value) ? value["intents"] : undefined;
  if (!Array.isArray(list)) return undefined;
  return list.every((entry: unknown) => isRecord(entry) && typeof entry["upstream"] === "string")
    ? (list as readonly Intent[])
    : undefined;
}

/** The result of a reload or of a dry run. */
export interface ReloadView {
  readonly applied: boolean;
  /** One line per step. */
  readonly diff: readonly string[];
  readonly needsRestart: readonly string[];
  /** Of a dry run. */
  readonly notes: readonly string[];
}

export function reloadIn(value: unknown): ReloadView | undefined {
  if (!isRecord(value) || !areStrings(value["diff"]) || !areStrings(value["needsRestart"])) return undefined;
  const { diff, needsRestart, notes } = value;
  return { applied: value["applied"] === true, diff, needsRestart, notes: areStrings(notes) ? notes : [] };
}
