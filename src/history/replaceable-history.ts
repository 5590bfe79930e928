/** A history store that can be replaced while others use it: a process that takes over opens the file late. */

import type { Point } from "./point.ts";
import type { HistoryStore, Period, Resolution, SeriesKey, StoredSeries } from "./store.ts";

export class ReplaceableHistory implements HistoryStore {
  #store: HistoryStore;

  constructor(store: HistoryStore) {
    this.#store = store;
  }

  /** Closes the store and goes on with another one. */
  replace(store: HistoryStore): void {
    this.#store.close();
    this.#store = store;
  }

  write(points: readonly StoredSeries[]): void {
    this.#store.write(points);
  }

  read(series: SeriesKey, resolution: Resolution, during: Period): readonly Point[] {
    return this.#store.read(series, resolution, during);
  }

  busiest(series: SeriesKey, resolution: Resolution): number {
    return this.#store.busiest(series, resolution);
  }

  uptime(series: SeriesKey): string {
    return this.#store.uptime(series);
  }

  close(): void {
    this.#store.close();
  }
}
