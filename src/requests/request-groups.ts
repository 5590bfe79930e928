/** Groups of requests that end alike: those of one upstream stand alone, those of many become one group. */

import type { RequestOutcome } from "./request-filter.ts";
import { maxGroupMembers, type RequestGroup } from "./request-store.ts";

/** Requests with the same outcome, status and reason on one upstream. */
export interface UpstreamGroup {
  readonly outcome: RequestOutcome;
  readonly status: number;
  readonly reason: string | null;
  /** Null where no upstream was tried. */
  readonly upstream: string | null;
  readonly routes: readonly string[];
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** An upstream stands out with this share of the requests that end alike: then it is a group of its own. */
const outstandingShare = 0.5;

/** From so many upstreams on, the rest becomes one group. */
const minMerged = 3;

/** @param groups any order  @returns the largest first */
export function mergeGroups(groups: readonly UpstreamGroup[]): readonly RequestGroup[] {
  const alike = new Map<string, UpstreamGroup[]>();
  for (const group of groups) {
    const key = `${group.outcome} ${group.status} ${group.reason ?? ""}`;
    const others = alike.get(key);
    if (others) others.push(group);
    else alike.set(key, [group]);
  }
  return [...alike.values()]
    .flatMap((each) => mergeAlike(each.toSorted((left, right) => right.count - left.count)))
    .toSorted((left, right) => right.count - left.count);
}

/** @param groups the largest first; not empty */
function mergeAlike(groups: readonly UpstreamGroup[]): readonly RequestGroup[] {
  const total = groups.reduce((sum, { count }) => sum + count, 0);
  const [first, ...rest] = groups;
  if (first && rest.length > 0 && first.count >= total * outstandingShare)
    return [
      groupOf([first]),
      ...(rest.length < minMerged ? rest.map((one) => groupOf([one])) : [groupOf(rest)]),
    ];
  return groups.length < minMerged ? groups.map((one) => groupOf([one])) : [groupOf(groups)];
}

function groupOf(groups: readonly UpstreamGroup[]): RequestGroup {
  const [first] = groups;
  const upstreams = [...new Set(groups.flatMap(({ upstream }) => upstream ?? []))];
  const routes = [...new Set(groups.flatMap((group) => group.routes))];
  return {
    outcome: first?.outcome ?? "sampled",
    status: first?.status ?? 0,
    reason: first?.reason ?? null,
    upstreams: upstreams.slice(0, maxGroupMembers),
    upstreamCount: upstreams.length,
    routes: routes.slice(0, maxGroupMembers),
    routeCount: routes.length,
    count: groups.reduce((sum, { count }) => sum + count, 0),
    firstAt: Math.min(...groups.map(({ firstAt }) => firstAt)),
    lastAt: Math.max(...groups.map(({ lastAt }) => lastAt)),
  };
}
