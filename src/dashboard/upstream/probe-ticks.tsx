/** The last probes of an upstream in a table row: one tick for each, short and green or tall and red. */
/** @jsxImportSource @kitajs/html */

import type { UpstreamSnapshot } from "../../snapshot/snapshot.ts";
import { attribute } from "../responses.ts";
import { formatCount, formatMs } from "../../wording/format.ts";

/** The number of probes that the balancer keeps, and the width of one: a tick and a gap. */
const [maxProbes, pitch] = [60, 2];
const width = maxProbes * pitch;

/** The height of a failed probe; the style sheet sets the height of a passed one. */
const height = 14;

/** The vertical middle of a passed probe, on the same base line. */
const low = 10;

/**
 * One line for each run of equal results, which the style sheet divides into ticks. An unchanged history takes a few
 * bytes and is not sent again.
 */
export function ProbeTicks({ upstream }: { readonly upstream: UpstreamSnapshot }): JSX.Element {
  const { id, probeHistory: history } = upstream;
  return (
    <svg
      class="ticks"
      viewBox={`0 0 ${width} ${height}`}
      width={String(width)}
      height={String(height)}
      preserveAspectRatio="none"
      role="img"
      aria-label={attribute(`Last probes of ${id}: ${failedText(history)}`)}
    >
      <path class="ticks-ground" d={`M0 ${height - 0.5}h${width}`} />
      <path class="ticks-passed" d={runsOf(history, "+", low)} />
      <path class="ticks-failed" d={runsOf(history, "-", height / 2)} />
    </svg>
  );
}

/** "5 of 60 failed"; while all pass, the words of the last one: "status 200, 1.3 ms". */
export function probeNote({ probeHistory: history, lastProbe }: UpstreamSnapshot): string {
  if (history === "") return "none yet";
  if (history.includes("-") || !lastProbe) return failedText(history);
  return `${lastProbe.detail}, ${formatMs(lastProbe.latencyMs)}`;
}

function failedText(history: string): string {
  const failed = history.split("-").length - 1;
  return `${formatCount(failed)} of ${formatCount(history.length)} failed`;
}

/** The newest probe is at the right edge. */
function runsOf(history: string, sign: "+" | "-", y: number): string {
  const shown = history.slice(-maxProbes);
  const first = maxProbes - shown.length;
  const runs = shown.matchAll(sign === "+" ? /\++/g : /-+/g);
  return [...runs].map((run) => `M${(first + run.index) * pitch} ${y}h${run[0].length * pitch}`).join("");
}
