/** The document of the overview, and its live fragment. */
/** @jsxImportSource @kitajs/html */

import { carriedQuery } from "../page-range.ts";
import { ActionResult, type ActionResultProps } from "../actions/result.tsx";
import { BulkBar } from "../actions/selection.tsx";
import { Overview, type OverviewProps } from "./overview.tsx";
import type { TrafficTime } from "./traffic-panel.tsx";
import { TabIcon, tabIcon, tabTitle } from "./tab.tsx";
import type { DashboardState } from "../../wording/verdict.ts";
import { liveAttributes, markup, Shell } from "../layout/shell.tsx";
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
