/** One pool: its upstreams as a table on wide screens and as cards on narrow ones, from the same markup. */
/** @jsxImportSource @kitajs/html */

import type { PoolSnapshot, UpstreamSnapshot } from "../snapshot.ts";
import { Badge } from "./badge.tsx";
import { ErrorsCell } from "./errors-cell.tsx";
import { anchorOf, attribute } from "./escape.ts";
import { formatAgo, formatCount, formatMs, formatRate, formatShare, formatSpan, nothing } from "./format.ts";
import { ModeForm } from "./mode-form.tsx";
import { RehearsalBadge } from "./rehearsal.tsx";
import { ColumnHead, columns } from "./table-head.tsx";
import { standsBy } from "./verdict.ts";
import { arranged, fairShareOf, haystackOf, type View } from "./view.ts";

interface PoolProps {
  readonly pool: PoolSnapshot;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
  readonly view: View;
  readonly charts: JSX.Element;
}

export function PoolSection({ pool, now, view, charts }: PoolProps): JSX.Element {
  const id = anchorOf("pool", pool.name);
  const refused = Object.entries(pool.refusals).filter(([, count]) => count > 0);
  const upstreams = arranged(pool, view);
  return (
    <section class="pool" id={id} aria-labelledby={`${id}-name`}>
      <header class="pool-head">
        <h2 id={`${id}-name`}>
          <span class="quiet">Pool</span> <span safe>{pool.name}</span>
        </h2>
        <ul class="facts">
          <li safe>{pool.policy}</li>
          <li safe>{`probe: ${pool.probe}`}</li>
          <li safe>{`${formatCount(pool.retries)} retries`}</li>
          {refused.map(([reason, count]) => (
            <li class="refused" safe>{`${formatCount(count)} × ${reason}`}</li>
          ))}
        </ul>
      </header>
      {pool.panic ? (
        <p class="notice panic" role="status">
          PANIC: only ejected upstreams are left, so ejections are ignored and all of them serve.
        </p>
      ) : (
        ""
      )}
      {charts}
      {upstreams.length > 0 ? (
        <PoolTable pool={pool} upstreams={upstreams} now={now} view={view} />
      ) : (
        <p class="empty">
          {pool.upstreams.length > 0
            ? "No upstream here matches the filter."
            : "This pool has no upstreams yet."}
        </p>
      )}
    </section>
  );
}

interface TableProps extends Omit<PoolProps, "charts"> {
  readonly upstreams: readonly UpstreamSnapshot[];
}

/** Bars of more rows than this do not glide: a browser would do little else. */
const mostAnimated = 12;

function PoolTable({ pool, upstreams, now, view }: TableProps): JSX.Element {
  const whole = pool.upstreams.reduce((sum, upstream) => sum + upstream.traffic.requestsPerSecond, 0);
  return (
    <table role="table" class={upstreams.length > mostAnimated ? "grid many" : "grid"}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((column) => (
            <ColumnHead column={column} view={view} anchor={anchorOf("pool", pool.name)} />
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {upstreams.map((upstream) => (
          <UpstreamRow
            upstream={upstream}
            share={whole > 0 ? upstream.traffic.requestsPerSecond / whole : 0}
            fairShare={fairShareOf(pool, upstream)}
            now={now}
            view={view}
          />
        ))}
      </tbody>
    </table>
  );
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

/** The address of an upstream's own page. */
export function pageOf(id: string): string {
  return `/upstreams/${encodeURIComponent(id)}`;
}

function UpstreamRow({ upstream, share, fairShare, now, view }: RowProps): JSX.Element {
  const { id, url, status, traffic, lastProbe } = upstream;
  return (
    <tr
      role="row"
      id={anchorOf("upstream", id)}
      data-fit={upstream.fit ? "yes" : "no"}
      data-find={attribute(haystackOf(upstream))}
    >
      <th role="rowheader" scope="row" class="c-name">
        <a class="name" href={attribute(pageOf(id))} safe>
          {id}
        </a>
        <span class="sub" safe>
          {[url, ...traitsOf(upstream)].join(" · ")}
        </span>
      </th>
      <td role="cell" class="c-status" data-label="Status">
        <Badge status={status} />
        <span class="sub" safe>
          {statusNote(upstream, now)}
        </span>
        <RehearsalBadge upstream={upstream} now={now} />
      </td>
      <td role="cell" class="c-probe" data-label="Last probe">
        <span class="said" data-concern={lastProbe?.success === false ? "grave" : "none"} safe>
          {lastProbe ? lastProbe.detail : "none yet"}
        </span>
        <span class="sub" safe>
          {lastProbe ? `${formatMs(lastProbe.latencyMs)}, ${formatAgo(now - lastProbe.at)}` : nothing}
        </span>
      </td>
      <td role="cell" class="c-share" data-label="Share">
        <ShareBar share={share} fairShare={fairShare} />
      </td>
      <Figure label="In flight" value={formatCount(upstream.inFlight)} />
      <Figure
        kind="c-rate"
        label="Requests/s"
        value={formatRate(traffic.requestsPerSecond)}
        sub={`${formatCount(traffic.requests)} total`}
      />
      <ErrorsCell upstream={upstream} />
      <Figure kind="c-time" label="p50" value={formatMs(traffic.p50Ms)} />
      <Figure kind="c-time" label="p95" value={formatMs(traffic.p95Ms)} />
      <Figure kind="c-time" label="p99" value={formatMs(traffic.p99Ms)} />
      <td role="cell" class="c-mode" data-label="Mode">
        <ModeForm upstream={upstream} now={now} place={{ page: "overview", view }} />
      </td>
    </tr>
  );
}

function traitsOf({ weight, backup, slowStart }: UpstreamSnapshot): readonly string[] {
  return [
    ...(weight === 1 ? [] : [`weight\u00a0${weight}`]),
    ...(backup ? ["backup"] : []),
    ...(slowStart === null ? [] : [`slow start ${formatShare(slowStart)}`]),
  ];
}

/** What the status means for traffic, and for how long it has been so. */
export function statusNote(upstream: UpstreamSnapshot, now: number): string {
  const { status, inFlight, fit, statusSince } = upstream;
  const span = formatSpan(now - statusSince);
  if (status === "draining" || status === "maintenance") {
    return inFlight > 0 ? `${formatCount(inFlight)} to finish, ${span}` : "safe to stop";
  }
  if (standsBy(upstream)) return `stands by for ${span}`;
  return fit ? `serves for ${span}` : `out for ${span}`;
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
