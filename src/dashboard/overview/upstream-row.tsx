/** An upstream as a row of the table. For live pages, only the cells that changed are sent. */
/** @jsxImportSource @kitajs/html */

import { SelectBox } from "../actions/selection.tsx";
import { actionsCell } from "../actions/row-menu.tsx";
import type { ShownUpstream } from "./folding.ts";
import {
  ErrorsCell,
  NameCell,
  NumberCell,
  ProbesCell,
  ShareCell,
  StateCell,
  TrendCell,
} from "./upstream-cells.tsx";
import { anchorOf, attribute } from "../responses.ts";
import { formatBrief, formatCount, formatMs, formatRate } from "../../wording/format.ts";
import type { Columns } from "../../history/point.ts";
import { markup } from "../layout/shell.tsx";
import { capacityNote, slotsInUse } from "../../wording/reasons.ts";
import { haystackOf, type View } from "../view.ts";

/** A row of any kind: of an upstream, of a pool, or a note. */
export interface Row {
  /** Already escaped. */
  readonly attributes: Readonly<Record<string, string>> & { readonly id: string };
  /** Markup, cell by cell. */
  readonly cells: readonly string[];
}

export type WriteRow = (row: Row) => string;

export function wholeRow({ attributes, cells }: Row): string {
  return markup(<tr {...attributes}>{cells.join("")}</tr>);
}

/**
 * Sends unchanged cells empty and with a marker: the page's script keeps their content. A row without any change is
 * sent as a single marked element.
 */
export function rowSince(row: Row, seen: Row | undefined): string {
  if (!seen) return wholeRow(row);
  const cells = row.cells.map((cell, index) => (cell === seen.cells[index] ? emptyCell(cell) : cell));
  const isSame = cells.every((cell, index) => cell !== row.cells[index]);
  return isSame && JSON.stringify(row.attributes) === JSON.stringify(seen.attributes)
    ? `<tr id="${row.attributes.id}" data-kept></tr>`
    : wholeRow({ ...row, cells });
}

function emptyCell(cell: string): string {
  return cell.startsWith("<th") ? "<th data-kept></th>" : "<td data-kept></td>";
}

interface RowProps extends ShownUpstream {
  readonly pool: string;
  /** Its last half hour; undefined until it was read. */
  readonly trend: Columns | undefined;
  /** Of the pool's requests per second, 0–1. */
  readonly share: number;
  /** The share that its weight stands for, 0–1. */
  readonly fairShare: number;
  readonly now: number;
  /** Whether a narrow screen leaves it out, because it serves as usual. */
  readonly isUsual: boolean;
  readonly view: View;
}

export function rowOf({ upstream, state, problem, ...props }: RowProps): Row {
  const { pool, trend, share, fairShare, now, isUsual, view } = props;
  const { id, traffic, weight, weightSet } = upstream;
  const isSlow = problem?.kind === "upstream_slow";
  const attributes = {
    role: "row",
    id: anchorOf("upstream", id),
    "data-tone": state.tone,
    "data-find": attribute(haystackOf(upstream, pool)),
    ...(isUsual ? { class: "usual" } : {}),
  };
  const cells = [
    <td role="cell" class="s-pick">
      <SelectBox id={id} />
    </td>,
    <NameCell upstream={upstream} tone={state.tone} />,
    <StateCell upstream={upstream} state={state} now={now} />,
    <TrendCell trend={trend} problem={problem} />,
    <ShareCell share={share} fairShare={fairShare} />,
    <NumberCell
      kind="s-wide"
      value={formatCount(slotsInUse(upstream))}
      note={`In flight, ${capacityNote(upstream)}`}
    />,
    <NumberCell
      value={formatRate(traffic.requestsPerSecond)}
      note={`${formatBrief(traffic.requests)} requests since start`}
    />,
    <ErrorsCell upstream={upstream} />,
    <NumberCell kind="s-wide" value={formatMs(traffic.p50Ms)} />,
    <NumberCell kind="s-p95" value={formatMs(traffic.p95Ms)} isWrong={isSlow} />,
    <NumberCell kind="s-wide" value={formatMs(traffic.p99Ms)} />,
    <ProbesCell upstream={upstream} />,
    <NumberCell
      kind="s-weight"
      value={String(weight)}
      note={weightSet ? `Weight set by ${weightSet.by}. ${weightSet.why}`.trim() : ""}
    />,
  ];
  return { attributes, cells: [...cells.map(markup), actionsCell({ upstream, now, view })] };
}
