/** An upstream as a row of its pool's table. For live pages, only the cells that changed are sent. */
/** @jsxImportSource @kitajs/html */

import type { UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { RowActions, SelectBox } from "../actions/menu.tsx";
import { badgesOf, ErrorsCell, ProbesCell, ShareCell, StatusCell, UptimeCell } from "./upstream-cells.tsx";
import { anchorOf, attribute } from "../responses.ts";
import { formatBrief, formatCount, formatMs, formatRate } from "../../wording/format.ts";
import { pageOf } from "../location.ts";
import { markup } from "../layout/shell.tsx";
import { capacityNote, slotsInUse } from "../../wording/reasons.ts";
import { haystackOf, type View } from "../view.ts";

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

interface RowProps {
  readonly upstream: UpstreamSnapshot;
  /** Of the pool's requests per second, 0–1. */
  readonly share: number;
  /** The share that its weight stands for, 0–1. */
  readonly fairShare: number;
  readonly now: number;
  /** Whether its pool is in panic mode. */
  readonly isPanicking: boolean;
  readonly view: View;
}

export function rowOf({ upstream, share, fairShare, now, isPanicking, view }: RowProps): Row {
  const { id, url, traffic } = upstream;
  const attributes = {
    role: "row",
    id: anchorOf("upstream", id),
    "data-fit": upstream.fit ? "yes" : "no",
    "data-find": attribute(haystackOf(upstream)),
  };
  const cells = [
    <th role="rowheader" scope="row" class="c-name">
      <SelectBox id={id} />
      <a class="name" href={attribute(pageOf(id))} safe>
        {id}
      </a>
      <UpstreamUrl url={url} />
      {badgesOf(upstream).map((trait) => (
        <span class="sub" safe>
          {trait}
        </span>
      ))}
    </th>,
    <StatusCell upstream={upstream} now={now} isPanicking={isPanicking} />,
    <UptimeCell upstream={upstream} now={now} />,
    <ProbesCell upstream={upstream} />,
    <ShareCell share={share} fairShare={fairShare} />,
    <Figure label="In flight" value={formatCount(slotsInUse(upstream))} sub={capacityNote(upstream)} />,
    <Figure
      kind="c-rate"
      label="Requests/s"
      value={formatRate(traffic.requestsPerSecond)}
      sub={`${formatBrief(traffic.requests)} total`}
    />,
    <ErrorsCell upstream={upstream} />,
    <Figure kind="c-time" label="p50" value={formatMs(traffic.p50Ms)} />,
    <Figure kind="c-time" label="p95" value={formatMs(traffic.p95Ms)} />,
    <Figure kind="c-time" label="p99" value={formatMs(traffic.p99Ms)} />,
    <td role="cell" class="c-mode" data-label="Mode">
      <RowActions upstream={upstream} now={now} location={{ page: "overview", view }} />
    </td>,
  ];
  return { attributes, cells: cells.map(markup) };
}

/** In a narrow column the URL wraps after the scheme, not inside the port. */
function UpstreamUrl({ url }: { readonly url: string }): JSX.Element {
  const host = url.indexOf("//") + 2;
  return (
    <span class="sub">
      <span safe>{url.slice(0, host)}</span>
      <wbr />
      <span safe>{url.slice(host)}</span>
    </span>
  );
}

interface FigureProps {
  readonly label: string;
  readonly value: string;
  readonly sub?: string;
  readonly kind?: "c-count" | "c-rate" | "c-time";
}

function Figure({ label, value, sub, kind = "c-count" }: FigureProps): JSX.Element {
  return (
    <td role="cell" class={kind} data-label={label}>
      <span class="figure" safe>
        {value}
      </span>
      {sub === undefined ? (
        ""
      ) : (
        <span class="sub" safe>
          {sub}
        </span>
      )}
    </td>
  );
}
