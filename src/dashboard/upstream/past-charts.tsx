/** The charts of an upstream's page at a time of the past, in the place of the live ones. */
/** @jsxImportSource @kitajs/html */

import type { AdminResult } from "../admin-client.ts";
import { sumColumns } from "../history/columns.ts";
import type { Mark } from "../history/marks.ts";
import { RangeCharts, upstreamCharts } from "../history/range-charts.tsx";
import { RangeBar, RangeProblems } from "../layout/range-bar.tsx";
import { pageOf } from "../location.ts";
import { type PageRange, rangeAddress } from "../page-range.ts";
import { anchorOf, attribute } from "../responses.ts";
import type { HistoryResult } from "../../history/history.ts";
import { adminApiErrorSentence } from "../../wording/verdict.ts";

export interface UpstreamTime {
  readonly range: PageRange;
  readonly history: AdminResult<HistoryResult>;
  readonly marks: readonly Mark[];
}

interface PastChartsProps {
  readonly id: string;
  readonly past: UpstreamTime;
}

/** Under the id of the live charts, and skipped by the updates of the page like these. */
export function PastCharts({ id, past: { range, history, marks } }: PastChartsProps): JSX.Element {
  const path = pageOf(id);
  const ofPage = { ...range, upstream: undefined, at: undefined, compareMs: undefined };
  const whole = { ...range, upstream: id };
  const result = "value" in history ? history.value : undefined;
  return (
    <div class="charts" id={anchorOf("charts-upstream", id)} hx-morph-skip>
      <RangeProblems problems={range.problems} />
      <div class="history-range">
        <RangeBar path={path} range={ofPage}>
          <a class="button" href={attribute(rangeAddress("/history", whole))}>
            History
          </a>
          <a
            class="button"
            href={attribute(rangeAddress("/requests", whole, { more: { outcome: "failed,slow" } }))}
          >
            Failed and slow requests
          </a>
          <a class={range.isLive ? "button" : "button range-fixed"} href={attribute(path)}>
            Live charts
          </a>
        </RangeBar>
      </div>
      {"error" in history ? (
        <p class="empty" safe>
          {adminApiErrorSentence(history.error)}
        </p>
      ) : (
        ""
      )}
      <RangeCharts
        charts={upstreamCharts}
        from={range.from}
        to={range.to}
        isLive={range.isLive}
        columns={result && sumColumns(result.series.map(({ columns }) => columns))}
        pinned={undefined}
        at={undefined}
        marks={marks}
        source={rangeAddress("/history.json", { ...whole, at: undefined })}
      />
    </div>
  );
}
