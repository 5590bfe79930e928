/** The probe history on an upstream's page: one tick for each probe, and the runs of equal results. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../responses.ts";
import type { ProbeSnapshot } from "../../snapshot/snapshot.ts";
import { formatAgo, formatCount, formatMs, formatTime, isoTime, nothing } from "../../wording/format.ts";

interface StripProps {
  /** Oldest first. */
  readonly probes: readonly ProbeSnapshot[];
  /** Description of the probe. */
  readonly plan: string;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

/** The number of probes that the balancer keeps. */
const maxProbes = 60;
const [width, height, step] = [600, 40, 10];

/** A failure is as tall as the strip. A success is as tall as its latency, within these limits. */
const [shortest, tallest] = [10, 34];

export function ProbeStrip({ probes, plan, now }: StripProps): JSX.Element {
  const failed = probes.filter(({ success }) => !success).length;
  const slowest = Math.max(...probes.map(({ latencyMs }) => latencyMs), Number.MIN_VALUE);
  const last = probes.at(-1);
  const text = `${formatCount(failed)} of the last ${formatCount(probes.length)} probes failed`;
  return (
    <section class="card" aria-labelledby="probes-name">
      <header class="card-head">
        <h2 id="probes-name">Probes</h2>
        <p class="quiet" safe>
          {plan}
        </p>
      </header>
      <svg
        class="strip"
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={attribute(text)}
      >
        {probes.map((probe, index) => {
          const tall = probe.success ? shortest + (probe.latencyMs / slowest) * (tallest - shortest) : height;
          const shown = Number.isFinite(tall) ? tall : shortest;
          return (
            <rect
              class={probe.success ? "tick" : "tick failed"}
              x={String((maxProbes - probes.length + index) * step + 1)}
              y={(height - shown).toFixed(1)}
              width={String(step - 3)}
              height={shown.toFixed(1)}
            >
              <title safe>{`${formatTime(probe.at)}: ${probe.detail}, ${formatMs(probe.latencyMs)}`}</title>
            </rect>
          );
        })}
      </svg>
      <p class="strip-note">
        <span safe>{probes.length === 0 ? "No probes yet" : text}</span>
        <span class="quiet" safe>
          {last ? `last ${formatAgo(now - last.at)}` : nothing}
        </span>
      </p>
      <ProbeRuns probes={probes} />
    </section>
  );
}

/** Consecutive probes with the same result. */
export interface ProbeRun {
  readonly success: boolean;
  readonly detail: string;
  readonly count: number;
  /** Epoch milliseconds of the first probe of the run. */
  readonly since: number;
  readonly fastestMs: number;
  readonly slowestMs: number;
}

/** Older runs are not shown. */
const maxShown = 5;

/**
 * The latest runs, newest first.
 * @param probes oldest first
 */
export function runsOf(probes: readonly ProbeSnapshot[]): readonly ProbeRun[] {
  const runs: ProbeRun[] = [];
  for (const { at, success, detail, latencyMs } of probes) {
    const last = runs.at(-1);
    if (last?.success === success && last.detail === detail) {
      const fastestMs = Math.min(last.fastestMs, latencyMs);
      const slowestMs = Math.max(last.slowestMs, latencyMs);
      runs[runs.length - 1] = { ...last, count: last.count + 1, fastestMs, slowestMs };
    } else runs.push({ success, detail, count: 1, since: at, fastestMs: latencyMs, slowestMs: latencyMs });
  }
  return runs.toReversed().slice(0, maxShown);
}

export function ProbeRuns({ probes }: { readonly probes: readonly ProbeSnapshot[] }): JSX.Element {
  if (probes.length === 0) return "";
  return (
    <table class="probe-runs">
      <thead class="unseen">
        <tr>
          {["Probes", "Result", "Latency", "Since"].map((name) => (
            <th scope="col">{name}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {runsOf(probes).map(({ success, detail, count, since, fastestMs, slowestMs }) => (
          <tr>
            <td class="probe-count" safe>{`${formatCount(count)} ×`}</td>
            <th scope="row" data-concern={success ? "none" : "grave"} safe>
              {detail}
            </th>
            <td class="quiet" safe>
              {count > 1 ? `${formatMs(fastestMs)} to ${formatMs(slowestMs)}` : formatMs(slowestMs)}
            </td>
            <td class="quiet">
              {"since "}
              <time datetime={isoTime(since)} safe>
                {formatTime(since)}
              </time>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
