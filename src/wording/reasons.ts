/** The reasons behind the overall status: a sentence for each upstream that does not serve, the most urgent first. */

import type { Status } from "../pool/upstream.ts";
import type { PoolSnapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { joinList } from "../lib/list-text.ts";
import { countWithNoun, formatAgo, formatCount, formatRate, formatShare, formatSpan } from "./format.ts";

/** What is wrong, since when, and why: "api-2 ejected", "14 s ago", "connect_refused". */
export interface Reason {
  readonly text: string;
  /** Its age or its amount. Separate, because it changes every second and a screen reader must not read it out each time. */
  readonly age?: string;
  readonly why?: string;
}

/** More upstreams than this are only counted. */
const maxListed = 3;

/**
 * @param first upstreams that precede all others
 * @param now epoch milliseconds by the balancer's clock
 */
export function reasonsFor(
  first: readonly UpstreamSnapshot[],
  others: readonly UpstreamSnapshot[],
  now: number,
): readonly Reason[] {
  const byUrgency = (left: UpstreamSnapshot, right: UpstreamSnapshot) =>
    urgency.indexOf(left.status) - urgency.indexOf(right.status);
  const all = [...first, ...others.toSorted(byUrgency)];
  const listed = all.slice(0, maxListed).map((upstream) => reasonFor(upstream, now));
  const more = all.length - listed.length;
  return more > 0 ? [...listed, { text: `and ${more} more` }] : listed;
}

const urgency: readonly Status[] = [
  "failing",
  "ejected",
  "probation",
  "checking",
  "draining",
  "maintenance",
  "passing",
];

function reasonFor(upstream: UpstreamSnapshot, now: number): Reason {
  const { id, status, statusSince, outlier } = upstream;
  const why = statusReasonOf(upstream);
  const cause = why === "" ? {} : { why };
  if (status === "passing") return { text: `${id} takes no new requests`, ...cause };
  if (status === "ejected" && outlier.since !== null) {
    return { text: `${id} ejected`, age: formatAgo(now - outlier.since), ...cause };
  }
  const text = `${id} ${statusText[status] ?? status}`;
  return { text, age: `for ${formatSpan(now - statusSince)}`, ...cause };
}

const statusText: Readonly<Record<string, string | undefined>> = {
  probation: "on probation",
  maintenance: "in maintenance",
};

/** Whether outlier detection keeps requests away from it: all of them, or all but one trial request. */
export function isEjected({ status }: Pick<UpstreamSnapshot, "status">): boolean {
  return status === "ejected" || status === "probation";
}

/**
 * The cause of an upstream's status, in the words of the log: the probe's result, the failure that led to the ejection, or
 * the operator. Empty if there is no cause to show.
 */
export function statusReasonOf(upstream: UpstreamSnapshot): string {
  const { status, mode, modeSet, weight, maxInFlight, fit, lastProbe, outlier } = upstream;
  if (mode !== "ready") {
    if (!modeSet) return "as configured";
    return modeSet.why === "" ? `by ${modeSet.by}` : `by ${modeSet.by}, ${modeSet.why}`;
  }
  if (isEjected(upstream)) return outlier.cause ?? outlier.reason ?? "";
  if (status === "failing") return lastProbe?.detail ?? "";
  if (fit || status !== "passing") return "";
  if (weight === 0) return "weight is 0";
  return hasFreeSlot(upstream) ? "" : `all ${formatCount(maxInFlight ?? 0)} slots (maxInFlight) are in use`;
}

/** Requests in flight that take a slot. */
export function slotsInUse({ inFlight, tunnels, streams }: UpstreamSnapshot): number {
  return inFlight - tunnels - streams;
}

export function hasFreeSlot(upstream: UpstreamSnapshot): boolean {
  return upstream.maxInFlight === null || slotsInUse(upstream) < upstream.maxInFlight;
}

/** The limit of requests in flight, and what does not count towards it: "of 256", "no limit, plus 12 tunnels". */
export function capacityNote({ tunnels, streams, maxInFlight }: UpstreamSnapshot): string {
  const limit = maxInFlight === null ? "no limit" : `of ${formatCount(maxInFlight)}`;
  const others = [
    ...(tunnels === 0 ? [] : [countWithNoun(tunnels, "tunnel")]),
    ...(streams === 0 ? [] : [countWithNoun(streams, "stream")]),
  ];
  return others.length === 0 ? limit : `${limit}, plus ${joinList(others)}`;
}

/** From the first share on, an operator should act; from the second on, retries cannot hide the errors. */
const [manyErrors, maxErrors] = [0.05, 0.5];

export type ErrorWeight = "none" | "many" | "most";

/** How much of a pool's traffic fails. Below one request per second the share means little, so it is `none`. */
export function errorWeightOf({ traffic }: PoolSnapshot): ErrorWeight {
  const { errorShare, requestsPerSecond } = traffic;
  if (requestsPerSecond < 1 || errorShare < manyErrors) return "none";
  return errorShare < maxErrors ? "many" : "most";
}

/** The settings whose limits cause a refusal. */
const settingsBehind: Readonly<Record<string, string | undefined>> = {
  queue_full: "maxInFlight, queue.maxWaiting",
  queue_timeout: "maxInFlight, queue.timeout",
  request_too_large: "maxRequestBody",
  too_many_clients: "maxClients",
  overloaded: "maxMemory",
};

/** How often a pool refused requests for a reason: "3 × queue_full (maxInFlight, queue.maxWaiting)". */
export function refusalNote(reason: string, count: number): string {
  const settings = settingsBehind[reason];
  return `${formatCount(count)} × ${reason}${settings === undefined ? "" : ` (${settings})`}`;
}

/** Whether most of a pool's errors are refusals: requests that no upstream received. */
function rejectsTraffic(pool: PoolSnapshot): boolean {
  return pool.turnedAwayPerSecond > errorsPerSecond(pool) / 2;
}

/** Refusals as a share of the pool's requests, and failures as a share of the attempts on its upstreams. */
function errorSharesOf(pool: PoolSnapshot) {
  // Older balancers do not count refusals.
  const { traffic, turnedAwayPerSecond: refused = 0 } = pool;
  const attempts = traffic.requestsPerSecond - refused;
  return {
    refused: refused > 0 ? refused / traffic.requestsPerSecond : 0,
    failing: attempts > 0 ? Math.max(0, errorsPerSecond(pool) - refused) / attempts : 0,
  };
}

/** The more frequent kind of error: "many attempts fail", "most requests are refused". */
export function errorRateNote(pools: readonly PoolSnapshot[]): string {
  const areRefusals = pools.every(rejectsTraffic);
  const isMost = pools.some((pool) => errorSharesOf(pool)[areRefusals ? "refused" : "failing"] >= maxErrors);
  return `${isMost ? "most" : "many"} ${areRefusals ? "requests are refused" : "attempts fail"}`;
}

function errorsPerSecond({ traffic }: Pick<UpstreamSnapshot, "traffic">): number {
  return traffic.requestsPerSecond * traffic.errorShare;
}

/**
 * The more frequent kind of error first; the other kind only if it is frequent as well. Failures are counted as attempts,
 * because another upstream may have served the request.
 */
export function errorReasons(pool: PoolSnapshot): readonly Reason[] {
  const { name, turnedAwayPerSecond } = pool;
  const { refused, failing } = errorSharesOf(pool);
  const culprits = culpritsIn(pool);
  const where = culprits.length > 0 ? `, nearly all on ${joinList(culprits)}` : "";
  const refusals = {
    text: `requests refused in pool ${name}:`,
    age: `${formatRate(turnedAwayPerSecond)}/s`,
  };
  const failed = { text: `attempts failing in pool ${name}${where}:`, age: formatShare(failing) };
  if (rejectsTraffic(pool)) return failing >= manyErrors ? [refusals, failed] : [refusals];
  return refused >= manyErrors ? [failed, refusals] : [failed];
}

/** The share of a pool's errors from which on the upstreams that cause them are named. */
const nearlyAll = 0.9;
const maxCulprits = 2;

/** The upstreams that cause nearly all of a pool's errors; empty if the errors are spread over more than a few. */
function culpritsIn({ upstreams }: PoolSnapshot): readonly string[] {
  const worstFirst = upstreams.toSorted((one, other) => errorsPerSecond(other) - errorsPerSecond(one));
  const few = worstFirst.slice(0, Math.min(maxCulprits, upstreams.length - 1));
  const all = sumOfErrors(upstreams);
  const enough = few.findIndex((_, index) => sumOfErrors(few.slice(0, index + 1)) >= nearlyAll * all);
  return all > 0 ? few.slice(0, enough + 1).map(({ id }) => id) : [];
}

function sumOfErrors(upstreams: readonly UpstreamSnapshot[]): number {
  return upstreams.reduce((sum, upstream) => sum + errorsPerSecond(upstream), 0);
}

/** A reason as one line, for output without a screen reader. */
export function reasonSentence({ text, age, why }: Reason): string {
  return `${text}${age === undefined ? "" : ` ${age}`}${why === undefined ? "" : `: ${why}`}`;
}
