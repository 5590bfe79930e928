/** The list of problems, worst first: five in full, the others as titles, then what is coming up and what has just ended. */
/** @jsxImportSource @kitajs/html */

import { ProblemCard } from "./problem-card.tsx";
import { levelTones, levelWords, ToneMark } from "../layout/tone-mark.tsx";
import { anchorOf, attribute } from "../responses.ts";
import { ProblemChart, type ProblemCharts, problemsInFull } from "./problem-chart.tsx";
import { addressOf } from "./problem-links.tsx";
import { isOpenProblem, type ServiceProblem } from "../../problems/problem.ts";
import { countedProblems } from "../../wording/problems.ts";
import { countWithNoun, formatTime } from "../../wording/format.ts";
import type { View } from "../view.ts";

/** Further ones that have ended are only counted. */
const maxClosed = 5;

interface ProblemPanelProps {
  readonly problems: readonly ServiceProblem[];
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
  readonly view: View;
  /** Missing for a page whose own charts show it. */
  readonly charts?: ProblemCharts;
}

/** Nothing, if there is nothing to say. The script keeps the order under the pointer and the focus. */
export function ProblemPanel({ problems, now, view, charts }: ProblemPanelProps): JSX.Element {
  const open = countedProblems(problems);
  const coming = problems.filter((problem) => isOpenProblem(problem) && problem.level === "notice");
  const closed = problems.filter((problem) => !isOpenProblem(problem));
  if (open.length + coming.length + closed.length === 0) return "";
  return (
    <section class="problem-panel" id="problem-panel" aria-label="Problems, worst first">
      {open.length > 0 ? (
        <ol class="problem-list" id="problem-list" data-steady>
          {open.map((problem, index) =>
            index < problemsInFull || problem.id === view.problem ? (
              <ProblemCard
                problem={problem}
                now={now}
                view={view}
                chart={charts ? <ProblemChart problem={problem} charts={charts} /> : ""}
              />
            ) : (
              <ProblemTitle problem={problem} />
            ),
          )}
        </ol>
      ) : (
        ""
      )}
      {coming.map((problem) => (
        <ComingUp problem={problem} />
      ))}
      {closed.length > 0 ? <Closed problems={closed} /> : ""}
    </section>
  );
}

function ProblemTitle({ problem }: { readonly problem: ServiceProblem }): JSX.Element {
  const { id, level, title } = problem;
  return (
    <li class="problem brief" id={anchorOf("problem", id)} data-tone={levelTones[level]}>
      <ToneMark tone={levelTones[level]} />
      <p>
        <span class="level">{levelWords[level]}</span>{" "}
        <a href={attribute(addressOf(problem))} safe>
          {title}
        </a>
      </p>
    </li>
  );
}

/** A notice: nothing is wrong yet. */
function ComingUp({ problem }: { readonly problem: ServiceProblem }): JSX.Element {
  const { id, title, rehearsed } = problem;
  return (
    <p class="ahead" id={anchorOf("problem", id)} data-tone="calm">
      <ToneMark tone="calm" />
      <span>
        {rehearsed ? "" : <b>Coming up:</b>} <span safe>{`${title}. ${problem.do.words}`}</span>
      </span>
      <a href={attribute(addressOf(problem))} safe>
        {problem.do.verb === "read" ? problem.do.label : "See more"}
      </a>
    </p>
  );
}

function Closed({ problems }: { readonly problems: readonly ServiceProblem[] }): JSX.Element {
  const more = problems.length - maxClosed;
  return (
    <ul class="closed">
      {problems.slice(0, maxClosed).map(({ id, title, end, closedAt, links }) => (
        <li id={anchorOf("problem", id)}>
          <ToneMark tone="good" />
          <span>
            <span safe>{`${end?.words ?? "Closed"}: `}</span>
            <a href={attribute(links.history ?? links.self)} safe>
              {title}
            </a>
            {closedAt === null ? "" : <span safe>{`, ${formatTime(Date.parse(closedAt))}`}</span>}
          </span>
        </li>
      ))}
      {more > 0 ? <li safe>{`${countWithNoun(more, "further problem")} closed`}</li> : ""}
    </ul>
  );
}
