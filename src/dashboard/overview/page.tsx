/** The documents of the overview and of an upstream's page, and their live fragments. */
/** @jsxImportSource @kitajs/html */

import { carriedQuery } from "../page-range.ts";
import { PastCharts, type UpstreamTime } from "../upstream/past-charts.tsx";
import type { WindowName } from "../../history/store.ts";
import type { Columns } from "../../history/point.ts";
import type { AdminResult } from "../admin-client.ts";
import { ActionResult, type ActionResultProps } from "../actions/result.tsx";
import { BulkBar } from "../actions/selection.tsx";
import { Charts, ChartsStub } from "../charts/charts.tsx";
import { FaultForm, FaultFormStub } from "../upstream/fault.tsx";
import { Overview, type OverviewProps } from "./overview.tsx";
import type { TrafficTime } from "./traffic-panel.tsx";
import { TabIcon, tabIcon, tabTitle } from "./tab.tsx";
import type { DashboardState } from "../../wording/verdict.ts";
import { pageOf } from "../location.ts";
import { FailingCard, FailingStub } from "../requests/failing-card.tsx";
import type { RequestList } from "../../requests/recent-requests.ts";
import { liveAttributes, markup, Shell } from "../layout/shell.tsx";
import type { UpstreamPageState } from "../live/upstream-poller.ts";
import { UpstreamView, upstreamTitle } from "../upstream/page.tsx";
import { plainView, queryOf, type View } from "../view.ts";

export interface PageProps {
  readonly state: DashboardState;
  readonly view?: View;
  /** What the charts show; undefined for a page without them. */
  readonly traffic?: TrafficTime;
  /** The error of the action that led here. */
  readonly notice?: string;
  /** The result of the last action. */
  readonly done?: ActionResultProps | undefined;
}

export function renderPage(props: PageProps): string {
  const { state, view = plainView, traffic, notice = "", done } = props;
  // A filter finds all upstreams, so the stream sends all of them: the page's script hides the others.
  const all = view.filter === "" ? {} : { filter: "", open: ["*"], close: undefined };
  const live = `/live${queryOf({ ...view, ...all })}`;
  return markup(
    <Shell
      title={tabTitle(state)}
      icon={tabIcon(state)}
      here="overview"
      live={live}
      notice={notice}
      done={done && <ActionResult {...done} />}
      carried={traffic && carriedQuery(traffic.range)}
      snapshot={state.snapshot}
    >
      <main id="live" {...liveAttributes(live)}>
        <TabIcon state={state} />
        <Overview state={state} view={view} traffic={traffic} />
      </main>
      <BulkBar location={{ page: "overview", view }} />
    </Shell>,
  );
}

/** Children of the live region, with every upstream: the page's script applies the filter. */
export function renderLive(
  state: DashboardState,
  view: View = plainView,
  { writeRow, seen }: Pick<OverviewProps, "writeRow" | "seen"> = {},
): string {
  // The same object as long as it can be: rows that depend on it are kept.
  const whole = view.filter === "" ? view : { ...view, filter: "" };
  return markup(
    <>
      <title safe>{tabTitle(state)}</title>
      <TabIcon state={state} />
      <Overview state={state} view={whole} writeRow={writeRow} seen={seen} />
    </>,
  );
}

export interface UpstreamPageProps {
  readonly shown: UpstreamPageState;
  readonly window?: WindowName;
  /** Its history; undefined if it could not be read. */
  readonly columns?: Columns | undefined;
  readonly notice?: string;
  /** Its last failed requests, or the error; undefined omits the card. */
  readonly failing?: AdminResult<RequestList>;
  /** Present if the address has a time: its charts instead of the live ones. */
  readonly past?: UpstreamTime | undefined;
  readonly done?: ActionResultProps | undefined;
}

export function renderUpstreamPage({
  shown,
  window = "5m",
  columns,
  notice = "",
  failing,
  past,
  done,
}: UpstreamPageProps): string {
  const { id } = shown;
  const live = `/live/upstreams/${encodeURIComponent(id)}`;
  return markup(
    <Shell
      title={upstreamTitle(shown)}
      here="upstream"
      live={live}
      notice={notice}
      done={done && <ActionResult {...done} />}
      carried={past && carriedQuery(past.range)}
      snapshot={shown.state.snapshot}
    >
      <main id="live" {...liveAttributes(live)}>
        <UpstreamView
          shown={shown}
          faultForm={<FaultForm id={id} />}
          failing={failing ? <FailingCard upstream={id} result={failing} /> : ""}
          charts={
            past ? (
              <PastCharts id={id} past={past} />
            ) : (
              <Charts
                upstream={id}
                window={window}
                columns={columns}
                addressOf={(choice) => `${pageOf(id)}?window=${choice}`}
              />
            )
          }
        />
      </main>
    </Shell>,
  );
}

export function renderUpstreamLive(shown: UpstreamPageState): string {
  return markup(
    <>
      <title safe>{upstreamTitle(shown)}</title>
      <UpstreamView
        shown={shown}
        faultForm={<FaultFormStub id={shown.id} />}
        charts={<ChartsStub upstream={shown.id} />}
        failing={<FailingStub upstream={shown.id} />}
      />
    </>,
  );
}
