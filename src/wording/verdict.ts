/** The overall status in one sentence with its reasons, and the state of the dashboard from which it is derived. */

import type { SeriesHistory } from "../history/history.ts";
import type { Snapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { joinList } from "../lib/list-text.ts";
import { countWithNoun, formatAgo, formatTime } from "./format.ts";
import { shortageOf } from "../problems/wording.ts";
import {
  errorRateNote,
  errorReasons,
  errorWeightOf,
  hasFreeSlot,
  isEjected,
  type Reason,
  reasonsFor,
} from "./reasons.ts";

/** `good`: nothing to do. `warn`: it serves at reduced capacity. `bad`: clients are affected. */
export type Tone = "good" | "warn" | "bad";

export interface OverallStatus {
  readonly tone: Tone;
  readonly headline: string;
  readonly reasons: readonly Reason[];
}

/** How strongly an error share is highlighted. */
export type StatusConcern = "none" | "slight" | "grave";

/** @param errorShare 0–1; from 0.01 on, clients are affected noticeably */
export function concernOf(errorShare: number): StatusConcern {
  if (errorShare <= 0) return "none";
  return errorShare < 0.01 ? "slight" : "grave";
}

export function overallStatus(state: DashboardState): OverallStatus {
  const { snapshot, outage, adminUrl, at, readAt } = state;
  if (outage) {
    const known = snapshot
      ? { text: "showing data read", age: formatAgo(at - readAt) }
      : { text: "retrying" };
    const since = {
      text: `${outage.message} at ${urlOrigin(adminUrl)} since ${formatTime(outage.since)},`,
      age: formatAgo(at - outage.since),
    };
    return { tone: "bad", headline: outageText[outage.reason], reasons: [since, known] };
  }
  if (!snapshot) return { tone: "warn", headline: "Waiting for the first snapshot", reasons: [] };
  const service = withExhaustion(
    withCertificates(serviceOf(snapshot, balancerNow(state)), snapshot),
    snapshot,
  );
  return withListenerCheck(service, state);
}

const outageText = {
  unreachable: "The admin API is unreachable",
  unauthorized: "The admin API rejected this dashboard's token",
  refused: "The admin API returned an error",
  missing: "Unexpected response from the admin API",
  not_understood: "Unexpected response from the admin API",
} as const;

/** A URL without the parts that may be secret: user name, password, query. */
export function urlOrigin(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}

function withListenerCheck(verdict: OverallStatus, { listenerCheck }: DashboardState): OverallStatus {
  if (listenerCheck.reachable || verdict.tone === "bad") return verdict;
  const detail = { text: `${urlOrigin(listenerCheck.url)}: ${listenerCheck.detail}` };
  const problem = listenerCheck.status === null ? "is unreachable" : "returns an error";
  return {
    tone: "bad",
    headline: `${verdict.headline}, but the client listener ${problem}`,
    reasons: [detail, ...verdict.reasons],
  };
}

/** The check of the client listener does not verify certificates, so it succeeds with one that clients reject. */
function withCertificates(verdict: OverallStatus, { certificates = [] }: Snapshot): OverallStatus {
  const refused = certificates.find(({ status }) => status === "expired" || status === "early");
  if (!refused || verdict.tone === "bad") return verdict;
  const problem = refused.status === "expired" ? "has expired" : "is not valid yet";
  return {
    ...verdict,
    tone: "bad",
    headline: `${verdict.headline}, but the server certificate ${problem}`,
  };
}

/** Clients may get 503 although all upstreams serve. */
function withExhaustion(verdict: OverallStatus, { exhaustion }: Snapshot): OverallStatus {
  if (!exhaustion) return verdict;
  const headline = `${verdict.headline}, but the balancer has no ${shortageOf(exhaustion.code)} left`;
  return { ...verdict, tone: "bad", headline };
}

function serviceOf({ pools, phase }: Snapshot, now: number): OverallStatus {
  const upstreams = pools.flatMap((pool) => pool.upstreams);
  const standby = upstreams.filter(isStandbyBackup);
  const expected = upstreams.filter((upstream) => !isStandbyBackup(upstream));
  const serving = expected.filter((upstream) => upstream.fit).length;
  const panicking = pools.filter(({ panic }) => panic);
  const inPanic = new Set(panicking.flatMap((pool) => pool.upstreams.filter(isEjected)));
  const out = expected.filter((upstream) => !upstream.fit && !inPanic.has(upstream));
  const erring = pools.filter((pool) => errorWeightOf(pool) !== "none");
  const reasons = [...erring.flatMap(errorReasons), ...reasonsFor([...inPanic], out, now)];
  if (standby.length > 0) reasons.push({ text: `${countWithNoun(standby.length, "backup")} on standby` });

  const lifecycle = phaseText[phase];
  if (lifecycle !== undefined) return { tone: "bad", headline: lifecycle, reasons };
  const empty = pools.filter((pool) => !pool.upstreams.some((upstream) => upstream.fit));
  if (empty.length > 0) {
    const unavailable = empty.filter((pool) => !isFull(pool));
    const headline =
      unavailable.length > 0
        ? emptyText(pools, unavailable)
        : `All passing upstreams in ${named(empty)} are at their limit (maxInFlight): requests wait in the queue`;
    return { tone: "bad", headline, reasons };
  }
  if (panicking.length > 0) {
    const headline = `Panic mode in ${named(panicking)}: all upstreams that pass their probes are ejected, so ejections are ignored`;
    return { tone: "bad", headline, reasons };
  }
  const served = servingText(serving, expected.length);
  if (erring.length > 0) {
    const isBad = erring.some((pool) => errorWeightOf(pool) === "most");
    const failing = `${errorRateNote(erring)} in ${named(erring)}`;
    return { tone: isBad ? "bad" : "warn", headline: `${served}, but ${failing}`, reasons };
  }
  return { tone: out.length > 0 ? "warn" : "good", headline: served, reasons };
}

const phaseText: Readonly<Record<string, string | undefined>> = {
  starting: "The balancer is starting",
  draining: "The balancer is shutting down",
  stopped: "The balancer has stopped",
};

function servingText(serving: number, total: number): string {
  if (serving < total)
    return `${serving} of ${countWithNoun(total, "upstream")} ${serving === 1 ? "serves" : "serve"}`;
  return total === 1 ? "The only upstream serves" : `All ${total} upstreams serve`;
}

/** Whether requests only wait: the upstreams that would serve have no slot left. Backups count only if nothing else does. */
function isFull({ upstreams }: Snapshot["pools"][number]): boolean {
  const passing = upstreams.filter(({ status, weight }) => status === "passing" && weight > 0);
  const primaries = passing.filter(({ backup }) => !backup);
  const expected = primaries.length > 0 ? primaries : passing;
  return expected.length > 0 && !expected.some(hasFreeSlot);
}

function emptyText(pools: Snapshot["pools"], empty: Snapshot["pools"]): string {
  return empty.length === pools.length
    ? "No upstream is available"
    : `No upstream is available in ${named(empty)}`;
}

/** "pool api", "pools api and shop" */
function named(pools: Snapshot["pools"]): string {
  return `${pools.length === 1 ? "pool" : "pools"} ${joinList(pools.map(({ name }) => name))}`;
}

/** A healthy backup that waits for the primaries to fail is no problem. */
export function isStandbyBackup(upstream: UpstreamSnapshot): boolean {
  return upstream.backup && !upstream.fit && upstream.status === "passing";
}

/** The result of a GET to the address that clients use. */
export interface ListenerCheck {
  readonly url: string;
  /** Whether the response had a status below 500. */
  readonly reachable: boolean;
  /** Null without a response. */
  readonly status: number | null;
  /** For people: "status 200", "connection refused". */
  readonly detail: string;
  readonly latencyMs: number;
  /** Epoch milliseconds. */
  readonly checkedAt: number;
}

/** Why the admin API could not be read or written. */
export interface AdminApiError {
  readonly reason: "unreachable" | "unauthorized" | "refused" | "missing" | "not_understood";
  /** For people, without a full stop. */
  readonly message: string;
  /** One sentence for each problem, if there are several. */
  readonly problems?: readonly string[];
}

/** A complete sentence. Messages of the admin API are sentences already; a connection error needs an introduction. */
export function adminApiErrorSentence({ reason, message }: AdminApiError): string {
  if (reason === "unreachable") return `Cannot reach the admin API: ${message}.`;
  return /[.?!]$/.test(message) ? message : `${message}.`;
}

/** A period in which the admin API could not be read. */
export interface Outage extends AdminApiError {
  /** Epoch milliseconds of the first read that failed. */
  readonly since: number;
}

export interface DashboardState {
  /** Epoch milliseconds at which this state was built. */
  readonly at: number;
  readonly adminUrl: string;
  readonly listenerCheck: ListenerCheck;
  /** The last snapshot that was read; undefined before the first one. */
  readonly snapshot: Snapshot | undefined;
  /** Epoch milliseconds at which the snapshot was read; 0 before the first one. */
  readonly readAt: number;
  readonly outage: Outage | undefined;
  /** The last minute of every pool, one point per second; empty if it could not be read. */
  readonly trends: readonly SeriesHistory[];
}

/** The result of reading the snapshot. */
export type ReadResult = { readonly snapshot: Snapshot } | { readonly error: AdminApiError };

export interface PollResult {
  readonly at: number;
  readonly adminUrl: string;
  readonly listenerCheck: ListenerCheck;
  readonly reading: ReadResult;
  readonly trends: readonly SeriesHistory[];
}

/** A failed read keeps the last snapshot and the moment at which the outage began. */
export function nextDashboardState(
  previous: DashboardState | undefined,
  { at, adminUrl, listenerCheck, reading, trends }: PollResult,
): DashboardState {
  if ("snapshot" in reading) {
    return { at, adminUrl, listenerCheck, snapshot: reading.snapshot, readAt: at, outage: undefined, trends };
  }
  const since = previous?.outage?.since ?? at;
  const snapshot = previous?.snapshot;
  const readAt = previous?.readAt ?? 0;
  return {
    at,
    adminUrl,
    listenerCheck,
    snapshot,
    readAt,
    outage: { ...reading.error, since },
    trends: previous?.trends ?? [],
  };
}

/** Now by the balancer's clock, in epoch milliseconds: the clocks of the two machines may differ. */
export function balancerNow({ at, snapshot, readAt }: DashboardState): number {
  return snapshot ? snapshot.at + (at - readAt) : at;
}
