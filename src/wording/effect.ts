/** What will happen, in sentences, before it does: who gets nothing new, what finishes, who takes over, and how full they get. */

import type { PoolSnapshot, Snapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { formatCount, formatShare, formatSpan, joinList } from "./format.ts";
import { isEjected } from "./reasons.ts";

/** `cut` ends by force what a drain has left. */
export const actions = ["ready", "drain", "maintenance", "weight", "remove", "cut"] as const;
export type Action = (typeof actions)[number];

export interface ActionRequest {
  readonly action: Action;
  /** Ids, each once. */
  readonly ids: readonly string[];
  /** 0–256; null for the configured weight; undefined if the form has none or an invalid one. */
  readonly weight: number | null | undefined;
  /** By when the upstream should be drained, milliseconds; 0 for no deadline. */
  readonly deadlineMs: number;
}

export interface Effect {
  readonly lines: readonly string[];
  /** What has to be confirmed: afterwards a pool has nobody that is known to be well. */
  readonly dangers: readonly string[];
  /** Ids that no upstream has. */
  readonly unknown: readonly string[];
}

export function effectOf(snapshot: Snapshot, request: ActionRequest): Effect {
  const touched = snapshot.pools.flatMap((pool) => {
    const members = pool.upstreams.filter(({ id }) => request.ids.includes(id));
    return members.length > 0 ? [{ pool, members }] : [];
  });
  const known = new Set(touched.flatMap(({ members }) => members.map(({ id }) => id)));
  const effects = touched.map(({ pool, members }) => {
    const [before, after] = [forecast(pool, new Map()), forecast(pool, upstreamChanges(members, request))];
    const isMoved = JSON.stringify(before.shares) !== JSON.stringify(after.shares);
    return {
      lines: [...ownLines(pool, members, request), ...(isMoved ? shareLines(pool, after, members) : [])],
      dangers: dangerLines(pool, before, after),
    };
  });
  return {
    lines: effects.flatMap(({ lines }) => lines),
    dangers: effects.flatMap(({ dangers }) => dangers),
    unknown: request.ids.filter((id) => !known.has(id)),
  };
}

/** What a form begins with, so that whoever sends it off as it is changes nothing; null where they differ. */
export function presentWeight(snapshot: Snapshot, ids: readonly string[]): number | null {
  const members = snapshot.pools.flatMap(({ upstreams }) => upstreams.filter(({ id }) => ids.includes(id)));
  const [weight = null, ...others] = new Set(members.map((member) => member.weight));
  return others.length === 0 ? weight : null;
}

function upstreamChanges(
  members: readonly UpstreamSnapshot[],
  { action, weight }: ActionRequest,
): ReadonlyMap<string, UpstreamChange> {
  return new Map(
    members.map(({ id }): [string, UpstreamChange] => {
      if (action === "ready") return [id, { isBack: true }];
      if (action === "weight") return [id, typeof weight === "number" ? { weight } : {}];
      return [id, { isOut: true }];
    }),
  );
}

/** "api-1", "api-1 and api-2", "these 7" */
function namesOf(members: readonly { readonly id: string }[]): string {
  return members.length > 3 ? `these ${members.length}` : joinList(members.map(({ id }) => id));
}

function ownLines(
  pool: PoolSnapshot,
  members: readonly UpstreamSnapshot[],
  request: ActionRequest,
): readonly string[] {
  const names = namesOf(members);
  const one = members.length === 1;
  const underWay = members.reduce((sum, { inFlight }) => sum + inFlight, 0);
  const finishing =
    underWay === 0
      ? "nothing is under way there"
      : `${underWay === 1 ? "the request" : `the ${formatCount(underWay)} requests`} under way ${underWay === 1 ? "finishes" : "finish"}`;
  switch (request.action) {
    case "ready":
      return readyLines(members);
    case "drain": {
      const limit =
        request.deadlineMs > 0 && underWay > 0
          ? `What is left after ${formatSpan(request.deadlineMs)} goes on until you cut it.`
          : "";
      return [`${names} ${one ? "gets" : "get"} nothing new; ${finishing}.`, ...(limit ? [limit] : [])];
    }
    case "maintenance":
      return [
        `${names} ${one ? "gets" : "get"} nothing new until somebody says otherwise, also after a restart; ${finishing}.`,
      ];
    case "weight":
      return weightLines(members, request.weight);
    case "remove": {
      const isAdded = members.every(({ added }) => added !== null);
      const after = isAdded
        ? "It is not in the configuration: to have it back, add it again."
        : "The configuration still has it; it stays away until it is added again, also after a restart.";
      return [
        `${names} gets nothing new; ${finishing}, then it leaves pool ${pool.name}, after 30 s at the latest.`,
        after,
      ];
    }
    case "cut":
      return underWay === 0
        ? ["Nothing is under way there any more: there is nothing to cut."]
        : [
            `${underWay === 1 ? "The request" : `The ${formatCount(underWay)} requests`} still under way on ${names} ${underWay === 1 ? "is" : "are"} cut: the clients see a broken connection or an error.`,
          ];
  }
}

function readyLines(members: readonly UpstreamSnapshot[]): readonly string[] {
  const ejected = members.filter(isEjected);
  const idle = members.filter((member) => member.mode === "ready" && !isEjected(member));
  const back = members.filter(({ mode }) => mode !== "ready");
  const sick = back.filter(({ lastProbe }) => lastProbe?.success === false);
  return [
    ...(back.length > 0
      ? [`${namesOf(back)} ${back.length === 1 ? "gets" : "get"} new requests as soon as the checks pass.`]
      : []),
    ...sick
      .slice(0, 3)
      .map(({ id, lastProbe }) => `${id} does not pass now: ${lastProbe?.detail ?? "not probed yet"}.`),
    ...(ejected.length > 0
      ? [
          `${namesOf(ejected)} ${ejected.length === 1 ? "gets" : "get"} requests again at once, with a share that grows; if they fail, it is out again, and for longer.`,
        ]
      : []),
    ...(idle.length > 0 ? [`${namesOf(idle)} ${idle.length === 1 ? "is" : "are"} ready already.`] : []),
  ];
}

function weightLines(
  members: readonly UpstreamSnapshot[],
  weight: number | null | undefined,
): readonly string[] {
  const present = [...new Set(members.map((member) => String(member.weight)))];
  const from = present.length > 3 ? "different values" : joinList(present);
  if (weight === undefined) return [`The weight now: ${from}.`];
  if (weight === null)
    return [`${namesOf(members)} ${members.length === 1 ? "goes" : "go"} back to the configured weight.`];
  const what = `The weight of ${namesOf(members)} goes from ${from} to ${weight}`;
  return [weight === 0 ? `${what}: nothing new is sent there.` : `${what}.`];
}

function shareLines(
  pool: PoolSnapshot,
  { rank, shares }: Forecast,
  acted: readonly UpstreamSnapshot[],
): readonly string[] {
  const taking = shares.filter(({ share }) => share > 0);
  if (taking.length === 0) return [];
  const stepIn = rank === "backups" ? "The backups step in. " : "";
  return [`${stepIn}${shareChange(taking, acted)}${loadOf(pool, taking)}`];
}

/** "api-1 and api-3 then take 50% each" */
function shareChange(taking: readonly Share[], acted: readonly UpstreamSnapshot[]): string {
  if (taking.length === 1) return `${taking[0]?.id ?? ""} takes everything`;
  const parts = taking.map(({ share }) => formatShare(share));
  const isAmong = acted.some(({ id }) => taking.some((share) => share.id === id));
  const all =
    taking.length <= 3
      ? joinList(taking.map(({ id }) => id))
      : `${isAmong ? "all" : "the other"} ${taking.length}`;
  if (new Set(parts).size === 1) return `Then ${all} take ${parts[0] ?? ""} each`;
  if (taking.length <= 3) {
    return `Then ${joinList(taking.map(({ id }, index) => `${id} takes ${parts[index] ?? ""}`))}`;
  }
  const sorted = taking.map(({ share }) => share).toSorted((left, right) => left - right);
  return `Then ${all} take between ${formatShare(sorted[0] ?? 0)} and ${formatShare(sorted.at(-1) ?? 0)} each`;
}

/** What is under way now, spread anew over those who take it. */
function loadOf(pool: PoolSnapshot, taking: readonly Share[]): string {
  const whole = pool.upstreams.reduce((sum, { inFlight }) => sum + inFlight, 0);
  const fullest = Math.max(...taking.map(({ share, maxInFlight }) => (share * whole) / maxInFlight || 0));
  if (fullest > 1) return ": more than they may have in flight, so requests will wait in the queue.";
  return fullest < 0.1 ? "." : `: at most ${formatShare(fullest)} of what may be in flight there.`;
}

function dangerLines({ name }: PoolSnapshot, before: Forecast, after: Forecast): readonly string[] {
  if (after.rank === before.rank || after.rank === "primaries" || after.rank === "backups") return [];
  if (after.rank === "nobody") return [`Nothing serves in pool ${name} then: clients get 503.`];
  return [`Pool ${name} is left with upstreams that are ejected or not checked yet.`];
}

// Who would serve a pool after something was done to it, and how its traffic would lie: a forecast by weights alone.

/** What becomes of one upstream. */
export interface UpstreamChange {
  /** Gets nothing new, or is gone. */
  readonly isOut?: boolean;
  /** Is asked to serve; whether it does is for its checks to say. */
  readonly isBack?: boolean;
  /** Instead of its weight. */
  readonly weight?: number;
}

export interface Share {
  readonly id: string;
  /** Of the pool's traffic, 0–1. */
  readonly share: number;
  readonly maxInFlight: number;
}

/** `primaries`: as usual. `backups`: nothing else is fit. `doubtful`: only such as failed requests or were not checked. */
export type ForecastTier = "primaries" | "backups" | "doubtful" | "nobody";

export interface Forecast {
  readonly rank: ForecastTier;
  /** Of all who get something, in the order of the pool. */
  readonly shares: readonly Share[];
}

const doubtful: ReadonlySet<string> = new Set(["ejected", "probation", "checking"]);

export function forecast(pool: PoolSnapshot, changes: ReadonlyMap<string, UpstreamChange>): Forecast {
  const form = pool.upstreams.filter((upstream) => isAsked(upstream, changes.get(upstream.id)));
  const well = form.filter((upstream) => isWell(upstream, changes.get(upstream.id)));
  const ranks: readonly (readonly [ForecastTier, readonly UpstreamSnapshot[]])[] = [
    ["primaries", well.filter(({ backup }) => !backup)],
    ["backups", well.filter(({ backup }) => backup)],
    ["doubtful", form.filter(({ status }) => doubtful.has(status))],
  ];
  const [rank, serving] = ranks.find(([, members]) => members.length > 0) ?? (["nobody", []] as const);
  const weights = serving.map((upstream) => weightOf(upstream, changes.get(upstream.id)));
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  // The first that is fit takes everything, whatever it weighs.
  const shareAt = (index: number) =>
    pool.policy === "first" ? (index === 0 ? 1 : 0) : (weights[index] ?? 0) / whole;
  return {
    rank,
    shares: serving.map(({ id, maxInFlight }, index) => ({ id, maxInFlight, share: shareAt(index) })),
  };
}

function isAsked(upstream: UpstreamSnapshot, change: UpstreamChange | undefined): boolean {
  if (change?.isOut || upstream.drain?.leaving) return false;
  const isReady = upstream.mode === "ready" || change?.isBack === true;
  return isReady && weightOf(upstream, change) > 0;
}

/** Of one that is out by the operator's will, or whose ejection ends so, only its last check tells. */
function isWell(upstream: UpstreamSnapshot, change: UpstreamChange | undefined): boolean {
  const { status, mode, lastProbe } = upstream;
  if (change?.isBack && (mode !== "ready" || isEjected(upstream))) return lastProbe?.success !== false;
  return status === "passing";
}

function weightOf({ weight, effectiveWeight }: UpstreamSnapshot, change: UpstreamChange | undefined): number {
  if (change?.weight === undefined) return change?.isBack ? weight : weight > 0 ? effectiveWeight : 0;
  // During a slow start it serves with the same part of the new weight.
  return weight > 0 ? change.weight * Math.min(1, effectiveWeight / weight || 1) : change.weight;
}
