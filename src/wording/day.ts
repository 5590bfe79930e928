/** What a day of traffic proves while all is well: sentences and numbers for people. */

import type { Columns } from "../history/point.ts";
import { maxPeakMultiple, maxSlotShare } from "../problems/advice.ts";
import type { PoolSnapshot, Snapshot } from "../snapshot/snapshot.ts";
import { formatCount, formatMs, formatShare, formatSpan, nothing, inPercent } from "./format.ts";

/** The last 24 hours of all pools, as they were when they were read. Times are epoch milliseconds. */
export interface DayHistory {
  readonly from: number;
  readonly to: number;
  readonly columns: Columns;
  /** In this time; attempts, as everywhere. */
  readonly requests: number;
  readonly errors: number;
  /** How much of it was measured, milliseconds. */
  readonly measuredMs: number;
  /** The last problem that has ended; undefined if none is known. */
  readonly lastProblem: EndedProblem | undefined;
}

export interface EndedProblem {
  readonly title: string;
  /** Epoch milliseconds. */
  readonly since: number;
  readonly closedAt: number;
}

/** One piece of evidence: its name, its value and a note. */
export interface Proof {
  readonly name: string;
  readonly value: string;
  readonly note: string;
}

const notKnown = "Not known yet";

const hourMs = 3_600_000;

/** How many requests of the last day ended without an error. */
export function answeredProof(day: DayHistory | undefined): Proof {
  const name = "Answered";
  if (!day || day.requests === 0) return { name, value: notKnown, note: "no requests in the last 24 hours" };
  const { requests, errors, measuredMs } = day;
  const span = measuredMs > 23 * hourMs ? "24 hours" : formatSpan(measuredMs);
  return {
    name,
    value: answeredShare(requests, errors),
    note: `of ${formatCount(requests)} requests, last ${span}`,
  };
}

/** "99.998 %": as many digits as the errors need, and never 100 % while there is one. */
export function answeredShare(requests: number, errors: number): string {
  if (errors <= 0) return inPercent("100");
  const missing = Math.min(1, errors / requests) * 100;
  const digits = Math.min(4, Math.max(1, Math.ceil(-Math.log10(missing))));
  const scale = 10 ** digits;
  // Rounded down, but not for the sake of the last bit.
  return inPercent((Math.floor((100 - missing) * scale + 1e-6) / scale).toFixed(digits));
}

/** A difference that is smaller than this part of what is usual, or than so many milliseconds, is none. */
const [sameShare, sameMs] = [0.25, 20];

/** The percentile of now beside what it usually is. @param p95Ms of the slowest pool, null without requests */
export function speedProof(p95Ms: number | null, pools: readonly PoolSnapshot[]): Proof {
  const name = "Speed";
  if (p95Ms === null) return { name, value: notKnown, note: "no requests in the last minute" };
  const usual = pools.map((pool) => pool.usual?.p95Ms ?? null);
  const known = usual.filter((value) => value !== null);
  const note = pools.length > 1 ? "last minute, of the slowest pool" : "last minute";
  return {
    name,
    value: `p95 ${formatMs(p95Ms)}`,
    note: known.length > 0 && known.length === usual.length ? usualNote(p95Ms, Math.max(...known)) : note,
  };
}

function usualNote(now: number, usual: number): string {
  const isSame = Math.abs(now - usual) <= Math.max(usual * sameShare, sameMs);
  return isSame ? "as usual at this hour" : `usually ${formatMs(usual)} at this hour`;
}

/** How near the fullest pool is to the busiest minute of its week, and how many servers the pools can do without. */
export function roomProof(pools: readonly PoolSnapshot[]): Proof {
  const name = "Room";
  const parts = pools.flatMap((pool) => {
    const peak = pool.usual?.peakRequestsPerSecond ?? 0;
    return peak > 0 ? [{ pool, share: pool.traffic.requestsPerSecond / peak }] : [];
  });
  const fullest = parts.toSorted((one, other) => other.share - one.share)[0];
  if (!fullest || parts.length < pools.length)
    return { name, value: notKnown, note: "known after some days of traffic" };
  const spare = Math.min(...pools.map((pool) => spareServers(pool)));
  const all = pools.length > 1 ? "each pool" : "the pool";
  const servers = spare === 0 ? "no server" : `${formatCount(spare)} ${spare === 1 ? "server" : "servers"}`;
  const whose = pools.length > 1 ? `pool ${fullest.pool.name}; ` : "";
  return {
    name,
    value: fullest.share >= 1 ? "At this week’s peak" : `${formatShare(fullest.share)} of this week’s peak`,
    note: `${whose}${all} can lose ${servers} at this traffic`,
  };
}

/**
 * Upstreams that may go while the others stay below what a safe drain may make them carry: the rule of the advice
 * about problems. The ones with most slots go first.
 */
export function spareServers({ upstreams, traffic, usual }: PoolSnapshot): number {
  const serving = upstreams.filter(({ fit, weight }) => fit && weight > 0);
  const slots = serving.map(({ maxInFlight }) => maxInFlight ?? Infinity).sort((one, other) => one - other);
  const inFlight = upstreams.reduce((sum, each) => sum + each.inFlight, 0);
  const usualMost = (usual?.peakRequestsPerSecond ?? 0) / Math.max(1, serving.length);
  let spare = 0;
  for (let left = serving.length - 1; left > 0; left--) {
    const places = slots.slice(0, left).reduce((sum, each) => sum + each, 0);
    const isFull = inFlight > maxSlotShare * places;
    if (isFull || traffic.requestsPerSecond / left > maxPeakMultiple * usualMost) break;
    spare += 1;
  }
  return spare;
}

const dayMs = 24 * hourMs;

/** The next end of a certificate that the balancer does not renew by itself. */
export function comingUpProof({
  at,
  certificates = [],
  orders = [],
}: Pick<Snapshot, "at" | "certificates" | "orders">): Proof {
  const name = "Coming up";
  const renewed = new Set(orders.map(({ host }) => host));
  const [next] = certificates
    .filter(({ names, expiresAt }) => expiresAt > at && !names.some((each) => renewed.has(each)))
    .toSorted((one, other) => one.expiresAt - other.expiresAt);
  if (!next) return { name, value: "Nothing", note: "no certificate ends, no notice is due" };
  const days = Math.floor((next.expiresAt - at) / dayMs);
  return {
    name,
    value: `Nothing for ${formatCount(days)} ${days === 1 ? "day" : "days"}`,
    note: `then the certificate for ${next.names[0] ?? next.source} ends`,
  };
}

const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "long", timeZone: "UTC" });
const shortDate = new Intl.DateTimeFormat("en-GB", {
  ...{ weekday: "short", day: "numeric", month: "short" },
  timeZone: "UTC",
});

/** "No problem since yesterday, 03:21 UTC." @param startedAt of the process, which knows of none before */
export function quietSince(
  { lastProblem }: Pick<DayHistory, "lastProblem">,
  { at, startedAt }: Pick<Snapshot, "at" | "startedAt">,
): string {
  return lastProblem
    ? `No problem since ${dayText(lastProblem.closedAt, at)}.`
    : `No problem since the start, ${formatSpan(at - startedAt)} ago.`;
}

/** "03:21 UTC", "yesterday, 03:21 UTC", "Friday, 03:21 UTC", "Fri 20 Nov, 03:21 UTC" */
function dayText(at: number, now: number): string {
  const time = `${new Date(at).toISOString().slice(11, 16)}\u00a0UTC`;
  const days = Math.floor(now / dayMs) - Math.floor(at / dayMs);
  if (days <= 0) return time;
  return `${days === 1 ? "yesterday" : days < 7 ? weekday.format(at) : shortDate.format(at)}, ${time}`;
}

/** "Sat 28 Nov, 03:12 UTC, 9 min: 8 of 12 checkout servers cut connections" */
export function lastProblemText({ title, since, closedAt }: EndedProblem): string {
  const time = `${new Date(since).toISOString().slice(11, 16)}\u00a0UTC`;
  return `${shortDate.format(since)}, ${time}, ${formatSpan(closedAt - since)}: ${title}`;
}

/** The rate beside the boat. */
export function nowText(rate: string | undefined): string {
  return rate === undefined ? nothing : `${rate}/s`;
}
