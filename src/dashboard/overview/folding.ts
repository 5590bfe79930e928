/** What the table of upstreams shows: which pools are open, which upstreams have something to say, and in which order. */

import type { ServiceProblem } from "../../problems/problem.ts";
import type { PoolSnapshot, Snapshot, UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { countedProblems, isServing } from "../../wording/problems.ts";
import {
  problemsByUpstream,
  type StateTone,
  type UpstreamProblem,
  type RowState,
  rowState,
} from "../../wording/row-state.ts";
import type { PoolRoutes } from "../../wording/routes.ts";
import { arranged, openIn, type View } from "../view.ts";

export interface ShownUpstream {
  readonly upstream: UpstreamSnapshot;
  readonly state: RowState;
  readonly problem: UpstreamProblem | undefined;
}

export interface ShownPool {
  readonly pool: PoolSnapshot;
  readonly tone: StateTone;
  readonly isOpen: boolean;
  /** All its upstreams, in the order of the configuration. */
  readonly all: readonly ShownUpstream[];
  /** Its rows; none if the pool is closed. */
  readonly shown: readonly ShownUpstream[];
  /** Upstreams of an open pool that are left out because they serve as usual. */
  readonly folded: readonly UpstreamSnapshot[];
  /** Upstreams among the shown ones that serve as usual, and that a narrow screen leaves out. */
  readonly usual: readonly UpstreamSnapshot[];
}

export interface ShownTable {
  /** Worst first. */
  readonly pools: readonly ShownPool[];
  /** Upstreams of the whole balancer. */
  readonly total: number;
  /** Upstreams with a problem. */
  readonly troubled: number;
}

/** A balancer with no more upstreams shows all of them: there is nothing to gain from a click. */
const maxUnfolded = 12;

/** An open pool with more upstreams shows only those with something to say. */
const maxWhole = 12;

export function isFolding({ pools }: Pick<Snapshot, "pools">): boolean {
  return pools.reduce((sum, { upstreams }) => sum + upstreams.length, 0) > maxUnfolded;
}

interface TableInput {
  readonly snapshot: Pick<Snapshot, "pools">;
  readonly problems: readonly ServiceProblem[];
  readonly view: View;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
  /** The filter searches them too. */
  readonly routes?: PoolRoutes | undefined;
}

/** A filter, and a view of problems alone, leave out pools without a match. */
export function shownTable({ snapshot, problems, view, now, routes }: TableInput): ShownTable {
  const counted = countedProblems(problems);
  const saidOf = problemsByUpstream(problems);
  const isLarge = isFolding(snapshot);
  const all = snapshot.pools
    .map((pool): ShownPool & { readonly rank: number } => {
      const rows = pool.upstreams.map((upstream): ShownUpstream => {
        const problem = saidOf.get(upstream.id);
        return {
          upstream,
          problem,
          state: rowState(upstream, { now, isPanicking: pool.panic, problem }),
        };
      });
      const index = counted.findIndex(({ subject }) => subject.pool === pool.name);
      const tone = poolTone(pool, rows, counted[index]?.level);
      const calm = rows.some(({ state }) => speaks(state.tone)) ? 1 : 2;
      const rank = index >= 0 ? index : counted.length + (isTroubled(tone) ? 0 : calm);
      return {
        pool,
        tone,
        rank,
        all: rows,
        ...partOf(pool, rows, { view, isLarge, tone, routes: routes?.get(pool.name)?.find }),
      };
    })
    .toSorted((one, other) => one.rank - other.rank);
  const rows = all.flatMap((pool) => pool.all);
  const isNarrowed = view.filter !== "" || view.onlyProblems === true;
  return {
    pools: isNarrowed ? all.filter(({ shown, tone }) => shown.length > 0 || isWrong(tone, view)) : all,
    total: rows.length,
    troubled: rows.filter(({ state }) => isTroubled(state.tone)).length,
  };
}

/** A pool as a whole may have a problem that none of its upstreams has. */
function isWrong(tone: StateTone, { filter }: View): boolean {
  return filter === "" && isTroubled(tone);
}

interface PartInput {
  readonly view: View;
  /** Whether the balancer has so many upstreams that closed pools are worth a click. */
  readonly isLarge: boolean;
  readonly tone: StateTone;
  readonly routes: string | undefined;
}

function partOf(
  pool: PoolSnapshot,
  rows: readonly ShownUpstream[],
  { view, isLarge, tone, routes }: PartInput,
): Pick<ShownPool, "isOpen" | "shown" | "folded" | "usual"> {
  const order = new Map(arranged(pool, view, routes).map(({ id }, index) => [id, index]));
  const matching = rows
    .filter(({ upstream }) => order.has(upstream.id))
    .toSorted((one, other) => (order.get(one.upstream.id) ?? 0) - (order.get(other.upstream.id) ?? 0));
  const sorted = view.sort ? matching : matching.toSorted((one, other) => badnessOf(other) - badnessOf(one));
  if (view.onlyProblems) {
    const troubled = sorted.filter(({ state }) => isTroubled(state.tone));
    return { isOpen: true, shown: troubled, folded: [], usual: [] };
  }
  const isAsked = view.filter === "" ? openIn(view, pool.name) : true;
  const unusual = sorted.filter(({ state }) => speaks(state.tone));
  const isOpen = isAsked ?? (!isLarge || unusual.length > 0 || isTroubled(tone));
  if (!isOpen) return { isOpen, shown: [], folded: [], usual: [] };
  const usual = sorted.filter(({ state }) => !speaks(state.tone)).map(({ upstream }) => upstream);
  if (isAsked || !isLarge) return { isOpen, shown: sorted, folded: [], usual: [] };
  if (rows.length > maxWhole) return { isOpen, shown: unusual, folded: usual, usual: [] };
  return { isOpen, shown: sorted, folded: [], usual };
}

/** Out, on its way back, under a fault injection, or with a problem. */
function speaks(tone: StateTone): boolean {
  return tone !== "good" && tone !== "idle";
}

/** It serves less than it could. What an operator took out does not count. */
function isTroubled(tone: StateTone): boolean {
  return tone === "bad" || tone === "warn";
}

const badness: Readonly<Record<StateTone, number>> = { bad: 3, warn: 2, calm: 1, idle: 0, good: 0 };

/** Of two with the same tone, the one with a listed problem is worse. */
function badnessOf({ state, problem }: ShownUpstream): number {
  return badness[state.tone] + (problem ? 0.5 : 0);
}

function poolTone(
  { panic }: PoolSnapshot,
  rows: readonly ShownUpstream[],
  level: ServiceProblem["level"] | undefined,
): StateTone {
  const isOut = !rows.some(({ upstream }) => isServing(upstream));
  if (level === "critical" || panic || isOut || rows.some(({ state }) => state.tone === "bad")) return "bad";
  return level === "warning" || rows.some(({ state }) => state.tone === "warn") ? "warn" : "good";
}
