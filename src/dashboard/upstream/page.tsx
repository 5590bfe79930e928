/** The content of an upstream's page: status, totals, charts, probes, errors, latency and events. */
/** @jsxImportSource @kitajs/html */

import type { UpstreamDetail } from "../../snapshot/snapshot.ts";
import { DrainLine, UpstreamEvents, UpstreamHead } from "./header.tsx";
import { capacityNote, slotsInUse } from "../../wording/reasons.ts";
import { errorReasonRows, ReasonList, SlowStartBar } from "../overview/upstream-cells.tsx";
import { PageFoot } from "../layout/shell.tsx";
import {
  formatBrief,
  formatCount,
  formatMs,
  formatRate,
  formatShare,
  nothing,
  uptimeShare,
  uptimeSpan,
} from "../../wording/format.ts";
import { ProblemPanel } from "../overview/problem-panel.tsx";
import { SeenCard } from "../fleet/seen.tsx";
import { LatencyBars } from "../charts/latency-histogram.tsx";
import { type Quantity, Sparkline, trendOf } from "../charts/sparkline.tsx";
import { problemsOf } from "../../wording/problems.ts";
import { balancerNow, concernOf, seenProblems } from "../../wording/verdict.ts";
import type { ServiceProblem } from "../../problems/problem.ts";
import { upstreamLocation } from "../location.ts";
import { Crumb, viewOfTime } from "./crumb.tsx";
import { PeersCard } from "./peers.tsx";
import { ProbeStrip } from "./probe-history.tsx";
import { PinnedMoment, TimeSection, type UpstreamTime } from "./time.tsx";
import { FaultState } from "./fault.tsx";
import { Tile } from "../layout/widgets.tsx";
import { trendMs, type UpstreamPageState } from "../live/upstream-poller.ts";
import { fairSharesOf, plainView, sharesOf } from "../view.ts";

export interface UpstreamViewProps {
  readonly shown: UpstreamPageState;
  /** What the charts show; undefined in live fragments: the page keeps what it has. */
  readonly time: UpstreamTime | undefined;
  /** The form that injects a fault: in full, or a stub if the page already has it. */
  readonly faultForm: JSX.Element;
  /** Its last failed requests. */
  readonly failing: JSX.Element;
  /** The routes that it serves. */
  readonly served: JSX.Element;
}

/** Children of the live region. */
export function UpstreamView({ shown, time, ...cards }: UpstreamViewProps): JSX.Element {
  const { detail, state, error } = shown;
  const now = balancerNow(state);
  const problems = problemsOf(shown.id, seenProblems(state));
  const location = upstreamLocation(shown.id, time ? viewOfTime(time.range) : {});
  return (
    <>
      <Crumb id={shown.id} pool={detail?.pool} range={time?.range} />
      <UpstreamHead shown={shown} problems={problems} now={now} location={location} />
      <ProblemPanel problems={problems} now={now} view={plainView} />
      {detail ? <FaultState upstream={detail} now={now} /> : ""}
      {detail ? (
        <div class={error ? "known stale" : "known"}>
          <DrainLine detail={detail} now={now} location={location} />
          {detail.slowStart === null ? (
            ""
          ) : (
            <section class="ramp-line" aria-label="Slow start">
              <SlowStartBar upstream={detail} isFull />
            </section>
          )}
          <Totals shown={shown} detail={detail} now={now} />
          <Columns shown={shown} time={time} detail={detail} problems={problems} now={now} {...cards} />
        </div>
      ) : (
        ""
      )}
      <PageFoot state={state} />
    </>
  );
}

interface ColumnsProps extends UpstreamViewProps {
  readonly detail: UpstreamDetail;
  readonly problems: readonly ServiceProblem[];
  readonly now: number;
}

/** Its course and what failed on the left; beside it what it is compared with, whom it serves, and what happened to it. */
function Columns(props: ColumnsProps): JSX.Element {
  const { shown, time, detail, problems, now, failing, served, faultForm } = props;
  return (
    <div class="history-cols upstream-cols">
      <div class="card-stack">
        <TimeSection shown={shown} time={time} />
        <PinnedMoment shown={shown} time={time} />
        {failing}
        <div class="card-stack own-numbers">
          <LatencyBars bars={detail.latencies} />
          <div class="card-stack card-pair">
            <Counts
              id="reasons"
              name="Errors by reason"
              counts={detail.errorsByReason}
              none="No errors since start."
            />
            <Counts
              id="codes"
              name="Responses by status"
              counts={detail.codes}
              none="No responses since start."
              note={detail.cancelled > 0 ? `${formatCount(detail.cancelled)} cancelled by clients` : ""}
            />
          </div>
        </div>
      </div>
      <div class="card-stack">
        <PeersCard detail={detail} state={shown.state} problems={problems} />
        {served}
        <ProbeStrip probes={detail.probes} plan={detail.probe} now={now} />
        <UpstreamEvents detail={detail} state={shown.state} />
        <SeenCard seen={detail.seen} />
        {faultForm}
      </div>
    </div>
  );
}

export function upstreamTitle({ id, detail, error }: UpstreamPageState): string {
  return `${id}${detail && !error ? ` ${detail.status}` : ""} · Evenkeel`;
}

interface TotalsProps {
  readonly shown: UpstreamPageState;
  readonly detail: UpstreamDetail;
  readonly now: number;
}

function Totals({ shown, detail, now }: TotalsProps): JSX.Element {
  const { traffic } = detail;
  const columns = shown.trend ? [shown.trend.columns] : [];
  const spark = (quantity: Quantity, kind: string) => (
    <Sparkline trend={trendOf(columns, quantity)} kind={kind} spanMs={trendMs} />
  );
  const pool = shown.state.snapshot?.pools.find(({ name }) => name === detail.pool);
  const share = pool ? sharesOf(pool)(traffic) : 0;
  const fair = pool ? fairSharesOf(pool)(detail) : 0;
  return (
    <dl class="totals">
      <Tile
        name="Uptime"
        value={uptimeSpan(detail.uptime, now)}
        note={uptimeShare(detail.uptime)}
        concern={detail.uptime.state === "down" ? "grave" : "none"}
      />
      <Tile
        name="Share of pool"
        value={formatShare(share)}
        note={`fair ${fair > 0 ? formatShare(fair) : nothing}`}
      />
      <Tile
        name="Requests/s"
        spark={spark("requestsPerSecond", "k-rate")}
        value={formatRate(traffic.requestsPerSecond)}
        note={`${formatBrief(traffic.requests)} total`}
      />
      <Tile
        name="Errors"
        spark={spark("errorsPerSecond", "k-errors")}
        value={formatShare(traffic.errorShare)}
        note={`${formatBrief(traffic.errors)} total`}
        concern={concernOf(traffic.errorShare)}
      />
      <Tile name="p50" spark={spark("p50Ms", "k-p50")} value={formatMs(traffic.p50Ms)} note="last minute" />
      <Tile name="p95" spark={spark("p95Ms", "k-p95")} value={formatMs(traffic.p95Ms)} note="last minute" />
      <Tile name="p99" spark={spark("p99Ms", "k-p99")} value={formatMs(traffic.p99Ms)} note="last minute" />
      <Tile
        name="In flight"
        spark={spark("inFlight", "k-in-flight")}
        value={formatCount(slotsInUse(detail))}
        note={capacityNote(detail)}
      />
    </dl>
  );
}

interface CountsProps {
  readonly id: string;
  readonly name: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly none: string;
  readonly note?: string;
}

function Counts({ id, name, counts, none, note = "" }: CountsProps): JSX.Element {
  const reasons = errorReasonRows(counts);
  return (
    <section class="card" aria-labelledby={`${id}-name`}>
      <header class="card-head">
        <h2 id={`${id}-name`}>{name}</h2>
        <p class="quiet" safe>
          {note === "" ? "since start" : `since start, ${note}`}
        </p>
      </header>
      {reasons.length > 0 ? <ReasonList reasons={reasons} /> : <p class="empty">{none}</p>}
    </section>
  );
}
