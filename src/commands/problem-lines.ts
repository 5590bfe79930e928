/** Renders problems for the terminal: the title, whom it hits since when, why, and the command that helps. */

import { systemWallClock } from "../lib/clock.ts";
import type { ProblemLevel, ServiceProblem } from "../problems/problem.ts";
import { formatDatedTime } from "../wording/format.ts";
import { seenByText } from "../wording/problems.ts";
import { type Cell, plainText, renderColumns } from "./terminal.ts";

export interface LineLayout {
  readonly hasColour: boolean;
  /** Maximum length of a line. */
  readonly width?: number | undefined;
}

/** More of them are only titles. */
const maxInFull = 5;

const tones: Readonly<Record<ProblemLevel, NonNullable<Cell["tone"]>>> = {
  critical: "red",
  warning: "yellow",
  notice: "bold",
};

/** @param problems open ones, worst first */
export function problemLines(problems: readonly ServiceProblem[], layout: LineLayout): readonly string[] {
  return problems.flatMap((problem, index) => [
    ...renderColumns([[{ text: problem.title, tone: tones[problem.level] }]], { ...layout, right: [] }),
    ...(index < maxInFull ? detailsOf(problem) : []).map((line) =>
      `  ${plainText(line)}`.slice(0, layout.width),
    ),
  ]);
}

function detailsOf(problem: ServiceProblem): readonly string[] {
  const { since, hits, cause, level } = problem;
  const { command, words } = problem.do;
  const facts = [
    `${level} since ${formatDatedTime(Date.parse(since), systemWallClock())}`,
    hits.words,
    seenByText(problem),
  ];
  return [
    facts.filter((fact) => fact !== "").join(" · "),
    cause.words,
    ...(command === null ? [words] : [words, command]),
  ];
}

/** "Closed after 17 min: checkout-07 answers …" */
export function closedLines(problems: readonly ServiceProblem[], layout: LineLayout): readonly string[] {
  return problems.flatMap(({ title, end, closedAt }) => {
    const at = closedAt === null ? "" : ` at ${formatDatedTime(Date.parse(closedAt), systemWallClock())}`;
    const text = `${end?.words ?? "Closed"}${at}: ${title}`;
    return renderColumns([[{ text, tone: "dim" }]], { ...layout, right: [] });
  });
}
