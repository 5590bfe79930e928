/** What the page of requests shows of a time: its range, its errors as a chart, and what ended alike. */
/** @jsxImportSource @kitajs/html */

import type { AdminResult } from "../admin-client.ts";
import { type PageRange, rangeAddress } from "../page-range.ts";
import { attribute } from "../responses.ts";
import { sumColumns } from "../history/columns.ts";
import type { RangeData } from "../history/range-data.ts";
import { GroupList } from "../history/panels.tsx";
import { errorsChart, RangeCharts } from "../history/range-charts.tsx";
import type { RouteNames } from "../route-list/route-view.ts";
import { RangeBar, RangeProblems, RangeTools } from "../layout/range-bar.tsx";
import type { RequestSummary } from "../../requests/requests.ts";
import { formatCount, formatMs } from "../../wording/format.ts";
import { onFirstPage, parametersOf, type RequestFilterState } from "./filter.tsx";

export interface KeptPart extends Omit<RangeData, "eventsError"> {
  readonly range: PageRange;
  readonly summary: AdminResult<RequestSummary>;
  readonly names: RouteNames;
}

interface PartProps {
  readonly filter: RequestFilterState;
  readonly kept: KeptPart;
}

/** The parameters of the address beside its time: those of the first page, without what the range has itself. */
function parametersBeside(filter: RequestFilterState): Record<string, string> {
  const { pool: _pool, upstream: _upstream, route: _route, ...more } = parametersOf(onFirstPage(filter));
  return more;
}

export function KeptProblems({ kept }: Pick<PartProps, "kept">): JSX.Element {
  return <RangeProblems problems={kept.range.problems} />;
}

export function KeptTools({ filter, kept }: PartProps): JSX.Element {
  return <RangeTools path="/requests" range={kept.range} more={parametersBeside(filter)} />;
}

/** "1,038 failed and 760 over 1 s are kept." */
export function keptText({ summary }: KeptPart): string {
  if ("error" in summary) return "";
  const { counts, slowMs } = summary.value;
  const parts = [
    [counts.failed, "failed"],
    [counts.slow, `over ${formatMs(slowMs)}`],
    [counts.retried, "with a second attempt"],
    [counts.refused, "refused"],
    [counts.sampled, "as usual"],
  ] as const;
  const known = parts.filter(([count]) => count > 0).map(([count, name]) => `${formatCount(count)} ${name}`);
  return known.length === 0 ? "No requests are kept of this time." : `Kept: ${known.join(", ")}.`;
}

export function KeptTime({ filter, kept }: PartProps): JSX.Element {
  const { range, history, marks, problems } = kept;
  const more = parametersBeside(filter);
  const result = "value" in history ? history.value : undefined;
  const columns = result && sumColumns(result.series.map((series) => series.columns));
  return (
    <section class="pool history-range" aria-label="Time shown">
      <RangeBar path="/requests" range={range} more={more}>
        <a class="button" href={attribute(rangeAddress("/history", range))}>
          This time in the charts
        </a>
      </RangeBar>
      <RangeCharts
        charts={[errorsChart]}
        from={range.from}
        to={range.to}
        isLive={range.isLive}
        columns={columns}
        pinned={undefined}
        at={undefined}
        marks={marks}
        problems={problems}
        source={rangeAddress("/history.json", range)}
      />
    </section>
  );
}

const groupsShown = 8;

export function KeptGroups({ filter, kept: { range, summary, names } }: PartProps): JSX.Element {
  const more = parametersBeside(filter);
  const address = (group: Readonly<Record<string, string>>) =>
    rangeAddress("/requests", range, { more: { ...more, ...group } });
  const { groups = [], slowMs = 0 } = "value" in summary ? summary.value : {};
  if (groups.length === 0) return "";
  return (
    <section class="card alike-card" aria-labelledby="alike-name">
      <header class="card-head">
        <h2 id="alike-name">What ended alike</h2>
        <p class="quiet">by outcome, status, reason and upstream; of the kept requests</p>
      </header>
      <GroupList groups={groups.slice(0, groupsShown)} slowMs={slowMs} names={names} address={address} />
    </section>
  );
}
