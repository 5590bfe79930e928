/** One upstream as a row of its pool's table; for a page that lives, only the cells that are other than they were. */
/** @jsxImportSource @kitajs/html */

import type { UpstreamSnapshot } from "../snapshot.ts";
import { RowActions } from "./actions/row-actions.tsx";
import { SelectBox } from "./actions/select.tsx";
import { Badge } from "./badge.tsx";
import { ErrorsCell } from "./errors-cell.tsx";
import { anchorOf, attribute } from "./escape.ts";
import { formatAgo, formatCount, formatMs, formatRate, formatShare, nothing } from "./format.ts";
import { pageOf } from "./place.ts";
import { RehearsalBadge } from "./rehearsal.tsx";
import { markup } from "./shell.tsx";
import { setBy, statusNote, traitsOf } from "./status-note.ts";
import { haystackOf, type View } from "./view.ts";

export interface Row {
  /** Escaped already. */
  readonly attributes: Readonly<Record<string, string>> & { readonly id: string };
  /** Markup, cell by cell. */
  readonly cells: readonly string[];
}

export type WriteRow = (row: Row) => string;

export function wholeRow({ attributes, cells }: Row): string {
  return markup(<tr {...attributes}>{cells.join("")}</tr>);
}

/**
 * Cells that are as they were are left empty and marked: the page's script keeps what stands there. A row in which all
 * of them are is marked as a whole.
 */
export function rowSince(row: Row, seen: Row | undefined): string {
  if (!seen) return wholeRow(row);
  const cells = row.cells.map((cell, index) => (cell === seen.cells[index] ? kept(cell) : cell));
  const isSame = cells.every((cell, index) => cell !== row.cells[index]);
  return isSame && JSON.stringify(row.attributes) === JSON.stringify(seen.attributes)
    ? `<tr id="${row.attributes.id}" data-kept></tr>`
    : wholeRow({ ...row, cells });
}

function kept(cell: string): string {
  return cell.startsWith("<th") ? "<th data-kept></th>" : "<td data-kept></td>";
}

interface RowProps {
  readonly upstream: UpstreamSnapshot;
  /** Of the pool's requests per second, 0–1. */
  readonly share: number;
  /** What its weight stands for, 0–1. */
  readonly fairShare: number;
  readonly now: number;
  readonly view: View;
}

export function rowOf({ upstream, share, fairShare, now, view }: RowProps): Row {
  const { id, url, status, traffic, lastProbe } = upstream;
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
      <span class="sub" safe>
        {[url, ...traitsOf(upstream)].join(" · ")}
      </span>
    </th>,
    <td role="cell" class="c-status" data-label="Status">
      <Badge status={status} />
      <span class="sub" safe>
        {statusNote(upstream, now)}
      </span>
      {setBy(upstream) === "" ? (
        ""
      ) : (
        <span class="sub" safe>
          {setBy(upstream)}
        </span>
      )}
      <RehearsalBadge upstream={upstream} now={now} />
    </td>,
    <td role="cell" class="c-probe" data-label="Last probe">
      <span class="said" data-concern={lastProbe?.success === false ? "grave" : "none"} safe>
        {lastProbe ? lastProbe.detail : "none yet"}
      </span>
      <span class="sub" safe>
        {lastProbe ? `${formatMs(lastProbe.latencyMs)}, ${formatAgo(now - lastProbe.at)}` : nothing}
      </span>
    </td>,
    <td role="cell" class="c-share" data-label="Share">
      <ShareBar share={share} fairShare={fairShare} />
    </td>,
    <Figure
      label="In flight"
      value={formatCount(upstream.inFlight)}
      sub={`of ${formatCount(upstream.maxInFlight)}`}
    />,
    <Figure
      kind="c-rate"
      label="Requests/s"
      value={formatRate(traffic.requestsPerSecond)}
      sub={`${formatCount(traffic.requests)} total`}
    />,
    <ErrorsCell upstream={upstream} />,
    <Figure kind="c-time" label="p50" value={formatMs(traffic.p50Ms)} />,
    <Figure kind="c-time" label="p95" value={formatMs(traffic.p95Ms)} />,
    <Figure kind="c-time" label="p99" value={formatMs(traffic.p99Ms)} />,
    <td role="cell" class="c-mode" data-label="Mode">
      <RowActions upstream={upstream} now={now} place={{ page: "overview", view }} />
    </td>,
  ];
  return { attributes, cells: cells.map(markup) };
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

interface ShareProps {
  readonly share: number;
  readonly fairShare: number;
}

/** SVG, because a width in a style attribute is what the content security policy forbids. */
function ShareBar({ share, fairShare }: ShareProps): JSX.Element {
  const percent = (part: number) => `${(part * 100).toFixed(1)}%`;
  return (
    <>
      <span class="share">
        <svg class="bar" width="100%" height="10" aria-hidden="true">
          <rect class="bar-rest" y="2" width="100%" height="6" rx="3" />
          <rect class="bar-part" y="2" width={percent(share)} height="6" rx="3" />
          {fairShare > 0 ? <rect class="bar-fair" x={percent(fairShare)} width="2" height="10" /> : ""}
        </svg>
        <span class="share-word" safe>
          {formatShare(share)}
        </span>
      </span>
      <span class="sub" safe>
        {`fair ${fairShare > 0 ? formatShare(fairShare) : nothing}`}
      </span>
    </>
  );
}
