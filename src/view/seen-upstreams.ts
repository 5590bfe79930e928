/** What the balancers of a fleet say of the upstreams that one of them does not find well: is it the upstream, or the way to it? */

import type { PeerReport } from "../fleet/peer-report.ts";
import type { SeenFromSnapshot, SeenSnapshot } from "../snapshot/fleet-snapshot.ts";

export interface SeenFrom {
  readonly name: string;
  readonly isAlive: boolean;
  readonly report: PeerReport;
}

/** Upstreams in a snapshot: more than a page shows. */
export const maxSeen = 200;

/** Of each balancer: as many as a report has. */
const maxOfEach = 500;

/**
 * Worst first: of each balancer at most 500.
 * @param balancers this one first
 * @param poolOf the pool of an upstream that runs here
 */
export function seenUpstreams(
  balancers: readonly SeenFrom[],
  poolOf: (upstream: string) => string | undefined,
): readonly SeenSnapshot[] {
  const ids = new Set(balancers.flatMap(({ report }) => Object.keys(report.upstreams).slice(0, maxOfEach)));
  return [...ids].map((id) => seenUpstream(id, balancers, poolOf)).sort(byRank);
}

/** One upstream, whether or not it is well. */
export function seenUpstream(
  id: string,
  balancers: readonly SeenFrom[],
  poolOf: (upstream: string) => string | undefined,
): SeenSnapshot {
  const pool = poolOf(id);
  const own = balancers[0]?.report;
  const by = balancers.map((balancer) => seenFrom(balancer, id, { pool, own }));
  return { id, pool: pool ?? null, by, ...conclusionFrom(by) };
}

interface SeenContext {
  readonly pool: string | undefined;
  readonly own: PeerReport | undefined;
}

/** A balancer lists what is not well. What it does not list passes, as long as it has the same upstreams. */
function seenFrom(
  { name, isAlive, report }: SeenFrom,
  id: string,
  { pool, own }: SeenContext,
): SeenFromSnapshot {
  const common = { balancer: name, isAlive };
  const listed = Object.hasOwn(report.upstreams, id) ? report.upstreams[id] : undefined;
  if (listed) return { ...common, ...listed };
  const statusAs = (status: string) => ({ ...common, status, inFlight: 0 });
  if (report === own) return statusAs(pool === undefined ? "absent" : "passing");
  if (pool === undefined || report.omitted > 0 || Object.keys(report.pools).length === 0)
    return statusAs("unknown");
  if (!Object.hasOwn(report.pools, pool)) return statusAs("absent");
  return statusAs(report.pools[pool] === own?.pools[pool] ? "passing" : "unknown");
}

const isOut = ({ status }: SeenFromSnapshot) => status === "draining" || status === "maintenance";
const isBad = ({ status, problem }: SeenFromSnapshot) =>
  problem !== undefined || ["failing", "ejected", "probation"].includes(status);

/** What silent balancers said last does not count. */
function conclusionFrom(by: readonly SeenFromSnapshot[]): Pick<SeenSnapshot, "where" | "from"> {
  const told = by.filter(({ isAlive, status }) => isAlive && status !== "absent" && status !== "unknown");
  const out = told.filter(isOut);
  const bad = told.filter((one) => !isOut(one) && isBad(one));
  const namesOf = (some: readonly SeenFromSnapshot[]) => some.map(({ balancer }) => balancer);
  if (bad.length > 0) {
    const isFineElsewhere = told.some((one) => one.status === "passing" && !isBad(one));
    const where = isFineElsewhere ? "path" : bad.length > 1 ? "upstream" : "unclear";
    return { where, from: namesOf(bad) };
  }
  if (out.length > 0)
    return { where: out.length === told.length ? "operator" : "operator_in_part", from: namesOf(out) };
  const checking = told.filter(({ status }) => status === "checking");
  return { where: checking.length > 0 ? "unclear" : "none", from: namesOf(checking) };
}

const ranks = ["upstream", "path", "unclear", "operator_in_part", "operator", "none"];

function byRank(one: SeenSnapshot, other: SeenSnapshot): number {
  const difference = ranks.indexOf(one.where) - ranks.indexOf(other.where);
  return difference === 0 ? (one.id < other.id ? -1 : 1) : difference;
}
