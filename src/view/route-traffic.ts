/** Traffic of every counted route in about the last minute: cumulative counters, kept every ten seconds. */

import type { Config, RouteConfig } from "../config/config.ts";
import { countedRoutes, otherRoutes } from "../config/counted-routes.ts";
import type { Clock } from "../lib/clock.ts";
import { Histogram, type HistogramCounts } from "../metrics/histogram.ts";
import type { RouteCounts, RouteMeter } from "../metrics/route-meter.ts";
import type {
  RouteCountsReport,
  RouteReport,
  RoutesReport,
  RouteTarget,
  RouteNumbers,
} from "../snapshot/route-report.ts";

const intervalMs = 10_000;

/** A minute, and the reading before it. */
const maxReadings = 7;

/** The counters of one route at one time. */
interface RouteReading extends RouteNumbers {
  readonly durations: HistogramCounts;
}

interface Reading {
  /** Clock time, milliseconds. */
  readonly at: number;
  readonly routes: ReadonlyMap<string, RouteReading>;
}

export interface RouteTrafficOptions {
  readonly meter: RouteMeter;
  readonly config: () => Pick<Config, "routes">;
  readonly clock: Clock;
}

const nothing: RouteReading = {
  ...{ requests: 0, errors: 0, retries: 0, refusals: 0 },
  durations: { sumMs: 0, buckets: [] },
};

export class RouteTrafficReader {
  readonly #options: RouteTrafficOptions;
  /** Oldest first. */
  readonly #readings: Reading[];

  constructor(options: RouteTrafficOptions) {
    this.#options = options;
    this.#readings = [{ at: options.clock(), routes: new Map() }];
  }

  /** To be called about once a second, when the counters are up to date; every tenth call costs something. */
  turn(): void {
    const now = this.#options.clock();
    const last = this.#readings.at(-1);
    // Half a second of tolerance, because calls may be late.
    if (last && now - last.at < intervalMs - 500) return;
    const routes = new Map<string, RouteReading>();
    for (const [route, counts] of this.#options.meter.routes) {
      const before = last?.routes.get(route);
      const { all } = counts.requests;
      // Without a new request it is the same object: a thousand idle routes take no memory.
      routes.set(route, before?.requests === all ? before : readingOf(counts));
    }
    this.#readings.push({ at: now, routes });
    if (this.#readings.length > maxReadings) this.#readings.shift();
  }

  /** Worst first. */
  report(): RoutesReport {
    const { routes } = this.#options.config();
    const counted = countedRoutes(routes);
    const own = routes.flatMap((route, index) => {
      const counter = counted[index] ?? otherRoutes;
      return counter === otherRoutes ? [] : [this.#routeReport(route, counter)];
    });
    const others = routes.length - own.length;
    return {
      routes: own.toSorted(
        ({ recent: one }, { recent: other }) =>
          other.errors - one.errors || other.refusals - one.refusals || other.requests - one.requests,
      ),
      others: others > 0 ? { routes: others, ...this.#countsOf(otherRoutes) } : null,
    };
  }

  #routeReport(route: RouteConfig, counter: string): RouteReport {
    const { name, place, conditions } = route;
    return {
      route: counter,
      name: name ?? null,
      place,
      hosts: conditions.hosts ?? [],
      path: conditions.path?.text ?? null,
      leadsTo: targetOf(route),
      ...this.#countsOf(counter),
    };
  }

  #countsOf(counter: string): RouteCountsReport {
    const { meter, clock } = this.#options;
    const [first] = this.#readings;
    const counts = meter.routes.get(counter);
    const seconds = Math.max(1, (clock() - (first?.at ?? 0)) / 1_000);
    if (!counts) return { recent: recentOf(nothing, new Histogram(), seconds), total: totalOf(nothing) };
    const total = trafficOf(counts);
    const known = first?.routes.get(counter) ?? nothing;
    // A counter that fell began again, as when a worker ended before its last report.
    const before = known.requests <= total.requests ? known : nothing;
    const base = new Histogram();
    base.addCounts(before.durations);
    const durations = new Histogram();
    durations.addSince(base, counts.durations);
    const recent = {
      requests: total.requests - before.requests,
      errors: Math.max(0, total.errors - before.errors),
      retries: Math.max(0, total.retries - before.retries),
      refusals: Math.max(0, total.refusals - before.refusals),
    };
    return { recent: recentOf(recent, durations, seconds), total };
  }
}

function trafficOf({ requests, retries, refusals }: RouteCounts): RouteNumbers {
  return { requests: requests.all, errors: requests.errors, retries, refusals };
}

function readingOf(counts: RouteCounts): RouteReading {
  return { ...trafficOf(counts), durations: counts.durations.counts };
}

function totalOf({ requests, errors, retries, refusals }: RouteNumbers): RouteNumbers {
  return { requests, errors, retries, refusals };
}

function recentOf(traffic: RouteNumbers, durations: Histogram, seconds: number): RouteCountsReport["recent"] {
  const { requests, errors } = traffic;
  return {
    ...totalOf(traffic),
    seconds,
    requestsPerSecond: requests / seconds,
    errorShare: requests > 0 ? errors / requests : 0,
    p50Ms: durations.percentile(0.5) ?? null,
    p95Ms: durations.percentile(0.95) ?? null,
    p99Ms: durations.percentile(0.99) ?? null,
  };
}

function targetOf({ pool, split, redirect, respond }: RouteConfig): RouteTarget {
  if (pool !== undefined) return { kind: "pool", words: pool, pools: [pool] };
  if (split) {
    const shares = Object.entries(split.pools);
    const words = shares.map(([name, weight]) => `${name} (${weight})`).join(", ");
    return { kind: "split", words, pools: shares.map(([name]) => name) };
  }
  if (redirect) return { kind: "redirect", words: redirect.to, pools: [] };
  return { kind: "respond", words: `status ${respond?.status ?? 200}`, pools: [] };
}
