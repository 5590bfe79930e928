/** `evenkeel routes`: the routes with their traffic of the last minute, worst first, once or every second. */

import type { Verb } from "../cli/verbs.ts";
import { routesIn } from "../client/decoders.ts";
import type { RouteCountsReport, RoutesReport } from "../snapshot/route-report.ts";
import { formatCount, formatMs, formatRate, formatShare } from "../wording/format.ts";
import { otherRoutesText, targetText } from "../wording/routes.ts";
import type { AdminCall, Failed } from "./admin-call.ts";
import type { LineLayout } from "./problem-lines.ts";
import { showLines, showReadings } from "./screen.ts";
import { type Cell, type ExitCode, renderColumns, type Terminal } from "./terminal.ts";

/** With `--watch` it runs until it is interrupted, also while the balancer is unreachable. */
export async function showRoutes(
  { isWatched, asJson }: Extract<Verb, { verb: "routes" }>,
  call: AdminCall,
  terminal: Terminal,
): Promise<ExitCode | Failed> {
  return await showReadings(isWatched, {
    read: () => call({ path: "/api/routes", isExpected: (value) => routesIn(value) !== undefined }),
    show(report) {
      if (asJson) terminal.write(`${JSON.stringify(report)}\n`);
      else showLines((layout) => routeLines(report as RoutesReport, layout), terminal, isWatched);
      return 0;
    },
    showFailure: ({ text }) => terminal.warn(text),
  });
}

const heads = ["ROUTE", "RATE", "ERRORS", "P50", "P95", "P99", "RETRIES", "REFUSED", "LEADS TO"];
const numbers = [1, 2, 3, 4, 5, 6, 7];

/** A line for each route, and one for the routes that are counted together. */
export function routeLines({ routes, others }: RoutesReport, layout: LineLayout): readonly string[] {
  const rows = [
    ...routes.map((route) => rowOf(route.route, route, targetText(route.leadsTo))),
    ...(others ? [rowOf(otherRoutesText(others), others, "")] : []),
  ];
  return renderColumns([heads.map((text): Cell => ({ text, tone: "dim" })), ...rows], {
    ...layout,
    right: numbers,
  });
}

function rowOf(name: string, { recent }: RouteCountsReport, target: string): readonly (string | Cell)[] {
  const { requestsPerSecond, errors, errorShare, p50Ms, p95Ms, p99Ms, retries, refusals } = recent;
  const share = formatShare(errorShare);
  return [
    name,
    formatRate(requestsPerSecond),
    errors > 0 ? { text: share, tone: "red" } : share,
    ...[p50Ms, p95Ms, p99Ms].map(formatMs),
    formatCount(retries),
    formatCount(refusals),
    target,
  ];
}
