/** Why the verdict is not better, a sentence for each upstream that does not serve as it should: the most urgent first. */

import type { Status } from "../pool/upstream.ts";
import type { PoolSnapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { formatAgo, formatCount, formatRate, formatShare, formatSpan, joinList } from "./format.ts";

/** "api-2 ejected", "14 s ago", "connect_refused": what, since when, and why. */
export interface Reason {
  readonly text: string;
  /** How old it is, or how much; apart, because it changes every second and must not be read aloud each time. */
  readonly age?: string;
  readonly why?: string;
}

/** More than this many are counted instead of told. */
const maxListed = 3;

/**
 * @param first those that are told of before all others
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
  const told = all.slice(0, maxListed).map((upstream) => reasonFor(upstream, now));
  const more = all.length - told.length;
  return more > 0 ? [...told, { text: `and ${more} more` }] : told;
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
  const told = why === "" ? {} : { why };
  if (status === "passing") return { text: `${id} gets no new requests`, ...told };
  if (status === "ejected" && outlier.since !== null) {
    return { text: `${id} ejected`, age: formatAgo(now - outlier.since), ...told };
  }
  const text = `${id} ${statusText[status] ?? status}`;
  return { text, age: `for ${formatSpan(now - statusSince)}`, ...told };
}

const statusText: Readonly<Record<string, string | undefined>> = {
  probation: "on probation",
  maintenance: "in maintenance",
};

/** Whether its requests speak against it gets none, or one on trial. */
export function isEjected({ status }: Pick<UpstreamSnapshot, "status">): boolean {
  return status === "ejected" || status === "probation";
}

/**
 * Why an upstream is what it is, in the words of the log: what the probe saw, how the attempt failed that took it out,
 * who took it out. Empty where there is nothing to say.
 */
export function statusReasonOf(upstream: UpstreamSnapshot): string {
  const { status, mode, modeSet, weight, inFlight, tunnels, maxInFlight, fit, lastProbe, outlier } = upstream;
  if (mode !== "ready") {
    if (!modeSet) return "as configured";
    return modeSet.why === "" ? `by ${modeSet.by}` : `by ${modeSet.by}, ${modeSet.why}`;
  }
  if (isEjected(upstream)) return outlier.cause ?? outlier.reason ?? "";
  if (status === "failing") return lastProbe?.detail ?? "";
  if (fit || status !== "passing") return "";
  if (weight === 0) return "its weight is 0";
  return inFlight - tunnels >= maxInFlight ? `all ${formatCount(maxInFlight)} places are taken` : "";
}

/** How many of its places are taken, and what is under way besides: "of 256", "of 256, and 12 tunnels". */
export function capacityNote({ tunnels, maxInFlight }: UpstreamSnapshot): string {
  const tunnelled =
    tunnels === 0 ? "" : `, and ${formatCount(tunnels)} ${tunnels === 1 ? "tunnel" : "tunnels"}`;
  return `of ${formatCount(maxInFlight)}${tunnelled}`;
}

/** From here on an operator should look; from half on no retry can hide it. */
const [manyErrors, maxErrors] = [0.05, 0.5];

export type ErrorWeight = "none" | "many" | "most";

/** How much of a pool's traffic fails. A handful of requests says nothing. */
export function errorWeightOf({ traffic }: PoolSnapshot): ErrorWeight {
  const { errorShare, requestsPerSecond } = traffic;
  if (requestsPerSecond < 1 || errorShare < manyErrors) return "none";
  return errorShare < maxErrors ? "many" : "most";
}

/** Whether most of a pool's errors are requests that nobody was asked for: no upstream is to blame for those. */
function rejectsTraffic(pool: PoolSnapshot): boolean {
  return pool.turnedAwayPerSecond > errorsPerSecond(pool) / 2;
}

/** Each kind of error among those that it was counted with: all of the pool's requests, or attempts on its upstreams. */
function errorSharesOf(pool: PoolSnapshot) {
  // An older balancer counts attempts alone.
  const { traffic, turnedAwayPerSecond: away = 0 } = pool;
  const attempts = traffic.requestsPerSecond - away;
  return {
    turnedAway: away > 0 ? away / traffic.requestsPerSecond : 0,
    failing: attempts > 0 ? Math.max(0, errorsPerSecond(pool) - away) / attempts : 0,
  };
}

/** "many attempts fail", "most requests are turned away": of the kind of error that there is more of. */
export function errorRateNote(pools: readonly PoolSnapshot[]): string {
  const isAway = pools.every(rejectsTraffic);
  const isMost = pools.some((pool) => errorSharesOf(pool)[isAway ? "turnedAway" : "failing"] >= maxErrors);
  return `${isMost ? "most" : "many"} ${isAway ? "requests are turned away" : "attempts fail"}`;
}

function errorsPerSecond({ traffic }: Pick<UpstreamSnapshot, "traffic">): number {
  return traffic.requestsPerSecond * traffic.errorShare;
}

/**
 * The greater kind of error first; the other one where it is many, too. Attempts, because some of the requests were answered by
 * another upstream.
 */
export function errorReasons(pool: PoolSnapshot): readonly Reason[] {
  const { name, turnedAwayPerSecond } = pool;
  const { turnedAway, failing } = errorSharesOf(pool);
  const culprits = culpritsIn(pool);
  const where = culprits.length > 0 ? `, nearly all on ${joinList(culprits)}` : "";
  const away = {
    text: `requests turned away in pool ${name}:`,
    age: `${formatRate(turnedAwayPerSecond)}/s`,
  };
  const failed = { text: `attempts failing in pool ${name}${where}:`, age: formatShare(failing) };
  if (rejectsTraffic(pool)) return failing >= manyErrors ? [away, failed] : [away];
  return turnedAway >= manyErrors ? [failed, away] : [failed];
}

/** From this share of all errors on, those that have them are where to look. */
const nearlyAll = 0.9;
const maxCulprits = 2;

/** The few upstreams that nearly all of a pool's errors come from; none where it is no matter of a few. */
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

/** In one line, where nothing is read aloud. */
export function reasonSentence({ text, age, why }: Reason): string {
  return `${text}${age === undefined ? "" : ` ${age}`}${why === undefined ? "" : `: ${why}`}`;
}
