/** Counters of routes. The configuration bounds how many there are; what is counted together has the key "". */

import { Histogram, type HistogramCounts } from "./histogram.ts";
import type { Family, Sample } from "./prometheus.ts";
import { isServerError } from "./rolling-traffic.ts";

/** One route. */
export class RouteCounts {
  readonly #statuses = new Map<number, number>();
  /** The latest status and the length of its run: added to the map when the status changes or the map is read. */
  #status = 0;
  #statusCount = 0;
  /** From the request's head to the end of the response. Not of upgraded connections. */
  readonly durations = new Histogram();
  /** Further attempts after a failed one. */
  retries = 0;
  /** Requests that the balancer refused itself. */
  refusals = 0;

  /** @param durationMs undefined for an upgraded connection */
  ended(status: number, durationMs: number | undefined): void {
    if (status !== this.#status) this.#endRun(status);
    this.#statusCount += 1;
    if (durationMs !== undefined) this.durations.record(durationMs);
  }

  /** Responses by status; 0 where the client got none. */
  get statuses(): ReadonlyMap<number, number> {
    this.#endRun(0);
    return this.#statuses;
  }

  #endRun(next: number): void {
    if (this.#statusCount > 0)
      this.#statuses.set(this.#status, (this.#statuses.get(this.#status) ?? 0) + this.#statusCount);
    this.#status = next;
    this.#statusCount = 0;
  }

  /** All requests, and of these the ones that ended with a 5xx status at the client. */
  get requests(): { readonly all: number; readonly errors: number } {
    let [all, errors] = [0, 0];
    for (const [status, count] of this.statuses) {
      all += count;
      if (isServerError(status)) errors += count;
    }
    return { all, errors };
  }

  /** As they are sent to another process. */
  reportAs(route: string): RouteCounters {
    const { statuses, durations, retries, refusals } = this;
    return { route, statuses: [...statuses], durations: durations.counts, retries, refusals };
  }

  add({ statuses, durations, retries, refusals }: Omit<RouteCounters, "route">): void {
    this.#endRun(0);
    for (const [status, count] of statuses)
      this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + count);
    this.durations.addCounts(durations);
    this.retries += retries;
    this.refusals += refusals;
  }
}

/** As they travel between processes: cumulative. */
export interface RouteCounters {
  readonly route: string;
  readonly statuses: ReadonlyArray<readonly [status: number, count: number]>;
  readonly durations: HistogramCounts;
  readonly retries: number;
  readonly refusals: number;
}

export class RouteMeter {
  readonly #routes = new Map<string, RouteCounts>();
  /** The route of the latest request: most have few routes that are busy. */
  #latest: { readonly route: string; readonly counts: RouteCounts } | undefined;
  /** Routes of the configuration; undefined before one is known. */
  #retained: ReadonlySet<string> | undefined;

  /** A request has ended. @param durationMs undefined for an upgraded connection */
  ended(route: string, status: number, durationMs: number | undefined): void {
    this.of(route).ended(status, durationMs);
  }

  /** Created with the first request. */
  of(route: string): RouteCounts {
    const latest = this.#latest;
    if (latest?.route === route) return latest.counts;
    let counts = this.#routes.get(route);
    if (!counts) this.#routes.set(route, (counts = new RouteCounts()));
    this.#latest = { route, counts };
    return counts;
  }

  get routes(): ReadonlyMap<string, RouteCounts> {
    return this.#routes;
  }

  get counts(): readonly RouteCounters[] {
    return [...this.#routes].map(([route, counts]) => counts.reportAs(route));
  }

  get retained(): ReadonlySet<string> | undefined {
    return this.#retained;
  }

  /** Forgets all other routes, now and in what is added later, so that reloads do not pile up counters. */
  retain(routes: ReadonlySet<string>): void {
    this.#retained = routes;
    this.#latest = undefined;
    for (const route of this.#routes.keys()) if (!routes.has(route)) this.#routes.delete(route);
  }

  clear(): void {
    this.#latest = undefined;
    this.#routes.clear();
  }

  /** Replaces the counters of a route by the sum of the parts. */
  set(route: string, parts: readonly RouteCounters[]): void {
    this.#latest = undefined;
    this.#routes.delete(route);
    this.add(parts);
  }

  add(all: readonly RouteCounters[]): void {
    for (const { route, ...counts } of all)
      if (this.#retained?.has(route) ?? true) this.of(route).add(counts);
  }
}

/** A name has no slash; host and path have one. */
function namedRoutes({ routes }: RouteMeter): ReadonlyArray<readonly [string, RouteCounts]> {
  return [...routes].filter(([route]) => route !== "" && !route.includes("/"));
}

/** Hosts and paths are no labels, because they change with the configuration. @param samplesOf renders a histogram */
export function routeFamilies(
  meter: RouteMeter,
  samplesOf: (labels: Readonly<Record<string, string>>, histogram: Histogram) => readonly Sample[],
): readonly Family[] {
  const counter = (name: string, help: string, valueOf: (counts: RouteCounts) => number): Family => ({
    ...{ name, help, type: "counter", labels: ["route"] },
    samples: () =>
      namedRoutes(meter).map(([route, counts]) => ({ labels: { route }, value: valueOf(counts) })),
  });
  return [
    {
      name: "evenkeel_route_requests_total",
      help: "Requests of the routes that have a name, by the status that the client got; 0 for none.",
      type: "counter",
      labels: ["route", "code"],
      samples: () =>
        namedRoutes(meter).flatMap(([route, { statuses }]) =>
          [...statuses].map(([code, value]) => ({ labels: { route, code: String(code) }, value })),
        ),
    },
    {
      name: "evenkeel_route_duration_seconds",
      help: "From the head of a request to the end of its response, of the routes that have a name.",
      type: "histogram",
      labels: ["route"],
      samples: () => namedRoutes(meter).flatMap(([route, { durations }]) => samplesOf({ route }, durations)),
    },
    counter(
      "evenkeel_route_retries_total",
      "Further attempts after a failed one, of the routes that have a name.",
      ({ retries }) => retries,
    ),
    counter(
      "evenkeel_route_refusals_total",
      "Requests that the balancer refused itself, of the routes that have a name.",
      ({ refusals }) => refusals,
    ),
  ];
}
