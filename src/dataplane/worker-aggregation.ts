/** Takes over what workers say of upstreams: one verdict for all of them, and the pool's rules hold for all together. */

import { identityOf } from "../control/desired-state.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";
import type { Pool } from "../pool/pool.ts";
import type { PoolObserver } from "../pool/pool-observer.ts";
import type { OutlierVerdict } from "../pool/outlier-detector.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { WorkerReport } from "./messages.ts";

export interface MergeContext {
  readonly observer: PoolObserver;
  /** Clock time, milliseconds. */
  readonly now: number;
}

/** @returns whether there is anything that the other workers should know */
export function mergeVerdicts(
  registry: Pick<PoolRegistry, "pools">,
  counts: WorkerReport,
  hearing: MergeContext,
): boolean {
  const verdicts = new Map(counts.upstreams.map(({ upstream, verdict }) => [upstream, verdict]));
  let hasNews = false;
  for (const pool of registry.pools) {
    for (const upstream of pool.upstreams) {
      const verdict = verdicts.get(identityOf(upstream));
      if (!verdict || verdict.decidedAt <= upstream.outlier.verdict.decidedAt) continue;
      hasNews = true;
      applyVerdict(pool, upstream, { verdict, ...hearing });
    }
  }
  return hasNews;
}

function applyVerdict(
  pool: Pool,
  upstream: Upstream,
  { verdict, observer, now }: MergeContext & { readonly verdict: OutlierVerdict },
): void {
  const own = upstream.outlier.verdict;
  const streak = upstream.activeHealth.state;
  const isEjection = verdict.state === "ejected" && own.state !== "ejected";
  if (isEjection && !pool.canEject(upstream)) {
    // Two workers may each have ejected another one at the same moment. A later word of ours overrules the second.
    const decidedAt = Math.max(now, verdict.decidedAt + 1);
    pool.adoptHealth(upstream, { streak, verdict: { ...own, decidedAt } });
    return;
  }
  if (!pool.adoptHealth(upstream, { streak, verdict })) return;
  const { state: to, reason } = upstream.outlier;
  observer.outlierChanged(pool, { upstream, from: own.state, to, reason });
}
