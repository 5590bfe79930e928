/** The state of everything in one sentence: what an operator should know before reading a single number. */

import type { SeriesHistory } from "../history/history.ts";
import type { Snapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { formatAgo, formatTime, joinList } from "./format.ts";
import { errorRateNote, errorReasons, errorWeightOf, isEjected, type Reason, reasonsFor } from "./reasons.ts";

/** `good`: nothing to do. `warn`: it serves, with less than it could. `bad`: clients notice. */
export type Tone = "good" | "warn" | "bad";

export interface OverallStatus {
  readonly tone: Tone;
  readonly headline: string;
  readonly reasons: readonly Reason[];
}

/** How much an error share should draw the eye. */
export type StatusConcern = "none" | "slight" | "grave";

/** @param errorShare 0–1; one request in a hundred is what clients begin to notice */
export function concernOf(errorShare: number): StatusConcern {
  if (errorShare <= 0) return "none";
  return errorShare < 0.01 ? "slight" : "grave";
}

export function overallStatus(state: DashboardState): OverallStatus {
  const { snapshot, outage, adminUrl, at, readAt } = state;
  if (outage) {
    const known = snapshot
      ? { text: "below is the last known picture,", age: formatAgo(at - readAt) }
      : { text: "this page keeps trying" };
    const since = {
      text: `${outage.message} at ${urlOrigin(adminUrl)} since ${formatTime(outage.since)},`,
      age: formatAgo(at - outage.since),
    };
    return { tone: "bad", headline: outageText[outage.reason], reasons: [since, known] };
  }
  if (!snapshot) return { tone: "warn", headline: "Nothing is known yet", reasons: [] };
  const service = withCertificates(serviceOf(snapshot, balancerNow(state)), snapshot);
  return withFrontDoor(service, state);
}

const outageText = {
  unreachable: "The balancer cannot be reached",
  unauthorized: "The balancer does not let this dashboard in",
  refused: "The balancer does not say how it is",
  missing: "The balancer is not understood",
  not_understood: "The balancer is not understood",
} as const;

/** A URL without what may be secret in it: name, password, query. */
export function urlOrigin(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}

function withFrontDoor(verdict: OverallStatus, { frontDoor }: DashboardState): OverallStatus {
  if (frontDoor.reachable || verdict.tone === "bad") return verdict;
  const gate = { text: `${urlOrigin(frontDoor.url)}: ${frontDoor.detail}` };
  const says = frontDoor.status === null ? "is unreachable" : "answers with an error";
  return {
    tone: "bad",
    headline: `${verdict.headline}, but the front door ${says}`,
    reasons: [gate, ...verdict.reasons],
  };
}

/** Whoever asks at the front door for us asks for no certificate: its answer says nothing of one that clients refuse. */
function withCertificates(verdict: OverallStatus, { certificates = [] }: Snapshot): OverallStatus {
  const refused = certificates.find(({ status }) => status === "expired" || status === "early");
  if (!refused || verdict.tone === "bad") return verdict;
  const says = refused.status === "expired" ? "has expired" : "is not valid yet";
  return {
    ...verdict,
    tone: "bad",
    headline: `${verdict.headline}, but the certificate that clients see ${says}`,
  };
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
  if (standby.length > 0) reasons.push({ text: `${countOf(standby.length, "backup")} standing by` });

  const passing = phaseText[phase];
  if (passing !== undefined) return { tone: "bad", headline: passing, reasons };
  const empty = pools.filter((pool) => !pool.upstreams.some((upstream) => upstream.fit));
  if (empty.length > 0) return { tone: "bad", headline: emptyText(pools, empty), reasons };
  if (panicking.length > 0) {
    const headline = `PANIC in ${named(panicking)}: only ejected upstreams are left to serve`;
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
  draining: "The balancer is draining: it takes no new requests",
  stopped: "The balancer has stopped",
};

function servingText(serving: number, total: number): string {
  if (serving < total)
    return `${serving} of ${countOf(total, "upstream")} ${serving === 1 ? "serves" : "serve"}`;
  return total === 1 ? "The only upstream serves" : `All ${total} upstreams serve`;
}

function emptyText(pools: Snapshot["pools"], empty: Snapshot["pools"]): string {
  return empty.length === pools.length ? "No upstream serves" : `Nothing serves in ${named(empty)}`;
}

/** "pool api", "pools api and shop" */
function named(pools: Snapshot["pools"]): string {
  return `${pools.length === 1 ? "pool" : "pools"} ${joinList(pools.map(({ name }) => name))}`;
}

/** A backup that is well and waits for the primaries to fail is where it should be. */
export function isStandbyBackup(upstream: UpstreamSnapshot): boolean {
  return upstream.backup && !upstream.fit && upstream.status === "passing";
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

// What the dashboard knows at one moment: the front door, the last snapshot, and whether that is still true.

/** What a GET of the address that clients use gave. */
export interface FrontDoor {
  readonly url: string;
  /** Whether it answered with a status below 500. */
  readonly reachable: boolean;
  /** Null if there was no answer. */
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
  /** A sentence each, where several things are wrong. */
  readonly problems?: readonly string[];
}

/** As a sentence of its own: what the admin API says is one already, that it says nothing is not. */
export function adminApiErrorSentence({ reason, message }: AdminApiError): string {
  return reason === "unreachable" ? `The balancer cannot be asked: ${message}.` : `${message}.`;
}

/** The admin API has not answered since. */
export interface Outage extends AdminApiError {
  /** Epoch milliseconds of the first read that failed. */
  readonly since: number;
}

export interface DashboardState {
  /** Epoch milliseconds at which it was drawn. */
  readonly at: number;
  readonly adminUrl: string;
  readonly frontDoor: FrontDoor;
  /** The last one that could be read; undefined if none ever was. */
  readonly snapshot: Snapshot | undefined;
  /** Epoch milliseconds at which the snapshot was read; 0 if none ever was. */
  readonly readAt: number;
  readonly outage: Outage | undefined;
  /** The last minute of every pool, second by second; empty if it could not be read. */
  readonly trends: readonly SeriesHistory[];
}

/** What reading the snapshot gave. */
export type ReadResult = { readonly snapshot: Snapshot } | { readonly error: AdminApiError };

export interface PollResult {
  readonly at: number;
  readonly adminUrl: string;
  readonly frontDoor: FrontDoor;
  readonly reading: ReadResult;
  readonly trends: readonly SeriesHistory[];
}

/** A failed read keeps the last snapshot and the moment at which the outage began. */
export function nextDashboardState(
  previous: DashboardState | undefined,
  { at, adminUrl, frontDoor, reading, trends }: PollResult,
): DashboardState {
  if ("snapshot" in reading) {
    return { at, adminUrl, frontDoor, snapshot: reading.snapshot, readAt: at, outage: undefined, trends };
  }
  const since = previous?.outage?.since ?? at;
  const snapshot = previous?.snapshot;
  const readAt = previous?.readAt ?? 0;
  return {
    at,
    adminUrl,
    frontDoor,
    snapshot,
    readAt,
    outage: { ...reading.error, since },
    trends: previous?.trends ?? [],
  };
}

/** Now by the balancer's own clock, so that two machines' clocks need not agree. Epoch milliseconds. */
export function balancerNow({ at, snapshot, readAt }: DashboardState): number {
  return snapshot ? snapshot.at + (at - readAt) : at;
}
