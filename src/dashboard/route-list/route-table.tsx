/** The table of routes: one row each, which leads to its requests, its pool and its time in the charts. */
/** @jsxImportSource @kitajs/html */

import type { ServiceProblem } from "../../problems/problem.ts";
import type { RouteReport, RouteTarget } from "../../snapshot/route-report.ts";
import { formatBrief, formatCount, formatMs, formatRate, formatShare } from "../../wording/format.ts";
import { type RouteSortKey, targetText } from "../../wording/routes.ts";
import { concernOf } from "../../wording/verdict.ts";
import { SortHead } from "../layout/sort-head.tsx";
import { levelTones, levelWords, ToneMark } from "../layout/tone-mark.tsx";
import { addressOf } from "../overview/problem-links.tsx";
import { anchorOf, attribute } from "../responses.ts";
import { plainView, queryOf } from "../view.ts";
import {
  afterHeadClick,
  type ListedRoute,
  requestRoute,
  routesAddress,
  type RouteView,
  timedAddress,
} from "./route-view.ts";

interface Column {
  readonly name: string;
  readonly sort?: RouteSortKey;
}

/** In the order of the cells. */
const columns: readonly Column[] = [
  { name: "Route", sort: "name" },
  { name: "Leads to" },
  { name: "Requests/s", sort: "rps" },
  { name: "Errors", sort: "errors" },
  { name: "p50", sort: "p50" },
  { name: "p95", sort: "p95" },
  { name: "p99", sort: "p99" },
  { name: "Retries", sort: "retries" },
  { name: "Refused", sort: "refusals" },
  { name: "See" },
];

/** The first two columns and the last one are texts. */
const isText = (index: number) => index < 2 || index === columns.length - 1;

interface TableProps {
  readonly routes: readonly ListedRoute[];
  readonly view: RouteView;
}

export function RouteListTable({ routes, view }: TableProps): JSX.Element {
  return (
    <table class="list-table stacked route-table">
      <thead>
        <tr>
          {columns.map(({ name, sort }, index) => (
            <SortHead
              name={name}
              kind={isText(index) ? "" : "num"}
              href={sort && routesAddress(afterHeadClick(view, sort))}
              direction={sort !== undefined && view.sort?.by === sort ? view.sort.direction : undefined}
            />
          ))}
        </tr>
      </thead>
      <tbody>
        {routes.map((route) => (
          <RouteRow route={route} view={view} />
        ))}
      </tbody>
    </table>
  );
}

interface RowProps {
  readonly route: ListedRoute;
  readonly view: RouteView;
}

function RouteRow({ route: { report, problems }, view }: RowProps): JSX.Element {
  const { route, place, recent, total, leadsTo } = report;
  const errors = formatShare(recent.errorShare);
  return (
    <tr id={anchorOf("route", place)}>
      <th scope="row">
        <a class="name" href={attribute(requestsAddress(report, view))} safe>
          {route}
        </a>{" "}
        <span class="quiet route-place" safe>
          {place}
        </span>
        {problems.length > 0 ? <Problems problems={problems} /> : ""}
      </th>
      <td data-name="Leads to">
        <Target target={leadsTo} />
      </td>
      <td class="num" data-name="Requests/s" title={attribute(`${formatBrief(total.requests)} in all`)} safe>
        {formatRate(recent.requestsPerSecond)}
      </td>
      <td class="num" data-name="Errors" data-concern={concernOf(recent.errorShare)}>
        {recent.errors > 0 ? (
          <a
            href={attribute(failedAddress(report, view))}
            title={attribute(`${formatCount(recent.errors)} in the last minute`)}
            safe
          >
            {errors}
          </a>
        ) : (
          <span safe>{errors}</span>
        )}
      </td>
      <td class="num" data-name="p50" safe>
        {formatMs(recent.p50Ms)}
      </td>
      <td class="num" data-name="p95" safe>
        {formatMs(recent.p95Ms)}
      </td>
      <td class="num" data-name="p99" safe>
        {formatMs(recent.p99Ms)}
      </td>
      <td class="num" data-name="Retries" data-concern={recent.retries > 0 ? "slight" : "none"} safe>
        {formatCount(recent.retries)}
      </td>
      <td class="num" data-name="Refused" data-concern={recent.refusals > 0 ? "slight" : "none"} safe>
        {formatCount(recent.refusals)}
      </td>
      <td class="route-links">
        <a href={attribute(requestsAddress(report, view))} aria-label={attribute(`Requests of ${route}`)}>
          Requests
        </a>{" "}
        {leadsTo.pools.length === 0 ? (
          ""
        ) : (
          <a href={attribute(historyAddress(report, view))} aria-label={attribute(`Charts of ${route}`)}>
            Charts
          </a>
        )}
      </td>
    </tr>
  );
}

/** The problems that hit a route. */
function Problems({ problems }: { readonly problems: readonly ServiceProblem[] }): JSX.Element {
  return (
    <ul class="route-problems">
      {problems.map((problem) => (
        <li data-tone={levelTones[problem.level]}>
          <ToneMark tone={levelTones[problem.level]} />
          <span class="unseen">{levelWords[problem.level]}: </span>
          <a href={attribute(problemAddress(problem))} safe>
            {problem.title}
          </a>
        </li>
      ))}
    </ul>
  );
}

/** On the overview, a problem of a pool leads to the pool below it. */
function problemAddress(problem: ServiceProblem): string {
  const address = addressOf(problem);
  return address.startsWith("#") ? `/${address}` : address;
}

function Target({ target }: { readonly target: RouteTarget }): JSX.Element {
  const { kind, words, pools } = target;
  if (kind === "pool" && pools[0] !== undefined)
    return (
      <>
        <span class="quiet">pool</span> <PoolLink name={pools[0]} text={words} />
      </>
    );
  if (kind === "split") {
    const shares = words.split(", ");
    return (
      <>
        <span class="quiet">split</span>{" "}
        {pools.map((name, index) => (
          <>
            <PoolLink name={name} text={shares[index] ?? name} />{" "}
          </>
        ))}
      </>
    );
  }
  return <span safe>{targetText(target)}</span>;
}

function PoolLink({ name, text }: { readonly name: string; readonly text: string }): JSX.Element {
  const address = `/${queryOf({ ...plainView, open: [name] })}#${anchorOf("pool", name)}`;
  return (
    <a href={attribute(address)} safe>
      {text}
    </a>
  );
}

function requestsAddress(report: RouteReport, { range }: RouteView): string {
  return timedAddress("/requests", range, { route: requestRoute(report) });
}

/** Without a time, of the last quarter of an hour: failed ones are kept. */
function failedAddress(report: RouteReport, { range }: RouteView): string {
  const times: Record<string, string> = range ? {} : { from: "-15m", to: "now" };
  return timedAddress("/requests", range, { ...times, route: requestRoute(report), outcome: "failed" });
}

/** Routes have no history of their own: the charts are those of the pool, with the requests of the route. */
function historyAddress(report: RouteReport, { range }: RouteView): string {
  const { pools } = report.leadsTo;
  const pool: Record<string, string> = pools.length === 1 && pools[0] !== undefined ? { pool: pools[0] } : {};
  return timedAddress("/history", range, { ...pool, route: requestRoute(report) });
}
