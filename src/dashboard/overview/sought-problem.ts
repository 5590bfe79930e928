/** The problem of an alert's link (`?p=…`): in focus while it is in the list, and said in a sentence when it no longer is. */

import type { ProblemSpan } from "../../client/decoders.ts";
import { isOpenProblem } from "../../problems/problem.ts";
import { formatDatedTime } from "../../wording/format.ts";
import { type DashboardState, seenProblems } from "../../wording/verdict.ts";
import type { AdminClient } from "../admin-client.ts";
import type { View } from "../view.ts";

/** What became of the problem that the view seeks; empty while it is open, or where it cannot be known. */
export async function soughtSentence(
  admin: Pick<AdminClient, "problems">,
  state: DashboardState,
  { problem: id }: Pick<View, "problem">,
): Promise<string> {
  if (id === undefined || state.outage) return "";
  if (seenProblems(state).some((problem) => problem.id === id && isOpenProblem(problem))) return "";
  const result = await admin.problems(new URLSearchParams({ state: "all" }));
  if ("error" in result) return "";
  const found = result.value.find((problem) => problem.id === id);
  return found ? spanSentence(found, state.at) : `The problem ${id} is over, and too long ago to be known.`;
}

/** "Over: checkout-07 answers 30 % of its requests with 500, from 03:04:12 UTC to 03:41:10 UTC." */
function spanSentence({ title, since, closedAt }: ProblemSpan, now: number): string {
  const from = formatDatedTime(since, now);
  if (closedAt === null) return `Open: ${title}, from ${from} to now.`;
  return `Over: ${title}, from ${from} to ${formatDatedTime(closedAt, now)}.`;
}
