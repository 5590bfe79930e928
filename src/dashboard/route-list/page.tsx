/** The page of routes: traffic of the last minute, the problems that hit each route, and where it leads. */
/** @jsxImportSource @kitajs/html */

import type { OtherRoutesReport, RoutesReport } from "../../snapshot/route-report.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { countWithNoun, formatCount, formatRate, formatTime } from "../../wording/format.ts";
import { otherRoutesText } from "../../wording/routes.ts";
import { adminApiErrorSentence } from "../../wording/verdict.ts";
import type { AdminResult } from "../admin-client.ts";
import { HiddenFields } from "../layout/forms.tsx";
import { PageTools } from "../layout/page-tools.tsx";
import { RangeProblems } from "../layout/range-bar.tsx";
import { markup, Shell } from "../layout/shell.tsx";
import { carriedQuery } from "../page-range.ts";
import { attribute } from "../responses.ts";
import { RouteListTable } from "./route-table.tsx";
import { routesAddress, type RouteView, shownRoutes, timedAddress, routeViewFields } from "./route-view.ts";

export interface RoutesPageProps {
  readonly view: RouteView;
  readonly result: AdminResult<RoutesReport>;
  /** For problems and the names of pools; undefined before the first successful read. */
  readonly snapshot: Snapshot | undefined;
  /** When the routes were read, epoch milliseconds. */
  readonly readAt: number;
}

/** The counters of routes move every ten seconds. */
const refresh = "every 5s";

export function renderRoutesPage(props: RoutesPageProps): string {
  const { view, snapshot } = props;
  const address = routesAddress(view);
  return markup(
    <Shell
      title="Routes · Evenkeel"
      here="routes"
      carried={view.range && carriedQuery(view.range)}
      snapshot={snapshot}
    >
      <main>
        <RangeProblems problems={view.range?.problems ?? []} />
        <header class="plain-head history-head">
          <div>
            <h1>Routes</h1>
            <p class="quiet">Traffic of the last minute, the most failing requests first.</p>
          </div>
          <p class="head-actions">
            <PageTools address={routesAddress(view, { isFixed: true })} />
          </p>
        </header>
        <RouteFilter view={view} pools={snapshot?.pools.map(({ name }) => name) ?? []} />
        <section
          class="pool"
          id="routes"
          aria-label="Routes"
          hx-get={attribute(address)}
          hx-trigger={refresh}
          hx-swap="innerMorph"
        >
          <RoutesView {...props} />
        </section>
      </main>
    </Shell>,
  );
}

/** The part of the page that is read again and again. */
export function renderRoutesPart(props: RoutesPageProps): string {
  return markup(<RoutesView {...props} />);
}

function RouteFilter({
  view,
  pools,
}: {
  readonly view: RouteView;
  readonly pools: readonly string[];
}): JSX.Element {
  const { filter, pool, onlyProblems } = view;
  const { filter: _, pool: __, ...kept } = routeViewFields(view);
  const times = Object.fromEntries(new URL(timedAddress("/", view.range, {}), "http://x").searchParams);
  return (
    <form class="route-filter" method="get" action="/routes" role="search">
      <HiddenFields fields={{ ...times, ...kept }} />
      <a
        class="button"
        href={attribute(routesAddress({ ...view, onlyProblems: !onlyProblems }))}
        data-key="p"
      >
        {onlyProblems ? "All routes" : "Problems only"}
      </a>
      <label class="unseen" for="route-pool">
        Pool that the routes lead to
      </label>
      <select id="route-pool" name="pool">
        <option value="">All pools</option>
        {[...new Set([...pools, ...(pool === undefined ? [] : [pool])])].map((name) => (
          <option value={attribute(name)} {...(name === pool ? { selected: true } : {})} safe>
            {name}
          </option>
        ))}
      </select>
      <label class="unseen" for="route-filter">
        Filter routes by name, host, path or target
      </label>
      <input
        type="search"
        id="route-filter"
        name="filter"
        value={attribute(filter)}
        placeholder="Filter routes"
        autocomplete="off"
        spellcheck="false"
      />
      <button type="submit">Filter</button>
    </form>
  );
}

/** A page with thousands of rows would be slow; the files have all. */
const maxRows = 200;

function RoutesView({ view, result, snapshot, readAt }: RoutesPageProps): JSX.Element {
  if ("error" in result)
    return (
      <p class="empty" role="alert" safe>
        {result.error.reason === "missing"
          ? "This balancer does not list routes: it is older than this dashboard."
          : `Cannot read the routes. ${adminApiErrorSentence(result.error)}`}
      </p>
    );
  const { routes, others } = result.value;
  const shown = shownRoutes(routes, snapshot?.problems ?? [], view);
  const rest = shown.length - maxRows;
  return (
    <>
      <p class="route-summary quiet" safe>
        {summaryText(result.value, shown.length, readAt)}
      </p>
      {shown.length === 0 ? (
        <p class="empty">
          {routes.length === 0 ? "This balancer has no routes." : "No route matches this filter."}
        </p>
      ) : (
        <RouteListTable routes={shown.slice(0, maxRows)} view={view} />
      )}
      {rest > 0 ? (
        <p class="empty" safe>{`${countWithNoun(rest, "further route")}: filter, or take the CSV.`}</p>
      ) : (
        ""
      )}
      {others ? <Others others={others} /> : ""}
    </>
  );
}

/** "12 routes, 1,204 requests/s, 2 with errors. Read at 14:26:07 UTC." */
function summaryText({ routes, others }: RoutesReport, shown: number, readAt: number): string {
  const all = [...routes, ...(others ? [others] : [])];
  const rate = all.reduce((sum, { recent }) => sum + recent.requestsPerSecond, 0);
  const failing = routes.filter(({ recent }) => recent.errors > 0).length;
  const count = routes.length + (others?.routes ?? 0);
  const part = shown < routes.length ? `${formatCount(shown)} of ` : "";
  const facts = [
    `${part}${countWithNoun(count, "route")}`,
    `${formatRate(rate)} requests/s in all`,
    failing === 0 ? "none with errors" : `${formatCount(failing)} with errors`,
  ];
  return `${facts.join(", ")}. Read at ${formatTime(readAt)}.`;
}

/** Routes beyond the limit of counters. */
function Others({ others }: { readonly others: OtherRoutesReport }): JSX.Element {
  const { requestsPerSecond, errors, refusals } = others.recent;
  const facts = [
    `${formatRate(requestsPerSecond)} requests/s`,
    countWithNoun(errors, "error"),
    countWithNoun(refusals, "refusal"),
  ];
  return <p class="empty" safe>{`${otherRoutesText(others)}: ${facts.join(", ")}.`}</p>;
}
