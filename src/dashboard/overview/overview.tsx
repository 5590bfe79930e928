/** The live part of the overview: overall status, totals and pools, rendered from one state. */
/** @jsxImportSource @kitajs/html */

import type { Snapshot, Traffic } from "../../snapshot/snapshot.ts";
import { FleetStrip } from "../fleet/strip.tsx";
import { Alerts, WorkersPanel } from "./alerts.tsx";
import { ToneMark } from "../layout/tone-mark.tsx";
import { ProblemPanel } from "./problem-panel.tsx";
import { Glyph, Tile } from "../layout/widgets.tsx";
import { PageFoot } from "../layout/shell.tsx";
import {
  formatAgo,
  formatBrief,
  formatCount,
  formatMs,
  formatRate,
  formatShare,
} from "../../wording/format.ts";
import { latestOf, type Quantity, Sparkline, trendOf } from "../charts/sparkline.tsx";
import {
  balancerNow,
  concernOf,
  type DashboardState,
  type ListenerCheck,
  overallStatus,
  seenProblems,
  urlOrigin,
} from "../../wording/verdict.ts";
import { isFolding, isOpened, shownPools } from "./folding.ts";
import { PoolSection } from "./pool-table.tsx";
import { FaultBanner } from "../upstream/fault.tsx";
import { trendMs } from "../live/upstream-poller.ts";
import { wholeRow, type WriteRow } from "./upstream-row.tsx";
import type { Reason } from "../../wording/reasons.ts";
import type { View } from "../view.ts";

export interface OverviewProps {
  readonly state: DashboardState;
  readonly view: View;
  /** The charts of a pool: in full, or a stub if the page already has them. */
  readonly chartsOf: (pool: string) => JSX.Element;
  readonly writeRow?: WriteRow | undefined;
}

/** Children of the live region. */
export function Overview({ state, view, chartsOf, writeRow = wholeRow }: OverviewProps): JSX.Element {
  const { snapshot, outage } = state;
  const problems = seenProblems(state);
  return (
    <>
      <VerdictBand state={state} />
      {snapshot?.fleet ? <FleetStrip fleet={snapshot.fleet} /> : ""}
      <ProblemPanel problems={problems} now={balancerNow(state)} view={view} />
      <FaultBanner snapshot={snapshot} now={balancerNow(state)} />
      <div class={outage && snapshot ? "known stale" : "known"}>
        {snapshot ? <Alerts snapshot={snapshot} problems={problems} /> : ""}
        <Totals state={state} />
        {snapshot ? (
          shownPools(snapshot, problems, view).map((shown) => (
            <PoolSection
              shown={shown}
              now={balancerNow(state)}
              view={view}
              charts={
                isFolding(snapshot) && !isOpened(view, shown.pool.name) ? "" : chartsOf(shown.pool.name)
              }
              writeRow={writeRow}
            />
          ))
        ) : (
          <NothingYet state={state} />
        )}
        {snapshot?.workers ? <WorkersPanel workers={snapshot.workers} /> : ""}
      </div>
      <PageFoot state={state} />
    </>
  );
}

function VerdictBand({ state }: { readonly state: DashboardState }): JSX.Element {
  const { tone, headline, reasons } = overallStatus(state);
  // "On an even keel." is what one sees from afar; the rest of the sentence is its evidence.
  const [, lead = headline, rest = ""] = tone === "good" ? (/^(.*?\.) (.*)$/.exec(headline) ?? []) : [];
  return (
    <section class="verdict" data-tone={tone}>
      <ToneMark tone={tone} />
      <div class="verdict-text" role="status" aria-live="polite">
        <h1>
          <span safe>{lead}</span>{" "}
          {rest === "" ? (
            ""
          ) : (
            <span class="verdict-rest" safe>
              {rest}
            </span>
          )}
        </h1>
        <ul class="reasons">
          {reasons.map((reason) => (
            <ReasonItem reason={reason} />
          ))}
        </ul>
      </div>
    </section>
  );
}

/** The age is hidden from screen readers, which would read it out every second. */
function ReasonItem({ reason: { text, age, why } }: { readonly reason: Reason }): JSX.Element {
  return (
    <li>
      <span safe>{text}</span>
      {age === undefined ? (
        ""
      ) : (
        <span class="age" aria-hidden="true" safe>
          {` ${age}`}
        </span>
      )}
      {why === undefined ? "" : <span safe>{`: ${why}`}</span>}
    </li>
  );
}

function Totals({ state }: { readonly state: DashboardState }): JSX.Element {
  const { snapshot, listenerCheck, at, trends } = state;
  const columns = trends.map((series) => series.columns);
  const spark = (quantity: Quantity, kind: string) => (
    <Sparkline trend={trendOf(columns, quantity)} kind={kind} spanMs={trendMs} />
  );
  const pools = snapshot?.pools;
  const total = snapshot ? totalOf(snapshot) : undefined;
  const several = (snapshot?.pools.length ?? 0) > 1;
  const latencyNote = several ? "slowest pool" : "last minute";
  return (
    <dl class="totals">
      <ListenerTile listenerCheck={listenerCheck} at={at} />
      <Tile
        name="Requests/s"
        spark={spark("requestsPerSecond", "k-rate")}
        value={total ? formatRate(total.requestsPerSecond) : undefined}
        note={`${formatBrief(total?.requests ?? 0)} total`}
      />
      <Tile
        name="Errors"
        spark={spark("errorsPerSecond", "k-errors")}
        value={total ? formatShare(total.errorShare) : undefined}
        note={`${formatBrief(total?.errors ?? 0)} total`}
        concern={concernOf(total?.errorShare ?? 0)}
      />
      <Tile
        name="p50"
        spark={spark("p50Ms", "k-p50")}
        value={total && formatMs(total.p50Ms)}
        note={latencyNote}
      />
      <Tile
        name="p95"
        spark={spark("p95Ms", "k-p95")}
        value={total && formatMs(total.p95Ms)}
        note={latencyNote}
      />
      <Tile
        name="p99"
        spark={spark("p99Ms", "k-p99")}
        value={total && formatMs(total.p99Ms)}
        note={latencyNote}
      />
      <Tile
        name="In flight"
        spark={spark("inFlight", "k-in-flight")}
        value={snapshot && formatCount(snapshot.inFlight)}
        note="requests"
      />
      <Tile
        name="Queue"
        spark={spark("queued", "k-in-flight")}
        value={pools && formatCount(sumOf(pools, ({ queued }) => queued))}
        note="requests"
      />
      <Tile
        name="Retries/s"
        spark={spark("retriesPerSecond", "k-rate")}
        value={pools && formatRate(latestOf(trendOf(columns, "retriesPerSecond")) ?? 0)}
        note={`${formatBrief(sumOf(pools ?? [], ({ retries }) => retries))} total`}
      />
      <Tile
        name="Rescues/s"
        spark={spark("rescuesPerSecond", "k-rate")}
        value={pools && formatRate(latestOf(trendOf(columns, "rescuesPerSecond")) ?? 0)}
        note={`${formatBrief(sumOf(pools ?? [], ({ rescues }) => rescues))} total`}
      />
    </dl>
  );
}

function sumOf(pools: Snapshot["pools"], part: (pool: Snapshot["pools"][number]) => number): number {
  return pools.reduce((sum, pool) => sum + part(pool), 0);
}

/** The result of the check of the client listener. */
function ListenerTile({
  listenerCheck,
  at,
}: {
  readonly listenerCheck: ListenerCheck;
  readonly at: number;
}): JSX.Element {
  const word = listenerCheck.reachable
    ? "Reachable"
    : listenerCheck.status === null
      ? "Unreachable"
      : "Returns an error";
  const seen =
    listenerCheck.status === null
      ? listenerCheck.detail
      : `${listenerCheck.detail} in ${formatMs(listenerCheck.latencyMs)}`;
  return (
    <div class="tile listener">
      <dt>
        Client listener{" "}
        <span class="address" safe>
          {urlOrigin(listenerCheck.url)}
        </span>
      </dt>
      <dd class="figure" data-tone={listenerCheck.reachable ? "good" : "bad"}>
        <Glyph shape={listenerCheck.reachable ? "check" : "cross"} />
        {word}
      </dd>
      <dd class="sub" safe>
        {`${seen}, ${formatAgo(at - listenerCheck.checkedAt)}`}
      </dd>
    </div>
  );
}

/** Sums over all pools. Percentiles cannot be added: those of the slowest pool are used. */
function totalOf({ pools }: Snapshot): Traffic {
  const sum = (part: (traffic: Traffic) => number) =>
    pools.reduce((all, { traffic }) => all + part(traffic), 0);
  const worst = (part: (traffic: Traffic) => number | null) => {
    const known = pools.map(({ traffic }) => part(traffic)).filter((value) => value !== null);
    return known.length > 0 ? Math.max(...known) : null;
  };
  const requestsPerSecond = sum((traffic) => traffic.requestsPerSecond);
  const errorsPerSecond = sum((traffic) => traffic.requestsPerSecond * traffic.errorShare);
  return {
    requests: sum((traffic) => traffic.requests),
    errors: sum((traffic) => traffic.errors),
    requestsPerSecond,
    errorShare: requestsPerSecond > 0 ? errorsPerSecond / requestsPerSecond : 0,
    p50Ms: worst((traffic) => traffic.p50Ms),
    p95Ms: worst((traffic) => traffic.p95Ms),
    p99Ms: worst((traffic) => traffic.p99Ms),
  };
}

function NothingYet({ state: { adminUrl, outage } }: { readonly state: DashboardState }): JSX.Element {
  if (outage?.reason === "unauthorized") {
    return (
      <section class="pool empty">
        <p>
          The admin API at <code safe>{urlOrigin(adminUrl)}</code> does not accept this dashboard's token.
        </p>
        <p>
          Start the dashboard with a valid token in <code>ADMIN_TOKEN</code>. <code>evenkeel token</code>{" "}
          creates one for the configuration.
        </p>
      </section>
    );
  }
  return (
    <section class="pool empty">
      <p>
        No response from a balancer at <code safe>{urlOrigin(adminUrl)}</code> yet.
      </p>
      <p>
        Start one with <code>evenkeel proxy</code>, or set its admin address with <code>--admin-url</code>.
        This page updates as soon as the balancer responds.
      </p>
    </section>
  );
}
