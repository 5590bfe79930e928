/** `evenkeel problems`: what is wrong, worst first, once or every second; and the dismissal of a problem. */

import type { AdminTarget } from "../cli/side-commands.ts";
import type { Verb } from "../cli/verbs.ts";
import { hasProblems } from "../client/decoders.ts";
import { systemWallClock } from "../lib/clock.ts";
import { asArray, asRecord } from "../lib/json.ts";
import { isOpenProblem, type ServiceProblem } from "../problems/problem.ts";
import { balancerGone } from "../problems/reader-problems.ts";
import { hasCritical, problemsSentence } from "../wording/problems.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import { closedLines, type LineLayout, problemLines } from "./problem-lines.ts";
import { showLines, showReadings } from "./screen.ts";
import { type ExitCode, plainText, type Terminal } from "./terminal.ts";

interface ProblemsContext {
  readonly target: AdminTarget;
  readonly call: AdminCall;
  readonly terminal: Terminal;
}

export function runProblems(
  command: Extract<Verb, { verb: "problems" }>,
  context: ProblemsContext,
): Promise<ExitCode | Failed> {
  return command.subcommand === "dismiss" ? dismiss(command, context) : showProblems(command, context);
}

async function dismiss(
  { id, reason }: { readonly id: string; readonly reason: string },
  { call, terminal }: ProblemsContext,
): Promise<ExitCode | Failed> {
  const path = `/api/problems/${encodeURIComponent(id)}/dismiss`;
  const response = await call({ method: "POST", path, body: { ...(reason !== "" && { reason }) } });
  if (response.kind === "failed") return response;
  const { title } = response.value as ServiceProblem;
  terminal.write(`${plainText(`Dismissed ${id}: ${title}`)}\n`);
  return 0;
}

/** With `--watch` it runs until it is interrupted, also while the balancer is unreachable. */
async function showProblems(
  { isWatched, withClosed, asJson }: Extract<Verb, { verb: "problems"; subcommand: "list" }>,
  { target, call, terminal }: ProblemsContext,
): Promise<ExitCode | Failed> {
  let failingSince: number | undefined;
  return await showReadings(isWatched, {
    read: () => call({ path: `/api/problems?state=${withClosed ? "all" : "open"}`, isExpected: hasProblems }),
    show(value) {
      failingSince = undefined;
      const problems = asArray(asRecord(value)["problems"]) as readonly ServiceProblem[];
      if (asJson) terminal.write(`${JSON.stringify(value)}\n`);
      else showLines((layout) => linesOf(problems, layout), terminal, isWatched);
      return hasCritical(problems) ? 1 : 0;
    },
    showFailure({ text: why }) {
      const since = (failingSince ??= systemWallClock());
      const gone = balancerGone({ balancer: hostOf(target.adminUrl), since, why });
      // A program that reads lines would take silence for no news.
      if (asJson) terminal.write(`${JSON.stringify({ problems: [gone] })}\n`);
      else showLines((layout) => problemLines([gone], layout), terminal, isWatched);
    },
  });
}

/** Host and port; a URL may have a secret. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}

function linesOf(problems: readonly ServiceProblem[], layout: LineLayout): readonly string[] {
  const open = problems.filter(isOpenProblem);
  const headline = problemsSentence(problems) || "No problem.";
  return [
    headline.slice(0, layout.width),
    ...(open.length > 0 ? ["", ...problemLines(open, layout)] : []),
    ...closedLines(
      problems.filter((problem) => !isOpenProblem(problem)),
      layout,
    ),
  ];
}
