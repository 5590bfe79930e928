/** What the last probes saw, newest first: those that saw the same are one line, so that a change is seen at once. */
/** @jsxImportSource @kitajs/html */

import type { ProbeSnapshot } from "../snapshot/snapshot.ts";
import { formatCount, formatMs, formatTime, isoTime } from "../wording/format.ts";

export interface ProbeRun {
  readonly success: boolean;
  readonly detail: string;
  readonly count: number;
  /** Epoch milliseconds of the first of them. */
  readonly since: number;
  readonly fastestMs: number;
  readonly slowestMs: number;
}

/** As many as one reads. */
const maxShown = 5;

/** @param probes oldest first */
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
          {["Probes", "Saw", "Took", "Since"].map((name) => (
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
