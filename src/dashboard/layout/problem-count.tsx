/** The number of problems beside the link to the overview, on every page: the same as in the title of the overview's tab. */
/** @jsxImportSource @kitajs/html */

import type { ServiceProblem } from "../../problems/problem.ts";
import { countWithNoun, formatCount } from "../../wording/format.ts";
import { countedProblems } from "../../wording/problems.ts";
import { attribute } from "../responses.ts";

/** The address of the number alone. */
export const problemCountAddress = "/problems/count";

export interface ProblemCountProps {
  readonly problems: readonly ServiceProblem[];
}

/**
 * Asks for itself again and again: not every page has a live stream, and an old number would be a false one. The script asks
 * at once where the stream of a page has another number.
 */
export function ProblemCount({ problems }: ProblemCountProps): JSX.Element {
  const counted = countedProblems(problems);
  const isCritical = counted.some(({ level }) => level === "critical");
  return (
    <span
      id="problem-count"
      class="count"
      data-tone={isCritical ? "bad" : "warn"}
      title={attribute(countWithNoun(counted.length, "problem"))}
      hx-get={problemCountAddress}
      hx-trigger="every 5s, refresh"
      hx-swap="outerMorph"
      safe
    >
      {counted.length === 0 ? "" : formatCount(counted.length)}
    </span>
  );
}
