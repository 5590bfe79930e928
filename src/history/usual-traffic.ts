/** What is usual at this hour: medians of the same hour of the last days, read from the history a little at a time. */

import type { WallClock } from "../lib/clock.ts";
import type { UsualTraffic } from "../problems/sample.ts";
import type { Point } from "./point.ts";
import { type HistoryStore, resolutions, type SeriesKey } from "./store.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const days = 7;
const [, , minutes] = resolutions;

/** Fewer minutes with requests say nothing about what is usual. */
const minimumMinutes = 30;

/** A minute with fewer requests has no share of errors worth a word. */
const minimumRequests = 20;

export interface UsualTrafficOptions {
  readonly store: Pick<HistoryStore, "read" | "busiest">;
  readonly wallClock: WallClock;
  /** Called when the store cannot be read. */
  readonly onFailure: (error: unknown) => void;
}

interface UsualEntry {
  readonly key: SeriesKey;
  value: UsualTraffic | null;
  /** The hour that the value is for, as hours since the epoch; -1 before the first reading. */
  hour: number;
  /** The hour in which it was asked for last. */
  askedIn: number;
}

/** Reads at most one series a second, because requests wait while it reads: about a millisecond. */
export class UsualTrafficReader {
  readonly #options: UsualTrafficOptions;
  readonly #entries = new Map<string, UsualEntry>();
  readonly #queue = new Set<UsualEntry>();

  constructor(options: UsualTrafficOptions) {
    this.#options = options;
  }

  /** Null until it has been read, and where too little is known. @param upstream null for the pool itself */
  of(pool: string, upstream: string | null): UsualTraffic | null {
    const name = `${pool}\n${upstream ?? ""}`;
    const hour = this.#hour();
    let entry = this.#entries.get(name);
    if (!entry) {
      entry = { key: { pool, upstream }, value: null, hour: -1, askedIn: hour };
      this.#entries.set(name, entry);
    }
    entry.askedIn = hour;
    if (entry.hour !== hour) this.#queue.add(entry);
    return entry.value;
  }

  /** Reads the next series. To be called once a second. */
  readNext(): void {
    const [entry] = this.#queue;
    if (!entry) return;
    this.#queue.delete(entry);
    entry.hour = this.#hour();
    try {
      entry.value = this.#read(entry.key);
    } catch (error) {
      entry.value = null;
      this.#options.onFailure(error);
    }
    for (const [name, { askedIn }] of this.#entries) if (askedIn < entry.hour - 1) this.#entries.delete(name);
  }

  #hour(): number {
    return Math.floor(this.#options.wallClock() / hourMs);
  }

  #read(key: SeriesKey): UsualTraffic | null {
    const { store } = this.#options;
    const start = this.#hour() * hourMs;
    const points = Array.from({ length: days }, (_, day) => start - (day + 1) * dayMs).flatMap((from) =>
      store.read(key, minutes, { after: from, until: from + hourMs }),
    );
    const busy = points.filter(({ requests }) => requests > 0);
    if (busy.length < minimumMinutes) return null;
    return { ...usualOf(busy), peakPerSecond: store.busiest(key, minutes) };
  }
}

function usualOf(points: readonly Point[]): Omit<UsualTraffic, "peakPerSecond"> {
  const counted = points.filter(({ requests }) => requests >= minimumRequests);
  return {
    p95Ms: medianOf(points.flatMap(({ p95Ms }) => (p95Ms === null ? [] : [p95Ms]))),
    errorShare: medianOf(counted.map(({ errors, requests }) => errors / requests)),
    perSecond: medianOf(points.map(({ requests, spanMs }) => (requests * 1_000) / Math.max(1, spanMs))),
  };
}

/** Null without values. */
function medianOf(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}
