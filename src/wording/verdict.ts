/** The state of everything in one sentence: what an operator should know before reading a single number. */

import type { Snapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { formatAgo, formatTime, joinList } from "./format.ts";
import { balancerNow, type DashboardState } from "../dashboard/picture.ts";
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
