/** The state of everything in one sentence: what an operator should know before reading a single number. */

import type { Status } from "../pool/upstream.ts";
import type { Snapshot, UpstreamSnapshot } from "../snapshot.ts";
import { formatAgo, formatTime, joinWords } from "./format.ts";
import { balancerNow, type Picture } from "./picture.ts";

/** `good`: nothing to do. `warn`: it serves, with less than it could. `bad`: clients notice. */
export type Tone = "good" | "warn" | "bad";

export interface Reason {
  readonly text: string;
  /** How old it is; apart, because it changes every second and must not be read aloud each time. */
  readonly age?: string;
}

export interface Verdict {
  readonly tone: Tone;
  readonly headline: string;
  readonly reasons: readonly Reason[];
}

/** How much an error share should draw the eye. */
export type Concern = "none" | "slight" | "grave";

/** @param errorShare 0–1; one request in a hundred is what clients begin to notice */
export function concernOf(errorShare: number): Concern {
  if (errorShare <= 0) return "none";
  return errorShare < 0.01 ? "slight" : "grave";
}

/** More than this many reasons are counted instead of told. */
const reasonsTold = 3;

export function verdictOf(picture: Picture): Verdict {
  const { snapshot, outage, adminUrl, at, readAt } = picture;
  if (outage) {
    const known = snapshot
      ? { text: "below is the last known picture", age: formatAgo(at - readAt) }
      : { text: "this page keeps trying" };
    const since = {
      text: `${outage.message} at ${originOf(adminUrl)} since ${formatTime(outage.since)}`,
      age: formatAgo(at - outage.since),
    };
    return { tone: "bad", headline: outageWords[outage.reason], reasons: [since, known] };
  }
  if (!snapshot) return { tone: "warn", headline: "Nothing is known yet", reasons: [] };
  return withFrontDoor(serviceOf(snapshot, balancerNow(picture)), picture);
}

const outageWords = {
  unreachable: "The balancer cannot be reached",
  unauthorized: "The balancer does not let this dashboard in",
  refused: "The balancer does not say how it is",
  missing: "The balancer is not understood",
  not_understood: "The balancer is not understood",
} as const;

/** A URL without what may be secret in it: name, password, query. */
export function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}

function withFrontDoor(verdict: Verdict, { frontDoor }: Picture): Verdict {
  if (frontDoor.reachable || verdict.tone === "bad") return verdict;
  const door = { text: `${originOf(frontDoor.url)}: ${frontDoor.detail}` };
  const says = frontDoor.status === null ? "is unreachable" : "answers with an error";
  return {
    tone: "bad",
    headline: `${verdict.headline}, but the front door ${says}`,
    reasons: [door, ...verdict.reasons],
  };
}

function serviceOf(snapshot: Snapshot, now: number): Verdict {
  const upstreams = snapshot.pools.flatMap((pool) => pool.upstreams);
  const standby = upstreams.filter(standsBy);
  const expected = upstreams.filter((upstream) => !standsBy(upstream));
  const serving = expected.filter((upstream) => upstream.fit).length;
  const out = expected.filter((upstream) => !upstream.fit).toSorted(byUrgency);
  const reasons = tell(out, now);
  if (standby.length > 0) reasons.push({ text: `${countOf(standby.length, "backup")} standing by` });

  const passing = phaseWords[snapshot.phase];
  if (passing !== undefined) return { tone: "bad", headline: passing, reasons };
  const empty = snapshot.pools.filter((pool) => !pool.upstreams.some((upstream) => upstream.fit));
  if (empty.length > 0) return { tone: "bad", headline: emptyWords(snapshot, empty), reasons };
  const tone = out.length > 0 ? "warn" : "good";
  return { tone, headline: servingWords(serving, expected.length), reasons };
}

const phaseWords: Readonly<Record<string, string | undefined>> = {
  starting: "The balancer is starting",
  draining: "The balancer is draining: it takes no new requests",
  stopped: "The balancer has stopped",
};

function servingWords(serving: number, total: number): string {
  if (serving < total)
    return `${serving} of ${countOf(total, "upstream")} ${serving === 1 ? "serves" : "serve"}`;
  return total === 1 ? "The only upstream serves" : `All ${total} upstreams serve`;
}

function emptyWords(snapshot: Snapshot, empty: Snapshot["pools"]): string {
  if (empty.length === snapshot.pools.length) return "No upstream serves";
  return `Nothing serves in ${empty.length === 1 ? "pool" : "pools"} ${joinWords(empty.map((pool) => pool.name))}`;
}

/** A backup that is well and waits for the primaries to fail is where it should be. */
export function standsBy(upstream: UpstreamSnapshot): boolean {
  return upstream.backup && !upstream.fit && upstream.status === "passing";
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

function byUrgency(left: UpstreamSnapshot, right: UpstreamSnapshot): number {
  return urgency.indexOf(left.status) - urgency.indexOf(right.status);
}

function tell(out: readonly UpstreamSnapshot[], now: number): Reason[] {
  const told = out.slice(0, reasonsTold).map((upstream) => reasonOf(upstream, now));
  return out.length > reasonsTold ? [...told, { text: `and ${out.length - reasonsTold} more` }] : told;
}

const modeWords: Readonly<Record<string, string | undefined>> = { maintenance: "in maintenance" };

const outlierWords = { ejected: "ejected", probation: "on probation" } as const;

/** What the verdict went by, and the failure that has been counted most since the start. */
function outlierReason({ outlier, errorsByReason }: UpstreamSnapshot): string {
  const [most] = Object.entries(errorsByReason).toSorted(([, left], [, right]) => right - left);
  const errors = most && most[1] > 0 ? `errors mostly ${most[0]}` : undefined;
  const words = [outlier.reason, errors].filter((each) => each);
  return words.length > 0 ? `: ${words.join(", ")}` : "";
}

function reasonOf(upstream: UpstreamSnapshot, now: number): Reason {
  const { id, status, mode, modeSet, lastProbe, outlier } = upstream;
  if (mode !== "ready") {
    const words = `${id} ${modeWords[mode] ?? mode}`;
    if (!modeSet) return { text: `${words}, as configured` };
    return { text: `${words}, set by ${modeSet.by}`, age: formatAgo(now - modeSet.at) };
  }
  if (status === "passing") return { text: `${id} gets no new requests` };
  if (status === "ejected" || status === "probation") {
    const text = `${id} ${outlierWords[status]}${outlierReason(upstream)}`;
    return outlier.since === null ? { text } : { text, age: formatAgo(now - outlier.since) };
  }
  if (!lastProbe) return { text: `${id} ${status}` };
  return { text: `${id} ${status}: ${lastProbe.detail}`, age: formatAgo(now - lastProbe.at) };
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
