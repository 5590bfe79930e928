/** Reads the last half hour of upstreams for the table of the overview: once a minute for all viewers, one at a time. */

import type { Columns } from "../../history/point.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { problemsByUpstream } from "../../wording/row-state.ts";
import type { AdminClient } from "../admin-client.ts";

export interface TrendReaderOptions {
  readonly admin: Pick<AdminClient, "historyRange">;
  /** The balancer that is read now: trends of another one are given up. */
  readonly source: () => string;
  readonly clock: Clock;
}

/** By name of the upstream. The same object as long as nothing was read again. */
export type UpstreamTrends = ReadonlyMap<string, Columns>;

/** Upstreams that are read each minute. Of more, the ones with a problem and the ones that are out come first. */
const maxUpstreams = 100;

export const upstreamTrendMs = 30 * 60_000;
const maxPoints = 30;
const restMs = 60_000;

/** After a pause without viewers, trends that are older are not shown. */
const maxAgeMs = 3 * restMs;

const none: UpstreamTrends = new Map();

export class TrendReader {
  readonly #options: TrendReaderOptions;
  #last = none;
  #readAt = Number.NEGATIVE_INFINITY;
  #endedAt = Number.NEGATIVE_INFINITY;
  #source = "";
  #isReading = false;

  constructor(options: TrendReaderOptions) {
    this.#options = options;
  }

  /** The last result, which is renewed in the background. Never throws; empty before the first one. */
  of(snapshot: Pick<Snapshot, "at" | "pools" | "problems">): UpstreamTrends {
    const { clock, source } = this.#options;
    const isOther = source() !== this.#source;
    if (isOther || clock() - this.#endedAt > maxAgeMs) this.#last = none;
    if (!this.#isReading && (isOther || clock() - this.#readAt >= restMs)) {
      this.#source = source();
      this.#readAt = clock();
      this.#isReading = true;
      void this.#read(snapshot);
    }
    return this.#last;
  }

  async #read(snapshot: Pick<Snapshot, "at" | "pools" | "problems">): Promise<void> {
    const { admin, clock, source } = this.#options;
    const range = { from: snapshot.at - upstreamTrendMs, to: snapshot.at, maxPoints };
    const trends = new Map<string, Columns>();
    // One after the other: the balancer serves requests between two readings.
    for (const upstream of mostWanted(snapshot)) {
      const result = await admin.historyRange({ upstream, ...range });
      if ("value" in result) {
        const columns = result.value.series[0]?.columns;
        if (columns) trends.set(upstream, columns);
      } else if (result.error.reason === "unreachable") break;
      if (source() !== this.#source) break;
    }
    this.#isReading = false;
    if (source() !== this.#source || trends.size === 0) return;
    this.#last = trends;
    this.#endedAt = clock();
  }
}

function mostWanted({ pools, problems = [] }: Pick<Snapshot, "pools" | "problems">): readonly string[] {
  const named = problemsByUpstream(problems);
  const upstreams = pools.flatMap((pool) => pool.upstreams);
  const rank = ({ id, fit }: (typeof upstreams)[number]) => (named.has(id) ? 0 : fit ? 2 : 1);
  return upstreams
    .toSorted((one, other) => rank(one) - rank(other))
    .slice(0, maxUpstreams)
    .map(({ id }) => id);
}
