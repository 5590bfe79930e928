/** Reads the recent past of some subjects for the overview: once a minute for all viewers, one subject at a time. */

import type { Columns } from "../../history/point.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { problemsByUpstream } from "../../wording/row-state.ts";
import type { AdminClient } from "../admin-client.ts";

export type TrendSource = Pick<Snapshot, "at" | "pools" | "problems">;

/** What one line shows: an upstream, or a pool. */
export interface TrendSubject {
  /** The key of its columns. */
  readonly key: string;
  readonly query: { readonly upstream: string } | { readonly pool: string };
}

export interface TrendReaderOptions {
  readonly admin: Pick<AdminClient, "historyRange">;
  /** The balancer that is read now: trends of another one are given up. */
  readonly source: () => string;
  readonly clock: Clock;
  /** How far back the lines reach, milliseconds, and how many points each of them has. */
  readonly spanMs: number;
  readonly points: number;
  /** The most important first. */
  readonly subjects: (snapshot: TrendSource) => readonly TrendSubject[];
  /** A subject that was not asked for yet does not wait for the next minute, but for this time in milliseconds. */
  readonly newSubjectMs?: number;
}

/** By the key of the subject. The same object as long as nothing was read again. */
export type Trends = ReadonlyMap<string, Columns>;

const restMs = 60_000;

/** After a pause without viewers, trends that are older are not shown. */
const maxAgeMs = 3 * restMs;

const none: Trends = new Map();

export class TrendReader {
  readonly #options: TrendReaderOptions;
  #last = none;
  #asked: ReadonlySet<string> = new Set();
  #readAt = Number.NEGATIVE_INFINITY;
  #endedAt = Number.NEGATIVE_INFINITY;
  #source = "";
  #isReading = false;

  constructor(options: TrendReaderOptions) {
    this.#options = options;
  }

  /** The last result, which is renewed in the background. Never throws; empty before the first one. */
  of(snapshot: TrendSource): Trends {
    const { clock, source } = this.#options;
    const isOther = source() !== this.#source;
    if (isOther || clock() - this.#endedAt > maxAgeMs) this.#last = none;
    if (!this.#isReading && (isOther || this.#isDue(snapshot))) {
      this.#source = source();
      this.#readAt = clock();
      this.#isReading = true;
      void this.#read(snapshot);
    }
    return this.#last;
  }

  #isDue(snapshot: TrendSource): boolean {
    const { clock, subjects, newSubjectMs = restMs } = this.#options;
    const restedMs = clock() - this.#readAt;
    if (restedMs >= restMs) return true;
    return restedMs >= newSubjectMs && subjects(snapshot).some(({ key }) => !this.#asked.has(key));
  }

  async #read(snapshot: TrendSource): Promise<void> {
    const { admin, clock, source, spanMs, points, subjects } = this.#options;
    const range = { from: snapshot.at - spanMs, to: snapshot.at, maxPoints: points };
    const trends = new Map<string, Columns>();
    const wanted = subjects(snapshot);
    this.#asked = new Set(wanted.map(({ key }) => key));
    // One after the other: the balancer serves requests between two readings.
    for (const { key, query } of wanted) {
      const result = await admin.historyRange({ ...query, ...range });
      if ("value" in result) {
        const columns = result.value.series[0]?.columns;
        if (columns) trends.set(key, columns);
      } else if (result.error.reason === "unreachable") break;
      if (source() !== this.#source) break;
    }
    this.#isReading = false;
    if (source() !== this.#source || trends.size === 0) return;
    this.#last = trends;
    this.#endedAt = clock();
  }
}

/** Upstreams that are read each minute. Of more, the ones with a problem and the ones that are out come first. */
const maxUpstreams = 100;

/** The lines of the table of upstreams. */
export const upstreamTrends = { spanMs: 30 * 60_000, points: 30, subjects: mostWanted } as const;

function mostWanted({ pools, problems = [] }: TrendSource): readonly TrendSubject[] {
  const named = problemsByUpstream(problems);
  const upstreams = pools.flatMap((pool) => pool.upstreams);
  const rank = ({ id, fit }: (typeof upstreams)[number]) => (named.has(id) ? 0 : fit ? 2 : 1);
  return upstreams
    .toSorted((one, other) => rank(one) - rank(other))
    .slice(0, maxUpstreams)
    .map(({ id }) => ({ key: id, query: { upstream: id } }));
}
