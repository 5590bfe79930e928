/** The numbers of now below the charts of the overview, and whether clients reach the balancer. */
/** @jsxImportSource @kitajs/html */

import { Glyph } from "../layout/widgets.tsx";
import {
  formatBrief,
  formatCount,
  formatMs,
  formatRate,
  formatShare,
  nothing,
} from "../../wording/format.ts";
import { capacityNote } from "../../wording/reasons.ts";
import { type DashboardState, type ListenerCheck, urlOrigin } from "../../wording/verdict.ts";
import type { View } from "../view.ts";
import { type CurrentTraffic, currentTraffic } from "./current-traffic.ts";

interface NowProps {
  readonly state: DashboardState;
  readonly view: View;
}

type Figure = readonly [name: string, value: string, note?: string | undefined];

/** With charts of a fixed time, also what their legends say otherwise. */
export function TrafficNow({ state, view }: NowProps): JSX.Element {
  const traffic = currentTraffic(state, view.charts?.pool);
  const figures = [...(isFixed(view) ? chartFigures(traffic) : []), ...figuresOf(traffic)];
  return (
    <dl class="traffic-now" aria-label="Now">
      {figures.map(([name, value, note = ""]) => (
        <div>
          <dt>{name}</dt>
          <dd>
            <b safe>{traffic ? value : nothing}</b>
            {note === "" ? "" : <span class="quiet" safe>{` ${note}`}</span>}
          </dd>
        </div>
      ))}
      <Listener check={state.listenerCheck} />
    </dl>
  );
}

/** Whether the charts stand still. */
function isFixed({ charts }: View): boolean {
  return charts?.to !== undefined && charts.to !== "now";
}

function chartFigures(traffic: CurrentTraffic | undefined): readonly Figure[] {
  return [
    ["Now: requests/s", formatRate(traffic?.requestsPerSecond ?? 0)],
    ["Errors", formatShare(traffic?.errorShare ?? 0)],
    ["p50", formatMs(traffic?.p50Ms ?? null)],
    ["p95", formatMs(traffic?.p95Ms ?? null)],
    ["p99", formatMs(traffic?.p99Ms ?? null)],
  ];
}

function figuresOf(traffic: CurrentTraffic | undefined): readonly Figure[] {
  const total = (count = 0) => `(${formatBrief(count)} total)`;
  return [
    ["In flight", formatCount(traffic?.inFlight ?? 0), traffic && capacityNote(traffic)],
    ["Queue", formatCount(traffic?.queued ?? 0), ofLimit(traffic?.maxQueued)],
    ["Retries/s", formatRate(traffic?.retriesPerSecond ?? 0), total(traffic?.retries)],
    ["Rescues/s", formatRate(traffic?.rescuesPerSecond ?? 0), total(traffic?.rescues)],
    ...(traffic?.clients === undefined ? [] : [["Clients", formatCount(traffic.clients)] as const]),
    [
      "Since the start",
      `${formatBrief(traffic?.requests ?? 0)} requests,`,
      `${formatBrief(traffic?.errors ?? 0)} errors`,
    ],
  ];
}

function ofLimit(limit: number | undefined): string {
  return limit === undefined ? "" : `of ${formatCount(limit)}`;
}

/** The result of the check of the client listener. */
function Listener({ check }: { readonly check: ListenerCheck }): JSX.Element {
  const { url, reachable, status, detail, latencyMs } = check;
  const word = reachable ? "Reachable" : status === null ? "Unreachable" : "Returns an error";
  return (
    <div class="listener">
      <dt>Client listener</dt>
      <dd data-tone={reachable ? "good" : "bad"}>
        <Glyph shape={reachable ? "check" : "cross"} />
        <b>{word}</b>
        <span class="quiet" safe>
          {` ${urlOrigin(url)}, ${status === null ? detail : `${detail} in ${formatMs(latencyMs)}`}`}
        </span>
      </dd>
    </div>
  );
}
