/** Counters of the routes that have a name: the configuration bounds how many there are. */

import { Histogram, type HistogramCounts } from "./histogram.ts";
import type { Family, Sample } from "./prometheus.ts";

/** One route. */
interface RouteCounts {
  /** Responses by status; 0 where the client got none. */
  readonly statuses: Map<number, number>;
  /** From the request's head to the end of the response. Not of upgraded connections. */
  readonly durations: Histogram;
}

/** As they travel between processes: cumulative. */
export interface RouteCounters {
  readonly route: string;
  readonly statuses: ReadonlyArray<readonly [status: number, count: number]>;
  readonly durations: HistogramCounts;
}

export class RouteMeter {
  readonly #routes = new Map<string, RouteCounts>();

  /** A request has ended. @param durationMs undefined for an upgraded connection */
  ended(route: string, status: number, durationMs: number | undefined): void {
    const counts = this.#of(route);
    counts.statuses.set(status, (counts.statuses.get(status) ?? 0) + 1);
    if (durationMs !== undefined) counts.durations.record(durationMs);
  }

  #of(route: string): RouteCounts {
    let counts = this.#routes.get(route);
    if (!counts) this.#routes.set(route, (counts = { statuses: new Map(), durations: new Histogram() }));
    return counts;
  }

  get routes(): ReadonlyMap<string, RouteCounts> {
    return this.#routes;
  }

  get counts(): readonly RouteCounters[] {
    return [...this.#routes].map(([route, { statuses, durations }]) => ({
      route,
      statuses: [...statuses],
      durations: durations.counts,
    }));
  }

  clear(): void {
    this.#routes.clear();
  }

  add(all: readonly RouteCounters[]): void {
    for (const { route, statuses, durations } of all) {
      const counts = this.#of(route);
      for (const [status, count] of statuses)
        counts.statuses.set(status, (counts.statuses.get(status) ?? 0) + count);
      counts.durations.addCounts(durations);
    }
  }
}

/** @param samplesOf renders a histogram */
export function routeFamilies(
  meter: RouteMeter,
  samplesOf: (labels: Readonly<Record<string, string>>, histogram: Histogram) => readonly Sample[],
): readonly Family[] {
  return [
    {
      name: "evenkeel_route_requests_total",
      help: "Requests of the routes that have a name, by the status that the client got; 0 for none.",
      type: "counter",
      labels: ["route", "code"],
      samples: () =>
        [...meter.routes].flatMap(([route, { statuses }]) =>
          [...statuses].map(([code, value]) => ({ labels: { route, code: String(code) }, value })),
        ),
    },
    {
      name: "evenkeel_route_duration_seconds",
      help: "From the head of a request to the end of its response, of the routes that have a name.",
      type: "histogram",
      labels: ["route"],
      samples: () => [...meter.routes].flatMap(([route, { durations }]) => samplesOf({ route }, durations)),
    },
  ];
}
