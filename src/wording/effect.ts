/** Forecasts an operator action in sentences: what stops, what finishes, which upstreams take over and their load. */

import type { PoolSnapshot, Snapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { joinList } from "../lib/list-text.ts";
import { fleetEffect } from "./fleet.ts";
import { formatCount, formatShare, formatSpan } from "./format.ts";
import { isEjected } from "./reasons.ts";

/** `cut` aborts the requests that a drain has left. */
export const actions = ["ready", "drain", "maintenance", "weight", "remove", "cut"] as const;
export type Action = (typeof actions)[number];

export interface ActionRequest {
  readonly action: Action;
  /** Ids, each once. */
  readonly ids: readonly string[];
  /** 0–256; null for the configured weight; undefined if the form has none or an invalid one. */
  readonly weight: number | null | undefined;
  /** Time until the upstream should be drained, milliseconds; 0 for no deadline. */
  readonly deadlineMs: number;
}

export interface Effect {
  readonly lines: readonly string[];
  /** What the operator has to confirm: a pool would be left without an upstream that is known to be healthy. */
  readonly dangers: readonly string[];
  /** Ids without an upstream. */
  readonly unknown: readonly string[];
}

export function effectOf(snapshot: Snapshot, request: ActionRequest): Effect {
  const affected = snapshot.pools.flatMap((pool) => {
    const selected = pool.upstreams.filter(({ id }) => request.ids.includes(id));
    return selected.length > 0 ? [{ pool, selected }] : [];
  });
  const known = new Set(affected.flatMap(({ selected }) => selected.map(({ id }) => id)));
  const effects = affected.map(({ pool, selected }) => {
    const [before, after] = [forecast(pool, new Map()), forecast(pool, upstreamChanges(selected, request))];
    const isMoved = JSON.stringify(before.shares) !== JSON.stringify(after.shares);
    return {
      lines: [...actionLines(pool, selected, request), ...(isMoved ? shareLines(pool, after, selected) : [])],
      dangers: dangerLines(pool, before, after),
    };
  });
  return {
    lines: [
      ...effects.flatMap(({ lines }) => lines),
      ...(snapshot.fleet && affected.length > 0 ? fleetEffect(snapshot.fleet, request.action === "cut") : []),
    ],
    dangers: effects.flatMap(({ dangers }) => dangers),
    unknown: request.ids.filter((id) => !known.has(id)),
  };
}

/** The initial value of a weight form, so that an unchanged form changes nothing; null where the weights differ. */
export function presentWeight(snapshot: Snapshot, ids: readonly string[]): number | null {
  const selected = snapshot.pools.flatMap(({ upstreams }) => upstreams.filter(({ id }) => ids.includes(id)));
  const [weight = null, ...others] = new Set(selected.map((upstream) => upstream.weight));
  return others.length === 0 ? weight : null;
}

function upstreamChanges(
  selected: readonly UpstreamSnapshot[],
  { action, weight }: ActionRequest,
): ReadonlyMap<string, UpstreamChange> {
  return new Map(
    selected.map(({ id }): [string, UpstreamChange] => {
      if (action === "ready") return [id, { isBack: true }];
      if (action === "weight") return [id, typeof weight === "number" ? { weight } : {}];
      return [id, { isOut: true }];
    }),
  );
}

/** "api-1", "api-1 and api-2", "7 upstreams" */
function namesOf(selected: readonly { readonly id: string }[]): string {
  return selected.length > 3 ? `${selected.length} upstreams` : joinList(selected.map(({ id }) => id));
}

/** The verb that agrees with the upstreams: "takes" for one, "take" for several. */
function verbFor(selected: readonly unknown[], one: string, several: string): string {
  return selected.length === 1 ? one : several;
}

function actionLines(
  pool: PoolSnapshot,
  selected: readonly UpstreamSnapshot[],
  request: ActionRequest,
): readonly string[] {
  const names = namesOf(selected);
  const takes = verbFor(selected, "takes", "take");
  const inFlightCount = selected.reduce((sum, { inFlight }) => sum + inFlight, 0);
  const requests = `${formatCount(inFlightCount)} in-flight ${inFlightCount === 1 ? "request" : "requests"}`;
  const finishing = inFlightCount === 0 ? "none are in flight" : `${requests} will finish`;
  switch (request.action) {
    case "ready":
      return readyLines(selected);
    case "drain": {
      const hasDeadline = request.deadlineMs > 0 && inFlightCount > 0;
      const limit = `Requests left after ${formatSpan(request.deadlineMs)} continue until you abort them.`;
      return [`${names} ${takes} no new requests; ${finishing}.`, ...(hasDeadline ? [limit] : [])];
    }
    case "maintenance":
      return [
        `${names} ${takes} no new requests until you change ${verbFor(selected, "its", "their")} mode, even after a restart; ${finishing}.`,
      ];
    case "weight":
      return weightLines(selected, request.weight);
    case "remove": {
      const isAdded = selected.every(({ added }) => added !== null);
      const after = isAdded
        ? "It is not in the configuration: to restore it, add it again."
        : "It is still in the configuration, but stays removed until you add it again, even after a restart.";
      return [
        `${names} ${takes} no new requests; ${finishing}.`,
        `It is removed from pool ${pool.name} when idle, after 30 s at the latest.`,
        after,
      ];
    }
    case "cut":
      return inFlightCount === 0
        ? ["No requests are in flight: nothing to abort."]
        : [`${requests} on ${names} will be aborted: clients see a broken connection or an error.`];
  }
}

function readyLines(selected: readonly UpstreamSnapshot[]): readonly string[] {
  const ejected = selected.filter(isEjected);
  const unchanged = selected.filter((upstream) => upstream.mode === "ready" && !isEjected(upstream));
  const back = selected.filter(({ mode }) => mode !== "ready");
  const failing = back.filter(({ lastProbe }) => lastProbe?.success === false);
  return [
    ...(back.length > 0
      ? [`${namesOf(back)} ${verbFor(back, "takes", "take")} new requests as soon as the probes pass.`]
      : []),
    ...failing
      .slice(0, 3)
      .map(({ id, lastProbe }) => `The last probe of ${id} failed: ${lastProbe?.detail ?? ""}.`),
    ...(ejected.length > 0
      ? [
          `${namesOf(ejected)} ${verbFor(ejected, "takes", "take")} requests again at once, with a growing share.`,
          `If requests fail, ${verbFor(ejected, "it is", "they are")} ejected again, for longer.`,
        ]
      : []),
    ...(unchanged.length > 0
      ? [`${namesOf(unchanged)} ${verbFor(unchanged, "is", "are")} already ready.`]
      : []),
  ];
}

function weightLines(
  selected: readonly UpstreamSnapshot[],
  weight: number | null | undefined,
): readonly string[] {
  const current = [...new Set(selected.map((upstream) => String(upstream.weight)))];
  const from = current.length > 3 ? "different values" : joinList(current);
  if (weight === undefined) return [`Current weight: ${from}.`];
  const names = namesOf(selected);
  if (weight === null)
    return [`${names} ${verbFor(selected, "returns", "return")} to the configured weight.`];
  const change = `The weight of ${names} changes from ${from} to ${weight}`;
  if (weight > 0) return [`${change}.`];
  return [`${change}: ${verbFor(selected, "it takes", "they take")} no new requests.`];
}

function shareLines(
  pool: PoolSnapshot,
  { tier, shares }: Forecast,
  selected: readonly UpstreamSnapshot[],
): readonly string[] {
  const serving = shares.filter(({ share }) => share > 0);
  if (serving.length === 0) return [];
  const takeOver = tier === "backups" ? "The backups take over. " : "";
  return [`${takeOver}${shareChange(serving, selected)}${loadOf(pool, serving)}`];
}

/** "Then api-1 and api-3 take 50% each" */
function shareChange(serving: readonly Share[], selected: readonly UpstreamSnapshot[]): string {
  if (serving.length === 1) return `Then ${serving[0]?.id ?? ""} takes all traffic`;
  const parts = serving.map(({ share }) => formatShare(share));
  const isAmong = selected.some(({ id }) => serving.some((share) => share.id === id));
  const all =
    serving.length <= 3
      ? joinList(serving.map(({ id }) => id))
      : `${isAmong ? "all" : "the other"} ${serving.length}`;
  if (new Set(parts).size === 1) return `Then ${all} take ${parts[0] ?? ""} each`;
  if (serving.length <= 3) {
    return `Then ${joinList(serving.map(({ id }, index) => `${id} takes ${parts[index] ?? ""}`))}`;
  }
  const sorted = serving.map(({ share }) => share).toSorted((left, right) => left - right);
  return `Then ${all} take between ${formatShare(sorted[0] ?? 0)} and ${formatShare(sorted.at(-1) ?? 0)} each`;
}

/** The requests that are in flight now, spread over the upstreams that will serve; the fullest one counts. */
function loadOf(pool: PoolSnapshot, serving: readonly Share[]): string {
  const total = pool.upstreams.reduce((sum, { inFlight }) => sum + inFlight, 0);
  const fullest = Math.max(
    ...serving.map(({ share, maxInFlight }) =>
      maxInFlight === null ? 0 : (share * total) / maxInFlight || 0,
    ),
  );
  if (fullest > 1) return ". The current requests exceed maxInFlight, so some will wait in the queue.";
  return fullest < 0.1
    ? "."
    : `. The current requests would fill at most ${formatShare(fullest)} of maxInFlight.`;
}

function dangerLines({ name }: PoolSnapshot, before: Forecast, after: Forecast): readonly string[] {
  if (after.tier === before.tier || after.tier === "primaries" || after.tier === "backups") return [];
  if (after.tier === "none") return [`Pool ${name} will have no available upstream: clients get 503.`];
  return [`Pool ${name} will have only upstreams that are ejected or not yet probed.`];
}

/** What an action changes on one upstream. */
export interface UpstreamChange {
  /** Takes no new requests, or is removed. */
  readonly isOut?: boolean;
  /** Made ready; whether it serves depends on its probes. */
  readonly isBack?: boolean;
  /** The new weight; undefined keeps the present one. */
  readonly weight?: number;
}

export interface Share {
  readonly id: string;
  /** Of the pool's traffic, 0–1. */
  readonly share: number;
  readonly maxInFlight: number | null;
}

/** `backups`: no primary is healthy. `doubtful`: only upstreams that are ejected, on probation or not yet probed. */
export type ForecastTier = "primaries" | "backups" | "doubtful" | "none";

export interface Forecast {
  readonly tier: ForecastTier;
  /** Of the upstreams in the tier, in the order of the pool. */
  readonly shares: readonly Share[];
}

const doubtful: ReadonlySet<string> = new Set(["ejected", "probation", "checking"]);

/** Which upstreams would serve a pool after some changes, and with what shares. Weights alone decide the shares. */
export function forecast(pool: PoolSnapshot, changes: ReadonlyMap<string, UpstreamChange>): Forecast {
  const enabled = pool.upstreams.filter((upstream) => isEnabled(upstream, changes.get(upstream.id)));
  const healthy = enabled.filter((upstream) => isHealthy(upstream, changes.get(upstream.id)));
  const tiers: readonly (readonly [ForecastTier, readonly UpstreamSnapshot[]])[] = [
    ["primaries", healthy.filter(({ backup }) => !backup)],
    ["backups", healthy.filter(({ backup }) => backup)],
    ["doubtful", enabled.filter(({ status }) => doubtful.has(status))],
  ];
  const [tier, serving] = tiers.find(([, upstreams]) => upstreams.length > 0) ?? (["none", []] as const);
  const weights = serving.map((upstream) => weightOf(upstream, changes.get(upstream.id)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  // Under the policy `first`, the first available upstream takes all traffic regardless of weights.
  const shareAt = (index: number) =>
    pool.policy === "first" ? (index === 0 ? 1 : 0) : (weights[index] ?? 0) / total;
  return {
    tier,
    shares: serving.map(({ id, maxInFlight }, index) => ({ id, maxInFlight, share: shareAt(index) })),
  };
}

/** Whether the operator lets it serve: its mode is ready and its weight is not 0. */
function isEnabled(upstream: UpstreamSnapshot, change: UpstreamChange | undefined): boolean {
  if (change?.isOut || upstream.drain?.leaving) return false;
  const isReady = upstream.mode === "ready" || change?.isBack === true;
  return isReady && weightOf(upstream, change) > 0;
}

/** Of an upstream that comes back from another mode or from an ejection, only the last probe is known. */
function isHealthy(upstream: UpstreamSnapshot, change: UpstreamChange | undefined): boolean {
  const { status, mode, lastProbe } = upstream;
  if (change?.isBack && (mode !== "ready" || isEjected(upstream))) return lastProbe?.success !== false;
  return status === "passing";
}

function weightOf({ weight, effectiveWeight }: UpstreamSnapshot, change: UpstreamChange | undefined): number {
  if (change?.weight === undefined) return change?.isBack ? weight : weight > 0 ? effectiveWeight : 0;
  // During a slow start, the same fraction of the new weight counts.
  return weight > 0 ? change.weight * Math.min(1, effectiveWeight / weight || 1) : change.weight;
}
