/** Whether an answer is what it should be: from another program, or another version, anything may come. */

import type { Setting } from "../config/effective.ts";
import type { Snapshot, UpstreamDetail } from "../snapshot/snapshot.ts";
import type { HistoryResult, SeriesHistory } from "../history/history.ts";
import { areStrings, isRecord } from "../lib/json.ts";
import type { BalancerEvent } from "../state/event.ts";
import type { Intent } from "../state/intent.ts";

/** As much of the shape as keeps a foreign or older program's answer from being taken for a snapshot. */
export function isSnapshot(value: unknown): value is Snapshot {
  return (
    isRecord(value) &&
    typeof value["at"] === "number" &&
    typeof value["phase"] === "string" &&
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

function isSeries(value: unknown): value is SeriesHistory {
  if (!isRecord(value) || typeof value["pool"] !== "string" || !isRecord(value["columns"])) return false;
  return Object.values(value["columns"]).every(Array.isArray);
}

export function settingsIn(value: unknown): readonly Setting[] | undefined {
  const list = isRecord(value) ? value["settings"] : undefined;
  if (!Array.isArray(list)) return undefined;
  return list.every((entry) => isRecord(entry) && typeof entry["name"] === "string") ? list : undefined;
}

/** An event of a kind that this version does not know is shown by its own words. */
export function eventsIn(value: unknown): readonly BalancerEvent[] | undefined {
  const list = isRecord(value) ? value["events"] : undefined;
  if (!Array.isArray(list)) return undefined;
  const text = ["kind", "from", "to", "reason", "by", "detail"];
  return list.every(
    (entry: unknown) =>
      isRecord(entry) &&
      typeof entry["seq"] === "number" &&
      typeof entry["at"] === "number" &&
      text.every((word) => typeof entry[word] === "string"),
  )
    ? (list as readonly BalancerEvent[])
    : undefined;
}

export function intentsIn(value: unknown): readonly Intent[] | undefined {
  const list = isRecord(value) ? value["intents"] : undefined;
  if (!Array.isArray(list)) return undefined;
  return list.every((entry: unknown) => isRecord(entry) && typeof entry["upstream"] === "string")
    ? (list as readonly Intent[])
    : undefined;
}

/** What taking the configuration anew does, or would do. */
export interface ReloadView {
  readonly applied: boolean;
  /** A line for each step. */
  readonly diff: readonly string[];
  readonly needsRestart: readonly string[];
}

export function reloadIn(value: unknown): ReloadView | undefined {
  if (!isRecord(value) || !areStrings(value["diff"]) || !areStrings(value["needsRestart"])) return undefined;
  return { applied: value["applied"] === true, diff: value["diff"], needsRestart: value["needsRestart"] };
}
