/** Traffic on the overview: three charts of one time, of all pools or one, and the numbers of now below. */
/** @jsxImportSource @kitajs/html */

import { errorsChart, latencyChart, requestsChart } from "../history/range-charts.tsx";
import type { RangeData } from "../history/range-data.ts";
import { TimeBox, TimePanel } from "../history/time-panel.tsx";
import { HiddenFields } from "../layout/forms.tsx";
import { type PageRange, rangeAddress } from "../page-range.ts";
import { attribute } from "../responses.ts";
import { formatCount } from "../../wording/format.ts";
import type { DashboardState } from "../../wording/verdict.ts";
import { viewFields, type View } from "../view.ts";
import { currentLegends, currentTraffic } from "./current-traffic.ts";
import { TrafficNow } from "./traffic-now.tsx";

export interface TrafficTime {
  readonly range: PageRange;
  readonly data: RangeData;
}

interface TrafficProps {
  readonly state: DashboardState;
  readonly view: View;
  /** Undefined in live fragments: the page keeps the charts that it has. */
  readonly time: TrafficTime | undefined;
}

/** The numbers of now come with every fragment. */
export function TrafficPanel({ state, view, time }: TrafficProps): JSX.Element {
  return (
    <section class="pool traffic" id="traffic" aria-labelledby="traffic-name">
      <TimeBox newest={state.snapshot?.events.at(-1)?.seq}>
        {time ? <TrafficOfTime state={state} view={view} {...time} /> : ""}
      </TimeBox>
      <TrafficNow state={state} view={view} />
    </section>
  );
}

/** Events in the list below the charts. */
const marksShown = 4;

interface OfTimeProps extends TrafficTime {
  readonly state: DashboardState;
  readonly view: View;
}

function TrafficOfTime({ state, view, range: ofPage, data }: OfTimeProps): JSX.Element {
  const { charts: _, ...beside } = view;
  const more = viewFields(beside);
  // A moment is pinned on the page of the history, which has the values and the requests of it.
  const range = { ...ofPage, at: undefined };
  return (
    <TimePanel
      title="Traffic"
      path="/"
      range={range}
      more={more}
      subject={range}
      data={data}
      charts={[requestsChart, errorsChart, latencyChart]}
      now={currentLegends(currentTraffic(state, range.pool))}
      pins="/history"
      marksShown={marksShown}
      marksLink={
        <a href={attribute(rangeAddress("/events", range))} safe>
          {`All ${formatCount(data.marks.length)} events`}
        </a>
      }
      tools={
        <>
          <span class="quiet range-hint">Drag to zoom, click a moment for its requests</span>
          <PoolChoice state={state} range={range} more={more} />
        </>
      }
    />
  );
}

interface ChoiceProps {
  readonly state: DashboardState;
  readonly range: PageRange;
  readonly more: Readonly<Record<string, string>>;
}

/** A form that works without the script, which sends it at the choice. */
function PoolChoice({ state, range, more }: ChoiceProps): JSX.Element {
  const pools = state.snapshot?.pools ?? [];
  if (pools.length < 2) return "";
  const { pool, ...others } = Object.fromEntries(
    new URLSearchParams(rangeAddress("", range, { more }).slice(1)),
  );
  return (
    <form class="pool-choice" method="get" action="/" data-role="sends">
      <HiddenFields fields={others} />
      <label class="unseen" for="traffic-pool">
        Pool of the charts
      </label>
      <select id="traffic-pool" name="pool">
        <option value="">All pools</option>
        {pools.map(({ name }) => (
          <option value={attribute(name)} {...(name === pool ? { selected: true } : {})} safe>
            {name}
          </option>
        ))}
      </select>
      <button type="submit" class="button">
        Show
      </button>
    </form>
  );
}
