/** A pool with its upstreams: a table on wide screens and cards on narrow ones, from the same markup. */
/** @jsxImportSource @kitajs/html */

import { AddLink } from "../actions/menu.tsx";
import { rowOf, type WriteRow } from "./upstream-row.tsx";
import { anchorOf, attribute } from "../responses.ts";
import type { ShownPool } from "./folding.ts";
import { afterClick, fairSharesOf, queryOf, sharesOf, type SortKey, type View } from "../view.ts";
import type { PoolSnapshot, UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { formatCount, formatMs, formatRate, formatShare } from "../../wording/format.ts";
import { servingText } from "../../wording/problems.ts";
import { refusalNote } from "../../wording/reasons.ts";
import { isTroubled, sourceText } from "../../wording/sources.ts";

interface PoolProps {
  readonly shown: ShownPool;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
  readonly view: View;
  /** Writes each row: in full, or only the cells that a viewer does not have yet. */
  readonly writeRow: WriteRow;
}

export function PoolSection({ shown, now, view, writeRow }: PoolProps): JSX.Element {
  const { pool, shown: upstreams, folded } = shown;
  const id = anchorOf("pool", pool.name);
  const refused = Object.entries(pool.refusals).filter(([, count]) => count > 0);
  return (
    <section class="pool" id={id} aria-labelledby={`${id}-name`}>
      <header class="pool-head">
        <h2 id={`${id}-name`}>
          <span class="quiet">Pool</span> <span safe>{pool.name}</span>
        </h2>
        <ul class="facts">
          {folded.length > 0 ? <li safe>{summaryOf(pool)}</li> : ""}
          <li safe>{pool.policy}</li>
          <li safe>{`probe: ${pool.probe}`}</li>
          {countsOf(pool).map((fact) => (
            <li safe>{fact}</li>
          ))}
          {(pool.discovery ?? []).map((source) => (
            <li class={isTroubled(source) ? "refused" : "source"} safe>
              {sourceText(source, now)}
            </li>
          ))}
          {refused.map(([reason, count]) => (
            <li class="refused" safe>
              {refusalNote(reason, count)}
            </li>
          ))}
        </ul>
        <AddLink pool={pool.name} location={{ page: "overview", view }} />
      </header>
      {pool.panic ? (
        <p class="notice panic" role="status">
          Panic mode: all upstreams that pass their probes are ejected, so ejections are ignored.
        </p>
      ) : (
        ""
      )}
      {upstreams.length > 0 ? (
        <PoolTable pool={pool} upstreams={upstreams} now={now} view={view} writeRow={writeRow} />
      ) : folded.length > 0 ? (
        ""
      ) : (
        <p class="empty">
          {pool.upstreams.length > 0
            ? "No upstream here matches the filter."
            : "This pool has no upstreams yet."}
        </p>
      )}
      {folded.length > 0 ? <Rest shown={shown} view={view} /> : ""}
    </section>
  );
}

/** "8 of 8 upstreams serve, 412/s, 0% errors, p95 31 ms" */
function summaryOf(pool: PoolSnapshot): string {
  const { requestsPerSecond, errorShare, p95Ms } = pool.traffic;
  return [
    servingText({ pools: [pool] }),
    `${formatRate(requestsPerSecond)}/s`,
    `${formatShare(errorShare)} errors`,
    `p95 ${formatMs(p95Ms)}`,
  ].join(", ");
}

/** One line in place of the upstreams that serve as usual. */
function Rest({ shown, view }: { readonly shown: ShownPool; readonly view: View }): JSX.Element {
  const { pool, folded, shown: rows } = shown;
  const open = [...(view.open ?? []), pool.name];
  const address = `/${queryOf({ ...view, onlyProblems: undefined, open })}#${anchorOf("pool", pool.name)}`;
  const p95s = folded.map(({ traffic }) => traffic.p95Ms).filter((value) => value !== null);
  const span =
    p95s.length > 0 ? `: p95 ${formatMs(Math.min(...p95s))} to ${formatMs(Math.max(...p95s))}` : "";
  return (
    <p class="rest">
      <a href={attribute(address)} safe>
        {rows.length === 0
          ? `Show all ${formatCount(folded.length)}`
          : `Show ${formatCount(folded.length)} more`}
      </a>
      <span safe>{` that serve as usual${span}`}</span>
    </p>
  );
}

/** Counts since start; zero counts are omitted except for retries. */
function countsOf({ retries, rescues, hedges, queued }: PoolSnapshot): readonly string[] {
  const hedged = hedges.won + hedges.lost;
  return [
    `${formatCount(retries)} retries`,
    ...(rescues > 0 ? [`${formatCount(rescues)} of them rescues`] : []),
    ...(hedged > 0 ? [`${formatCount(hedged)} hedges, ${formatCount(hedges.won)} won`] : []),
    ...(queued > 0 ? [`${formatCount(queued)} queued`] : []),
  ];
}

interface TableProps extends Omit<PoolProps, "shown"> {
  readonly pool: PoolSnapshot;
  readonly upstreams: readonly UpstreamSnapshot[];
}

/** With more rows than this, bars are not animated: the animation would keep the browser busy. */
const maxAnimated = 12;

function PoolTable({ pool, upstreams, now, view, writeRow }: TableProps): JSX.Element {
  const shareOf = sharesOf(pool);
  const fairShareOf = fairSharesOf(pool);
  return (
    <table role="table" class={upstreams.length > maxAnimated ? "grid many" : "grid"}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((column) => (
            <ColumnHead column={column} view={view} anchor={anchorOf("pool", pool.name)} />
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {upstreams.map((upstream) =>
          writeRow(
            rowOf({
              upstream,
              share: shareOf(upstream.traffic),
              fairShare: fairShareOf(upstream),
              now,
              isPanicking: pool.panic,
              view,
            }),
          ),
        )}
      </tbody>
    </table>
  );
}

interface Column {
  readonly name: string;
  readonly kind: string;
  /** Undefined for a column that cannot be sorted by. */
  readonly sort?: SortKey;
}

export const columns: readonly Column[] = [
  { name: "Upstream", kind: "c-name", sort: "name" },
  { name: "Status", kind: "c-status", sort: "status" },
  { name: "Uptime", kind: "c-uptime", sort: "uptime" },
  { name: "Last 60 probes", kind: "c-probe" },
  { name: "Share", kind: "c-share", sort: "share" },
  { name: "In flight", kind: "c-count", sort: "in-flight" },
  { name: "Requests/s", kind: "c-rate", sort: "rate" },
  { name: "Errors", kind: "c-errors", sort: "errors" },
  { name: "p50", kind: "c-time", sort: "p50" },
  { name: "p95", kind: "c-time", sort: "p95" },
  { name: "p99", kind: "c-time", sort: "p99" },
  { name: "Mode", kind: "c-mode" },
];

interface HeadProps {
  readonly column: Column;
  readonly view: View;
  /** The element to scroll to after a click. */
  readonly anchor: string;
}

/** A column head: a link that sorts by the column, also without JavaScript. */
function ColumnHead({ column: { name, kind, sort }, view, anchor }: HeadProps): JSX.Element {
  const direction = sort !== undefined && view.sort?.by === sort ? view.sort.direction : undefined;
  const order = direction === undefined ? {} : { "aria-sort": ariaOrders[direction] };
  return (
    <th role="columnheader" scope="col" class={kind} {...order}>
      {sort === undefined ? (
        name
      ) : (
        <a class="sort" href={attribute(`/${queryOf(afterClick(view, sort))}#${anchor}`)} data-sort={sort}>
          {name}
        </a>
      )}
    </th>
  );
}

const ariaOrders = { up: "ascending", down: "descending" } as const;
