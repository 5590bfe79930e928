/** Who would serve a pool after something was done to it, and how its traffic would lie: a forecast by weights alone. */

import type { PoolSnapshot, UpstreamSnapshot } from "../../snapshot.ts";
import { isEjected } from "../reasons.ts";

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

export function forecast(pool: PoolSnapshot, fates: ReadonlyMap<string, UpstreamChange>): Forecast {
  const asked = pool.upstreams.filter((upstream) => isAsked(upstream, fates.get(upstream.id)));
  const well = asked.filter((upstream) => isWell(upstream, fates.get(upstream.id)));
  const ranks: readonly (readonly [ForecastTier, readonly UpstreamSnapshot[]])[] = [
    ["primaries", well.filter(({ backup }) => !backup)],
    ["backups", well.filter(({ backup }) => backup)],
    ["doubtful", asked.filter(({ status }) => doubtful.has(status))],
  ];
  const [rank, serving] = ranks.find(([, members]) => members.length > 0) ?? (["nobody", []] as const);
  const weights = serving.map((upstream) => weightOf(upstream, fates.get(upstream.id)));
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  // The first that is fit takes everything, whatever it weighs.
  const shareAt = (index: number) =>
    pool.policy === "first" ? (index === 0 ? 1 : 0) : (weights[index] ?? 0) / whole;
  return {
    rank,
    shares: serving.map(({ id, maxInFlight }, index) => ({ id, maxInFlight, share: shareAt(index) })),
  };
}

function isAsked(upstream: UpstreamSnapshot, fate: UpstreamChange | undefined): boolean {
  if (fate?.isOut || upstream.drain?.leaving) return false;
  const isReady = upstream.mode === "ready" || fate?.isBack === true;
  return isReady && weightOf(upstream, fate) > 0;
}

/** Of one that is out by the operator's will, or whose ejection ends so, only its last check tells. */
function isWell(upstream: UpstreamSnapshot, fate: UpstreamChange | undefined): boolean {
  const { status, mode, lastProbe } = upstream;
  if (fate?.isBack && (mode !== "ready" || isEjected(upstream))) return lastProbe?.success !== false;
  return status === "passing";
}

function weightOf({ weight, effectiveWeight }: UpstreamSnapshot, fate: UpstreamChange | undefined): number {
  if (fate?.weight === undefined) return fate?.isBack ? weight : weight > 0 ? effectiveWeight : 0;
  // During a slow start it serves with the same part of the new weight.
  return weight > 0 ? fate.weight * Math.min(1, effectiveWeight / weight || 1) : fate.weight;
}
