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
import { ProbeStrip } from "./probe-history.tsx";
import { FaultState } from "./fault.tsx";
import { Tile } from "../layout/widgets.tsx";
import { trendMs, type UpstreamPageState } from "../live/upstream-poller.ts";
import { fairSharesOf, plainView, sharesOf } from "../view.ts";

export interface UpstreamViewProps {
  readonly shown: UpstreamPageState;
  readonly charts: JSX.Element;
  /** The form that injects a fault: in full, or a stub if the page already has it. */
  readonly faultForm: JSX.Element;
  /** Its last failed requests. */
  readonly failing: JSX.Element;
}

/** Children of the live region. */
export function UpstreamView({ shown, charts, faultForm: fault, failing }: UpstreamViewProps): JSX.Element {
  const { detail, state, error } = shown;
  const now = balancerNow(state);
  const problems = problemsOf(shown.id, seenProblems(state));
  return (
    <>
      <UpstreamHead shown={shown} problems={problems} now={now} />
      <ProblemPanel problems={problems} now={now} view={plainView} />
      {detail ? <FaultState upstream={detail} now={now} /> : ""}
      {detail ? (
        <div class={error ? "known stale" : "known"}>
          <DrainLine detail={detail} now={now} />
          {detail.slowStart === null ? (
            ""
          ) : (
            <section class="ramp-line" aria-label="Slow start">
              <SlowStartBar upstream={detail} isFull />
            </section>
          )}
          <Totals shown={shown} detail={detail} now={now} />
          <section class="pool" aria-label="History">
            {charts}
          </section>
          {/* Every card belongs to one of the two stacks. */}
          <div class="cards">
            <div class="card-stack">
              <ProbeStrip probes={detail.probes} plan={detail.probe} now={now} />
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
            <div class="card-stack">
              <SeenCard seen={detail.seen} />
              <LatencyBars bars={detail.latencies} />
              {failing}
              <UpstreamEvents detail={detail} state={state} />
              {fault}
            </div>
          </div>
        </div>
      ) : (
        ""
      )}
      <PageFoot state={state} />
    </>
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
