/** Reads the last day of all pools for the overview: once a minute for all viewers, a pool at a time. */

import type { Columns } from "../../history/point.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import type { DayHistory, EndedProblem } from "../../wording/day.ts";
import type { AdminClient } from "../admin-client.ts";
import { sumColumns, totalsOf } from "../history/columns.ts";

export interface DayReaderOptions {
  readonly admin: Pick<AdminClient, "historyRange" | "problems">;
  /** The balancer that is read now: a day of another one is given up. */
  readonly source: () => string;
  readonly clock: Clock;
}

type DaySubject = Pick<Snapshot, "at" | "pools" | "startedAt">;

const restMs = 60_000;
const dayMs = 86_400_000;

/** One every five minutes: two or three pixels each. */
const maxPoints = 288;
const stepMs = dayMs / maxPoints;

export class DayReader {
  readonly #options: DayReaderOptions;
  #last: DayHistory | undefined;
  #reading: Promise<DayHistory | undefined> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #source = "";

  constructor(options: DayReaderOptions) {
    this.#options = options;
  }

  /**
   * The last result, which is renewed in the background when it is too old. Only the first reading is awaited. Never rejects;
   * undefined if nothing could be read.
   */
  of(snapshot: DaySubject): Promise<DayHistory | undefined> {
    const { clock, source } = this.#options;
    if (source() !== this.#source) {
      this.#source = source();
      this.#last = undefined;
      this.#reading = undefined;
      this.#readAt = Number.NEGATIVE_INFINITY;
    }
    if (clock() - this.#readAt >= restMs) {
      this.#readAt = clock();
      this.#reading ??= this.#read(snapshot);
    }
    return this.#last || !this.#reading ? Promise.resolve(this.#last) : this.#reading;
  }

  async #read({ at, pools, startedAt }: DaySubject): Promise<DayHistory | undefined> {
    const { admin } = this.#options;
    const source = this.#source;
    const series: Columns[] = [];
    let isRead = true;
    // One after the other: the balancer serves requests between two readings.
    for (const { name } of pools) {
      const result = await admin.historyRange({ pool: name, from: at - dayMs, to: at, maxPoints });
      isRead = "value" in result;
      // The sum of the others would look like a day with less traffic.
      if (!("value" in result)) break;
      series.push(...result.value.series.map(({ columns }) => columns));
    }
    const columns = sumColumns(series);
    const day =
      isRead && columns
        ? { ...dayOf(columns, { at, startedAt }), lastProblem: await this.#lastProblem() }
        : undefined;
    if (source !== this.#source) return this.#last;
    this.#last = day ?? this.#last;
    this.#reading = undefined;
    return this.#last;
  }

  /** A notice is no problem. */
  async #lastProblem(): Promise<EndedProblem | undefined> {
    const result = await this.#options.admin.problems(new URLSearchParams({ state: "closed" }));
    if (!("value" in result)) return undefined;
    const ended = result.value.flatMap(({ title, level, since, closedAt }) =>
      closedAt === null || level === "notice" ? [] : [{ title, since, closedAt }],
    );
    return ended.toSorted((one, other) => other.closedAt - one.closedAt)[0];
  }
}

function dayOf(
  columns: Columns,
  { at, startedAt }: Omit<DaySubject, "pools">,
): Omit<DayHistory, "lastProblem"> {
  const { requests, errors, measuredMs } = totalsOf(columns, { stepMs, startedAt });
  return { from: at - dayMs, to: at, columns, requests, errors, measuredMs };
}
