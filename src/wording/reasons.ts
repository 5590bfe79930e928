/** The reasons behind the overall status: a sentence for each upstream that does not serve, the most urgent first. */

import type { Status } from "../pool/upstream.ts";
import type { UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { joinList } from "../lib/list-text.ts";
import { countWithNoun, formatAgo, formatCount, formatSpan } from "./format.ts";

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
export function capacityNote({
  tunnels,
  streams,
  maxInFlight,
}: Pick<UpstreamSnapshot, "tunnels" | "streams" | "maxInFlight">): string {
  const limit = maxInFlight === null ? "no limit" : `of ${formatCount(maxInFlight)}`;
  const others = [
    ...(tunnels === 0 ? [] : [countWithNoun(tunnels, "tunnel")]),
    ...(streams === 0 ? [] : [countWithNoun(streams, "stream")]),
  ];
  return others.length === 0 ? limit : `${limit}, plus ${joinList(others)}`;
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

/** A reason as one line, for output without a screen reader. */
export function reasonSentence({ text, age, why }: Reason): string {
  return `${text}${age === undefined ? "" : ` ${age}`}${why === undefined ? "" : `: ${why}`}`;
}
