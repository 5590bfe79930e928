/** The live part of the overview: overall status, totals and pools, rendered from one state. */
/** @jsxImportSource @kitajs/html */

import { FleetStrip } from "../fleet/strip.tsx";
import { Alerts, WorkersPanel } from "./alerts.tsx";
import { ToneMark } from "../layout/tone-mark.tsx";
import { ProblemPanel } from "./problem-panel.tsx";
import { PageFoot } from "../layout/shell.tsx";
import {
  balancerNow,
  type DashboardState,
  overallStatus,
  seenProblems,
  urlOrigin,
} from "../../wording/verdict.ts";
import { UpstreamTable } from "./pool-table.tsx";
import { type TrafficTime, TrafficPanel } from "./traffic-panel.tsx";
import { FaultBanner } from "../upstream/fault.tsx";
import { wholeRow, type WriteRow } from "./upstream-row.tsx";
import type { Reason } from "../../wording/reasons.ts";
import type { View } from "../view.ts";

export interface OverviewProps {
  readonly state: DashboardState;
  readonly view: View;
  /** What the charts show; undefined if the page already has them. */
  readonly traffic?: TrafficTime | undefined;
  readonly writeRow?: WriteRow | undefined;
}

/** Children of the live region. */
export function Overview({ state, view, traffic, writeRow = wholeRow }: OverviewProps): JSX.Element {
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
        <TrafficPanel state={state} view={view} time={traffic} />
        {snapshot ? (
          <UpstreamTable snapshot={snapshot} now={balancerNow(state)} view={view} writeRow={writeRow} />
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
