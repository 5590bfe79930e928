/** The data of the charts as a small table, for screen readers and browsers without scripts. */
/** @jsxImportSource @kitajs/html */

import type { Columns } from "../../history/point.ts";
import { formatMs, formatRate, formatTime, isoTime } from "../../wording/format.ts";
import { markup } from "../layout/shell.tsx";

interface NumbersProps {
  /** Undefined if the history could not be read. */
  readonly columns: Columns | undefined;
  /** Length of the time shown, milliseconds. */
  readonly spanMs: number;
}

interface Row {
  readonly from: number;
  readonly to: number;
  readonly requestsPerSecond: number;
  readonly errorsPerSecond: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

/** The number of rows; each covers a tenth of the time. */
const rowsShown = 10;

/** Newest first. Rates are means; of percentiles, which cannot be averaged, a row shows the worst. */
export function rowsOf(columns: Columns, spanMs: number): readonly Row[] {
  const last = columns.at.at(-1);
  if (last === undefined) return [];
  const stepMs = spanMs / rowsShown;
  const begin = (index: number) => last - stepMs * (index + 1);
  return Array.from({ length: rowsShown }, (_, index) => index).flatMap((index) => {
    const inside = [...columns.at.keys()].filter((each) => {
      const at = columns.at[each] ?? 0;
      return at > begin(index) && at <= begin(index) + stepMs && columns.requestsPerSecond[each] !== null;
    });
    if (inside.length === 0) return [];
    const mean = (column: readonly (number | null)[]) =>
      inside.reduce((sum, each) => sum + (column[each] ?? 0), 0) / inside.length;
    const worst = (column: readonly (number | null)[]) => {
      const known = inside.flatMap((each) => column[each] ?? []);
      return known.length > 0 ? Math.max(...known) : null;
    };
    return [
      {
        from: begin(index),
        to: begin(index) + stepMs,
        requestsPerSecond: mean(columns.requestsPerSecond),
        errorsPerSecond: mean(columns.errorsPerSecond),
        p50Ms: worst(columns.p50Ms),
        p95Ms: worst(columns.p95Ms),
        p99Ms: worst(columns.p99Ms),
      },
    ];
  });
}

/** A time of day alone is not clear in a longer time. */
const dayMs = 86_400_000;

export function ChartDataTable({ columns, spanMs }: NumbersProps): JSX.Element {
  if (!columns) return <p class="quiet">The history is currently unavailable.</p>;
  const rows = rowsOf(columns, spanMs);
  if (rows.length === 0) return <p class="quiet">No data in this period.</p>;
  return (
    <div class="scroll" tabindex="0" role="group" aria-label="Table of the history">
      <table class="plain">
        <thead>
          <tr>
            {["Until", "Requests/s", "Errors/s", "Worst p50", "Worst p95", "Worst p99"].map((name) => (
              <th scope="col">{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              <th scope="row">
                <time datetime={isoTime(row.to)} safe>
                  {spanMs > dayMs
                    ? `${isoTime(row.to).slice(0, 10)} ${formatTime(row.to)}`
                    : formatTime(row.to)}
                </time>
              </th>
              <td safe>{formatRate(row.requestsPerSecond)}</td>
              <td safe>{formatRate(row.errorsPerSecond)}</td>
              <td safe>{formatMs(row.p50Ms)}</td>
              <td safe>{formatMs(row.p95Ms)}</td>
              <td safe>{formatMs(row.p99Ms)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The table as a fragment, for a page whose table is open. */
export function renderNumbers(columns: Columns | undefined, spanMs: number): string {
  return markup(<ChartDataTable columns={columns} spanMs={spanMs} />);
}
