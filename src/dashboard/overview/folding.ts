/** Which upstreams the overview shows: of many only those with something to say, in pools whose problems are worst first. */

import type { ServiceProblem } from "../../problems/problem.ts";
import type { PoolSnapshot, Snapshot, UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { countedProblems } from "../../wording/problems.ts";
import { isStandbyBackup } from "../../wording/verdict.ts";
import { arranged, type View } from "../view.ts";

export interface ShownPool {
  readonly pool: PoolSnapshot;
  readonly shown: readonly UpstreamSnapshot[];
  /** Upstreams that are left out because they serve as usual. */
  readonly folded: readonly UpstreamSnapshot[];
}

/** With more upstreams than this in all pools, the ones that serve as usual are folded. */
const maxUnfolded = 12;

export function isFolding({ pools }: Pick<Snapshot, "pools">): boolean {
  return pools.reduce((sum, { upstreams }) => sum + upstreams.length, 0) > maxUnfolded;
}

export function shownPools(
  snapshot: Pick<Snapshot, "pools">,
  problems: readonly ServiceProblem[],
  view: View,
): readonly ShownPool[] {
  const counted = countedProblems(problems);
  const named = new Set(
    counted.flatMap(({ subject, parts }) => [subject.upstream, ...parts.map(({ upstream }) => upstream)]),
  );
  const speaks = (upstream: UpstreamSnapshot) => named.has(upstream.id) || isUnusual(upstream);
  const isLarge = isFolding(snapshot);
  const rankOf = ({ name }: PoolSnapshot) => {
    const rank = counted.findIndex(({ subject }) => subject.pool === name);
    return rank < 0 ? counted.length : rank;
  };
  const all = isLarge ? snapshot.pools.toSorted((one, other) => rankOf(one) - rankOf(other)) : snapshot.pools;
  return all.map((pool) => {
    const rows = arranged(pool, view);
    const isWhole = !view.onlyProblems && (!isLarge || view.filter !== "" || isOpened(view, pool.name));
    if (isWhole) return { pool, shown: rows, folded: [] };
    // Without an order of the viewer's own, what a problem names comes first.
    const shown = rows.filter(speaks);
    const isNamed = ({ id }: UpstreamSnapshot) => (named.has(id) ? 0 : 1);
    return {
      pool,
      shown: view.sort ? shown : shown.toSorted((one, other) => isNamed(one) - isNamed(other)),
      folded: rows.filter((upstream) => !speaks(upstream)),
    };
  });
}

export function isOpened({ open = [] }: View, pool: string): boolean {
  return open.includes(pool) || open.includes("*");
}

/** Out, or on its way back, or under a fault injection. */
function isUnusual(upstream: UpstreamSnapshot): boolean {
  const isOut = !upstream.fit && !isStandbyBackup(upstream);
  return isOut || upstream.slowStart !== null || upstream.rehearsal !== null;
}
