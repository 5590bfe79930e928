/** The table of all upstreams: a body for each pool, worst first, whose first row sums it up. */
/** @jsxImportSource @kitajs/html */

import { ColumnHead, columns } from "./column-head.tsx";
import { shownTable, type ShownPool } from "./folding.ts";
import { TableKeys } from "../keys/key-list.tsx";
import { noteRows, restRows, summaryRow } from "./pool-row.tsx";
import { TableBar } from "./table-bar.tsx";
import { rowOf, type WriteRow } from "./upstream-row.tsx";
import { anchorOf } from "../responses.ts";
import { fairSharesOf, sharesOf, type View } from "../view.ts";
import type { PoolRoutes } from "../../wording/routes.ts";
import type { Trends } from "../live/trend-reader.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";

interface TableProps {
  readonly snapshot: Snapshot;
  /** The last half hour by upstream. */
  readonly trends: Trends;
  readonly routes: PoolRoutes;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
  readonly view: View;
  /** Writes each row: in full, or only the cells that a viewer does not have yet. */
  readonly writeRow: WriteRow;
}

/** With more rows than this, bars are not animated: the animation would keep the browser busy. */
const maxAnimated = 12;

/** What the balancer itself said last: a table that folds all when the balancer is gone would hide what was wrong. */
export function UpstreamTable({ snapshot, trends, routes, now, view, writeRow }: TableProps): JSX.Element {
  const { problems = [] } = snapshot;
  const table = shownTable({ snapshot, problems, view, now, routes });
  const rows = table.pools.reduce((sum, { shown }) => sum + shown.length, 0);
  return (
    <section class="servers" id="servers" aria-labelledby="servers-name">
      <TableBar snapshot={snapshot} table={table} view={view} />
      <table
        role="table"
        class={rows > maxAnimated ? "up many" : "up"}
        id="servers-table"
        aria-labelledby="servers-name"
        data-steady
      >
        <thead role="rowgroup" id="servers-head">
          <tr role="row">
            {columns.map((column) => (
              <ColumnHead column={column} view={view} />
            ))}
          </tr>
        </thead>
        {table.pools.map((shown) => (
          <PoolBody shown={shown} trends={trends} routes={routes} now={now} view={view} writeRow={writeRow} />
        ))}
      </table>
      <TableKeys />
      {table.pools.length === 0 ? <p class="empty">{nothingText(view, snapshot)}</p> : ""}
    </section>
  );
}

function nothingText({ filter }: View, { pools }: Snapshot): string {
  if (pools.length === 0) return "No pool is configured.";
  return filter === "" ? "No upstream has a problem." : "No upstream matches the filter.";
}

interface BodyProps extends Omit<TableProps, "snapshot"> {
  readonly shown: ShownPool;
}

/** Rows keep their order under the pointer and the focus: see public/problems.js. */
function PoolBody({ shown, trends, routes, now, view, writeRow }: BodyProps): JSX.Element {
  const { pool, usual } = shown;
  const shareOf = sharesOf(pool);
  const fairShareOf = fairSharesOf(pool);
  const left = new Set(usual);
  const leading = routes.get(pool.name);
  return (
    <tbody role="rowgroup" id={anchorOf("rows", pool.name)} data-steady>
      {writeRow(summaryRow({ shown, now, view, leading }))}
      {noteRows({ shown, now, view }).map(writeRow)}
      {shown.shown.map((row) =>
        writeRow(
          rowOf({
            ...row,
            pool: pool.name,
            trend: trends.get(row.upstream.id),
            share: shareOf(row.upstream.traffic),
            fairShare: fairShareOf(row.upstream),
            now,
            isUsual: left.has(row.upstream),
            view,
          }),
        ),
      )}
      {restRows({ shown, now, view }).map(writeRow)}
    </tbody>
  );
}
