/** The last probes of an upstream as ticks, one for each: when it went bad, whether it flaps, how it answers. */
/** @jsxImportSource @kitajs/html */

import type { ProbeSnapshot } from "../../snapshot/snapshot.ts";
import { attribute } from "../escape.ts";
import { ProbeRuns } from "../probe-runs.tsx";
import { formatAgo, formatCount, formatMs, formatTime, nothing } from "../../wording/format.ts";

interface StripProps {
  /** Oldest first. */
  readonly probes: readonly ProbeSnapshot[];
  /** How it is probed. */
  readonly plan: string;
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

/** As many as the balancer keeps. */
const places = 60;
const [width, height, step] = [600, 40, 10];
/** A failure is as tall as the strip, a success as its latency, but never so short that it is not seen. */
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
              x={String((places - probes.length + index) * step + 1)}
              y={(height - shown).toFixed(1)}
              width={String(step - 3)}
              height={shown.toFixed(1)}
            >
              <title safe>{`${formatTime(probe.at)}: ${probe.detail}, ${formatMs(probe.latencyMs)}`}</title>
            </rect>
          );
        })}
      </svg>
      <p class="strip-words">
        <span safe>{probes.length === 0 ? "No probe yet" : text}</span>
        <span class="quiet" safe>
          {last ? `last ${formatAgo(now - last.at)}` : nothing}
        </span>
      </p>
      <ProbeRuns probes={probes} />
    </section>
  );
}
