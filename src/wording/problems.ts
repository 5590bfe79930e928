/** Sentences about the list of problems as a whole, for pages and the terminal. */

import { isOpenProblem, type ServiceProblem } from "../problems/problem.ts";
import { someNames } from "../problems/wording.ts";
import type { Snapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { countWithNoun, formatCount } from "./format.ts";
import { hasFreeSlot } from "./reasons.ts";

/** Problems that count: a notice is no problem yet. */
export function countedProblems(problems: readonly ServiceProblem[]): readonly ServiceProblem[] {
  return problems.filter((problem) => isOpenProblem(problem) && problem.level !== "notice");
}

/** The problems of one upstream, also those of its pool that it is a part of. */
export function problemsOf(upstream: string, problems: readonly ServiceProblem[]): readonly ServiceProblem[] {
  return problems.filter(
    ({ subject, parts }) => subject.upstream === upstream || parts.some((part) => part.upstream === upstream),
  );
}

/** Whether clients notice a problem now. */
export function hasCritical(problems: readonly ServiceProblem[]): boolean {
  return problems.some((problem) => isOpenProblem(problem) && problem.level === "critical");
}

/** "seen by fra-1, fra-2 and ams-1"; empty where no other balancer sees it. */
export function seenByText({ seenBy }: Pick<ServiceProblem, "seenBy">): string {
  return seenBy.length > 1 ? `seen by ${someNames(seenBy)}` : "";
}

/** "2 problems. Clients notice the first.", "1 problem. Clients do not notice."; empty without one. */
export function problemsSentence(problems: readonly ServiceProblem[]): string {
  const counted = countedProblems(problems);
  if (counted.length === 0) return "";
  const critical = counted.filter(({ level }) => level === "critical").length;
  const noticed =
    critical === 0
      ? "Clients do not notice."
      : counted.length === 1
        ? "Clients notice it."
        : critical === counted.length
          ? "Clients notice all of them."
          : `Clients notice the first${critical === 1 ? "" : ` ${formatCount(critical)}`}.`;
  return `${countWithNoun(counted.length, "problem")}. ${noticed}`;
}

/** "On an even keel. All 58 upstreams serve, 2 backups stand by." */
export function evenKeelSentence(snapshot: Pick<Snapshot, "pools">): string {
  return `On an even keel. ${servingText(snapshot)}.`;
}

/** Whether it serves. One whose slots are all in use does: requests wait for it. */
export function isServing(upstream: UpstreamSnapshot): boolean {
  const { fit, status, mode, weight } = upstream;
  return fit || (status === "passing" && mode === "ready" && weight > 0 && !hasFreeSlot(upstream));
}

/** Whether every pool serves with all that it should: only operators have taken upstreams out. */
export function isOnEvenKeel({ pools }: Pick<Snapshot, "pools">): boolean {
  return pools.every(
    ({ upstreams }) =>
      upstreams.some(isServing) &&
      upstreams.every((each) => isServing(each) || standsBy(each) || each.mode !== "ready"),
  );
}

/** "All 58 upstreams serve, 2 backups stand by", "57 of 60 upstreams serve, 2 backups stand by, 1 is drained" */
export function servingText({ pools }: Pick<Snapshot, "pools">): string {
  const { serving, standby, all, draining, drained, maintenance } = countStates(pools);
  return [
    servingPart(serving, { expected: all - standby, all }),
    counted(standby, "backup stands by", "backups stand by"),
    counted(draining, "drains", "drain"),
    counted(drained, "is drained", "are drained"),
    counted(maintenance, "is in maintenance", "are in maintenance"),
  ]
    .filter((part) => part !== "")
    .join(", ");
}

/** The same of one pool where there is little room: "21 of 24 serve, 2 backups, 1 drained" */
export function poolServingText(pool: Snapshot["pools"][number]): string {
  const { serving, standby, all, draining, drained, maintenance } = countStates([pool]);
  return [
    `${formatCount(serving)} of ${formatCount(all)} ${serving === 1 ? "serves" : "serve"}`,
    counted(standby, "backup", "backups"),
    counted(draining, "draining", "draining"),
    counted(drained, "drained", "drained"),
    counted(maintenance, "in maintenance", "in maintenance"),
  ]
    .filter((part) => part !== "")
    .join(", ");
}

function countStates(pools: Snapshot["pools"]) {
  const upstreams = pools.flatMap((pool) => pool.upstreams);
  const count = (is: (upstream: UpstreamSnapshot) => boolean) => upstreams.filter(is).length;
  return {
    all: upstreams.length,
    serving: count(isServing),
    standby: count(standsBy),
    draining: count(({ status, drain }) => status === "draining" && drain?.drained !== true),
    drained: count(({ status, drain }) => status === "draining" && drain?.drained === true),
    maintenance: count(({ status }) => status === "maintenance"),
  };
}

function servingPart(
  serving: number,
  { expected, all }: { readonly expected: number; readonly all: number },
) {
  if (serving === 0) return "No upstream serves";
  if (serving < expected) {
    return `${formatCount(serving)} of ${countWithNoun(all, "upstream")} ${serving === 1 ? "serves" : "serve"}`;
  }
  return expected === 1 ? "The only upstream serves" : `All ${formatCount(expected)} upstreams serve`;
}

function counted(count: number, one: string, many: string): string {
  return count === 0 ? "" : `${formatCount(count)} ${count === 1 ? one : many}`;
}

function standsBy(upstream: UpstreamSnapshot): boolean {
  return upstream.backup && upstream.status === "passing" && !isServing(upstream);
}
