/** Who would serve a pool after something was done to it, and how its traffic would lie: a forecast by weights alone. */

import type { PoolSnapshot, UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { isEjected } from "../../wording/reasons.ts";

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
