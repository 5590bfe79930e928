/** Sentences about the list of problems as a whole, for pages and the terminal. */

import { isOpenProblem, type ServiceProblem } from "../problems/problem.ts";
import type { Snapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { countWithNoun, formatCount } from "./format.ts";

/** Problems that count: a notice is no problem yet. */
export function countedProblems(problems: readonly ServiceProblem[]): readonly ServiceProblem[] {
  return problems.filter((problem) => isOpenProblem(problem) && problem.level !== "notice");
}

/** Whether clients notice a problem now. */
export function hasCritical(problems: readonly ServiceProblem[]): boolean {
  return problems.some((problem) => isOpenProblem(problem) && problem.level === "critical");
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
export function evenKeelSentence({ pools }: Pick<Snapshot, "pools">): string {
  const upstreams = pools.flatMap((pool) => pool.upstreams);
  const standby = upstreams.filter(standsBy).length;
  const expected = upstreams.length - standby;
  const all = expected === 1 ? "The only upstream serves" : `All ${formatCount(expected)} upstreams serve`;
  const backups =
    standby === 0 ? "" : `, ${countWithNoun(standby, "backup")} ${standby === 1 ? "stands" : "stand"} by`;
  return `On an even keel. ${all}${backups}.`;
}

function standsBy({ backup, fit, status }: UpstreamSnapshot): boolean {
  return backup && !fit && status === "passing";
}
