/** The last probes of an upstream in a row of a table: a tick for each, short and green or tall and red. */
/** @jsxImportSource @kitajs/html */

import type { UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { attribute } from "../responses.ts";
import { formatCount, formatMs } from "../../wording/format.ts";

/** As many as the balancer keeps, two units each: a tick and a gap. */
const [places, pitch] = [60, 2];
const width = places * pitch;

/** How tall a failure is; a success is what the style sheet makes of its stroke. */
const height = 14;

/** The middle of a success, which stands on the same ground. */
const low = 10;

/**
 * One line for each run of like results, which the style sheet cuts into ticks: what does not change is a few bytes
 * long, and is not sent again.
 */
export function ProbeTicks({ upstream }: { readonly upstream: UpstreamSnapshot }): JSX.Element {
  const { probeHistory: history, lastProbe } = upstream;
  const failed = history.split("-").length - 1;
  const text = `${formatCount(failed)} of ${formatCount(history.length)} failed`;
  const said = failed > 0 || !lastProbe ? text : `${lastProbe.detail}, ${formatMs(lastProbe.latencyMs)}`;
  return (
    <>
      <svg
        class="ticks"
        viewBox={`0 0 ${width} ${height}`}
        width={String(width)}
        height={String(height)}
        preserveAspectRatio="none"
        role="img"
        aria-label={attribute(`Last probes of ${upstream.id}: ${text}`)}
      >
        <path class="ticks-ground" d={`M0 ${height - 0.5}h${width}`} />
        <path class="ticks-passed" d={runsOf(history, "+", low)} />
        <path class="ticks-failed" d={runsOf(history, "-", height / 2)} />
      </svg>
      <span class="sub" data-concern={history.endsWith("-") ? "grave" : "none"} safe>
        {history === "" ? "none yet" : said}
      </span>
    </>
  );
}

/** The newest stands at the right edge. */
function runsOf(history: string, sign: "+" | "-", y: number): string {
  const shown = history.slice(-places);
  const first = places - shown.length;
  const runs = shown.matchAll(sign === "+" ? /\++/g : /-+/g);
  return [...runs].map((run) => `M${(first + run.index) * pitch} ${y}h${run[0].length * pitch}`).join("");
}
