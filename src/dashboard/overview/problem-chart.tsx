/** The small chart of a problem: the last hour of what it is about, with a mark where it began. */
/** @jsxImportSource @kitajs/html */

import { latestOf, Lines, peakOf, type Quantity, type Trend, trendOf } from "../charts/sparkline.tsx";
import type { Trends, TrendSource, TrendSubject } from "../live/trend-reader.ts";
import { anchorOf, attribute } from "../responses.ts";
import type { Columns } from "../../history/point.ts";
import type { ProblemKind, ServiceProblem } from "../../problems/problem.ts";
import { formatCount, formatMs, formatRate } from "../../wording/format.ts";
import { countedProblems } from "../../wording/problems.ts";

/** Further ones are shown as titles: an operator acts on one at a time. */
export const problemsInFull = 5;

interface Charted {
  readonly name: string;
  readonly quantity: Quantity;
  readonly format: (value: number) => string;
}

const errors: Charted = {
  name: "Errors",
  quantity: "errorsPerSecond",
  format: (rate) => `${formatRate(rate)}/s`,
};
const slowness: Charted = { name: "p95", quantity: "p95Ms", format: formatMs };
const waiting: Charted = { name: "Queue", quantity: "queued", format: formatCount };
const retries: Charted = {
  name: "Retries",
  quantity: "retriesPerSecond",
  format: (rate) => `${formatRate(rate)}/s`,
};

/** Kinds whose number is in the history. */
const charted: Readonly<Partial<Record<ProblemKind, Charted>>> = {
  ...{ upstream_errors: errors, upstream_down: errors, start_stalled: errors, probe_flaps: errors },
  ...{ pool_errors: errors, pool_empty: errors, panic: errors },
  ...{ upstream_slow: slowness, pool_slow: slowness },
  ...{ queue: waiting, retries_spent: retries },
};

const hourMs = 3_600_000;

/** One point a minute. A new problem is charted within seconds. */
export const problemTrends = {
  ...{ spanMs: hourMs, points: 60, newSubjectMs: 5_000 },
  subjects: ({ problems = [] }: TrendSource): readonly TrendSubject[] =>
    countedProblems(problems)
      .slice(0, problemsInFull)
      .flatMap((problem) => subjectOf(problem) ?? []),
} as const;

function subjectOf({ id, kind, subject: { pool, upstream } }: ServiceProblem): TrendSubject | undefined {
  if (!charted[kind]) return undefined;
  if (upstream !== null) return { key: id, query: { upstream } };
  return pool === null ? undefined : { key: id, query: { pool } };
}

/** Each by the id of its problem. */
export interface ProblemCharts {
  readonly trends: Trends;
  /** What the viewer has already: it is not sent again. */
  readonly seen: Trends | undefined;
}

interface ChartProps {
  readonly problem: ServiceProblem;
  readonly charts: ProblemCharts;
}

/** Nothing for a problem that no series tells of. Its place is there before the series was read. */
export function ProblemChart({ problem, charts: { trends, seen } }: ChartProps): JSX.Element {
  const chart = charted[problem.kind];
  if (!chart || !subjectOf(problem)) return "";
  const columns = trends.get(problem.id);
  const id = anchorOf("problem-line", problem.id);
  return (
    <div class="problem-chart">
      <dt>{`${chart.name}, 1 h`}</dt>
      {columns && columns === seen?.get(problem.id) ? (
        <dd id={id} data-kept></dd>
      ) : (
        <dd id={id}>
          {columns ? <Chart chart={chart} columns={columns} since={Date.parse(problem.since)} /> : ""}
        </dd>
      )}
    </div>
  );
}

interface LineProps {
  readonly chart: Charted;
  readonly columns: Columns;
  readonly since: number;
}

function Chart({ chart: { name, quantity, format }, columns, since }: LineProps): JSX.Element {
  const trend = trendOf([columns], quantity);
  const to = trend.at.at(-1) ?? 0;
  const from = to - hourMs;
  const peak = peakOf(trend);
  return (
    <span role="img" aria-label={attribute(`${name} of the last hour: ${chartText(trend, format)}`)}>
      <Lines
        kind="spark"
        lines={[{ trend, kind: peak > 0 ? "k-problem" : "k-rate", from, to, peak: peak * 1.1, filled: true }]}
        markAt={since > from && since < to ? (since - from) / hourMs : undefined}
      />
    </span>
  );
}

function chartText(trend: Trend, format: Charted["format"]): string {
  const latest = latestOf(trend);
  return `at most ${format(peakOf(trend))}, ${latest === null ? "unknown" : format(latest)} last`;
}
