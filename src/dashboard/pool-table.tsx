/** One pool: its upstreams as a table on wide screens and as cards on narrow ones, from the same markup. */
/** @jsxImportSource @kitajs/html */

import type { PoolSnapshot, UpstreamSnapshot } from "../snapshot.ts";
import { Badge } from "./badge.tsx";
import { anchorOf } from "./escape.ts";
import { formatAgo, formatCount, formatMs, formatRate, formatShare, nothing } from "./format.ts";
import { ModeForm } from "./mode-form.tsx";
import { type Concern, concernOf, standsBy } from "./verdict.ts";

interface PoolProps {
  readonly pool: PoolSnapshot;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

export function PoolSection({ pool, now }: PoolProps): JSX.Element {
  const id = anchorOf("pool", pool.name);
  const refused = Object.entries(pool.refusals).filter(([, count]) => count > 0);
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
      {pool.upstreams.length > 0 ? (
        <PoolTable pool={pool} now={now} />
      ) : (
        <p class="empty">This pool has no upstreams yet.</p>
      )}
    </section>
  );
}

const columns = [
  ["Upstream", "c-name"],
  ["Status", "c-status"],
  ["Last probe", "c-probe"],
  ["Share", "c-share"],
  ["In flight", "c-count"],
  ["Requests/s", "c-rate"],
  ["Errors", "c-count"],
  ["p50", "c-time"],
  ["p95", "c-time"],
  ["p99", "c-time"],
  ["Mode", "c-mode"],
] as const;

function PoolTable({ pool, now }: PoolProps): JSX.Element {
  const whole = pool.upstreams.reduce((sum, upstream) => sum + upstream.traffic.requestsPerSecond, 0);
  return (
    <table role="table">
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(([name, kind]) => (
            <th role="columnheader" scope="col" class={kind}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {pool.upstreams.map((upstream) => (
          <UpstreamRow
            upstream={upstream}
            share={whole > 0 ? upstream.traffic.requestsPerSecond / whole : 0}
            now={now}
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
  readonly now: number;
}

function UpstreamRow({ upstream, share, now }: RowProps): JSX.Element {
  const { id, url, status, traffic, lastProbe } = upstream;
  return (
    <tr role="row" id={anchorOf("upstream", id)} data-fit={upstream.fit ? "yes" : "no"}>
      <th role="rowheader" scope="row" class="c-name">
        <span class="name" safe>
          {id}
        </span>
        <span class="sub" safe>
          {[url, ...traitsOf(upstream)].join(" · ")}
        </span>
      </th>
      <td role="cell" class="c-status" data-label="Status">
        <Badge status={status} />
        <span class="sub" safe>
          {statusNote(upstream)}
        </span>
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
        <ShareBar share={share} />
      </td>
      <Figure label="In flight" value={formatCount(upstream.inFlight)} />
      <Figure
        kind="c-rate"
        label="Requests/s"
        value={formatRate(traffic.requestsPerSecond)}
        sub={`${formatCount(traffic.requests)} total`}
      />
      <Figure
        label="Errors"
        value={formatShare(traffic.errorShare)}
        concern={concernOf(traffic.errorShare)}
        sub={`${formatCount(traffic.errors)} total`}
      />
      <Figure kind="c-time" label="p50" value={formatMs(traffic.p50Ms)} />
      <Figure kind="c-time" label="p95" value={formatMs(traffic.p95Ms)} />
      <Figure kind="c-time" label="p99" value={formatMs(traffic.p99Ms)} />
      <td role="cell" class="c-mode" data-label="Mode">
        <ModeForm upstream={upstream} now={now} />
      </td>
    </tr>
  );
}

function traitsOf({ weight, backup }: UpstreamSnapshot): readonly string[] {
  return [...(weight === 1 ? [] : [`weight\u00a0${weight}`]), ...(backup ? ["backup"] : [])];
}

/** What the status means for traffic, where that is not plain from its name. */
function statusNote(upstream: UpstreamSnapshot): string {
  const { status, inFlight, fit } = upstream;
  if (status === "draining" || status === "maintenance") {
    return inFlight > 0 ? `${formatCount(inFlight)} to finish` : "empty, safe to stop";
  }
  if (standsBy(upstream)) return "stands by";
  return fit ? "serves" : "no new requests";
}

interface FigureProps {
  readonly label: string;
  readonly value: string;
  readonly sub?: string;
  readonly kind?: "c-count" | "c-rate" | "c-time";
  readonly concern?: Concern;
}

function Figure({ label, value, sub, kind = "c-count", concern = "none" }: FigureProps): JSX.Element {
  return (
    <td role="cell" class={kind} data-label={label}>
      <span class="figure" data-concern={concern} safe>
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

/** SVG, because a width in a style attribute is what the content security policy forbids. */
function ShareBar({ share }: { readonly share: number }): JSX.Element {
  return (
    <span class="share">
      <svg class="bar" width="100%" height="6" aria-hidden="true">
        <rect class="bar-rest" width="100%" height="6" rx="3" />
        <rect class="bar-part" width={`${(share * 100).toFixed(1)}%`} height="6" rx="3" />
      </svg>
      <span class="share-word" safe>
        {formatShare(share)}
      </span>
    </span>
  );
}
