/** The live part of the overview: overall status, totals and pools, rendered from one state. */
/** @jsxImportSource @kitajs/html */

import { FleetStrip } from "../fleet/strip.tsx";
import { Alerts, WorkersPanel } from "./alerts.tsx";
import { comingNotices, Horizon, LastProblem } from "./horizon.tsx";
import { DateLine, VerdictBand } from "./verdict-band.tsx";
import { problemsInFull } from "./problem-chart.tsx";
import { ProblemPanel } from "./problem-panel.tsx";
import { PageFoot } from "../layout/shell.tsx";
import {
  balancerNow,
  type DashboardState,
  overallStatus,
  seenProblems,
  urlOrigin,
} from "../../wording/verdict.ts";
import { countedProblems } from "../../wording/problems.ts";
import { UpstreamTable } from "./pool-table.tsx";
import { type TrafficTime, TrafficPanel } from "./traffic-panel.tsx";
import { FaultBanner } from "../upstream/fault.tsx";
import { wholeRow, type WriteRow } from "./upstream-row.tsx";
import { queryOf, type View } from "../view.ts";

export interface OverviewProps {
  readonly state: DashboardState;
  readonly view: View;
  /** What the charts show; undefined if the page already has them. */
  readonly traffic?: TrafficTime | undefined;
  readonly writeRow?: WriteRow | undefined;
  /** The state that the page shows; undefined for a page that shows nothing yet. */
  readonly seen?: DashboardState | undefined;
}

/** Children of the live region. */
export function Overview({ state, view, traffic, writeRow = wholeRow, seen }: OverviewProps): JSX.Element {
  const { snapshot, outage } = state;
  const problems = seenProblems(state);
  const status = overallStatus(state);
  const isWell = status.tone === "good" && snapshot !== undefined;
  const coming = isWell ? new Set(comingNotices(problems)) : undefined;
  return (
    <>
      <div class="overview-head">
        {isWell ? <DateLine at={balancerNow(state)} /> : <VerdictBand status={status} />}
        {snapshot?.fleet ? <FleetStrip fleet={snapshot.fleet} /> : ""}
      </div>
      {isWell ? (
        <Horizon
          state={state}
          snapshot={snapshot}
          status={status}
          problems={problems}
          hasWave={hasWave(state, seen)}
        />
      ) : (
        ""
      )}
      <ProblemPanel
        problems={problems.filter((problem) => !coming?.has(problem))}
        now={balancerNow(state)}
        view={view}
        charts={{ trends: state.problemTrends ?? noTrends, seen: shownTrends(seen) }}
      />
      <FaultBanner snapshot={snapshot} now={balancerNow(state)} />
      <div class={outage && snapshot ? "known stale" : "known"}>
        {snapshot ? <Alerts snapshot={snapshot} problems={problems} /> : ""}
        <TrafficPanel state={state} view={view} time={traffic} />
        {snapshot ? (
          <UpstreamTable
            snapshot={snapshot}
            trends={state.upstreamTrends ?? new Map()}
            routes={state.routes ?? noRoutes}
            now={balancerNow(state)}
            view={view}
            writeRow={writeRow}
          />
        ) : (
          <NothingYet state={state} />
        )}
        {snapshot?.workers ? <WorkersPanel workers={snapshot.workers} /> : ""}
      </div>
      {isWell ? <LastProblem day={state.day} /> : ""}
      <PageFoot state={state} rows={{ name: "upstreams", address: `/upstreams${queryOf(view)}` }} />
    </>
  );
}

const noTrends = new Map();
const noRoutes = new Map();

/** The charts that a page has which shows this state: those of its first problems. */
function shownTrends(seen: DashboardState | undefined): DashboardState["problemTrends"] {
  if (!seen?.problemTrends) return undefined;
  const inFull = countedProblems(seenProblems(seen)).slice(0, problemsInFull);
  return new Map(
    inFull.flatMap(({ id }) => {
      const columns = seen.problemTrends?.get(id);
      return columns ? [[id, columns] as const] : [];
    }),
  );
}

/** Whether a page that shows the state before has the line of this day. */
function hasWave({ day }: DashboardState, seen: DashboardState | undefined): boolean {
  return seen !== undefined && seen.day === day && overallStatus(seen).tone === "good";
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
