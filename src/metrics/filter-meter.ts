/** Counters of the filters of routes. Routes without a name share an empty label, so that configurations bound the number of series. */

import { Histogram, type HistogramCounts } from "./histogram.ts";
import type { Family, Sample } from "./prometheus.ts";

/** A limit of one route, as the configuration names it. */
export interface LimitIdentity {
  /** "routes[3]" */
  readonly place: string;
  /** Name of the route; empty without one. */
  readonly route: string;
  /** Name of the limit. */
  readonly name: string;
}

/** `refused`, or `dry_run` where it would have been. */
export type LimitMode = "refused" | "dry_run";

export interface LimitCount extends LimitIdentity {
  readonly mode: LimitMode;
  readonly count: number;
}

type Counts = ReadonlyArray<readonly [key: string, count: number]>;

/** As they travel between processes: cumulative. */
export interface FilterCounters {
  readonly answers: Counts;
  readonly limited: Counts;
  readonly evictions: number;
  readonly leaseCalls: LeaseCalls;
  readonly authorizations: ReadonlyArray<readonly [route: string, counts: HistogramCounts]>;
}

/** Calls for tokens of limits that a fleet shares. */
export interface LeaseCalls {
  readonly success: number;
  readonly failure: number;
}

/** No label has a space. */
const separator = " ";

export class FilterMeter {
  /** By filter, route and status. */
  readonly #answers = new Map<string, number>();
  /** By place, route, name and mode. */
  readonly #limited = new Map<string, number>();
  /** Answers of authorization servers by route. */
  readonly #authorizations = new Map<string, Histogram>();
  /** Keys of rate limits that were forgotten while their limits applied. */
  evictions = 0;
  leaseCalls: LeaseCalls = { success: 0, failure: 0 };

  leaseCalled(result: keyof LeaseCalls): void {
    this.leaseCalls = { ...this.leaseCalls, [result]: this.leaseCalls[result] + 1 };
  }

  /** A filter answered a request. @param route its name; empty without one */
  answered(filter: string, route: string, status: number): void {
    increase(this.#answers, [filter, route, status].join(separator), 1);
  }

  limited({ place, route, name }: LimitIdentity, mode: LimitMode): void {
    increase(this.#limited, [place, route, name, mode].join(separator), 1);
  }

  authorized(route: string, durationMs: number): void {
    this.#authorizationOf(route).record(durationMs);
  }

  #authorizationOf(route: string): Histogram {
    let histogram = this.#authorizations.get(route);
    if (!histogram) this.#authorizations.set(route, (histogram = new Histogram()));
    return histogram;
  }

  get limits(): readonly LimitCount[] {
    return [...this.#limited].map(([key, count]) => {
      const [place = "", route = "", name = "", mode] = key.split(separator);
      return { place, route, name, mode: mode as LimitMode, count };
    });
  }

  get answers(): ReadonlyMap<string, number> {
    return this.#answers;
  }

  get authorizations(): ReadonlyMap<string, Histogram> {
    return this.#authorizations;
  }

  get counts(): FilterCounters {
    return {
      answers: [...this.#answers],
      limited: [...this.#limited],
      evictions: this.evictions,
      leaseCalls: this.leaseCalls,
      authorizations: [...this.#authorizations].map(([route, { counts }]) => [route, counts]),
    };
  }

  clear(): void {
    this.#answers.clear();
    this.#limited.clear();
    this.#authorizations.clear();
    this.evictions = 0;
    this.leaseCalls = { success: 0, failure: 0 };
  }

  add({ answers, limited, evictions, leaseCalls, authorizations }: FilterCounters): void {
    for (const [key, count] of answers) increase(this.#answers, key, count);
    for (const [key, count] of limited) increase(this.#limited, key, count);
    for (const [route, counts] of authorizations) this.#authorizationOf(route).addCounts(counts);
    this.evictions += evictions;
    const { success, failure } = this.leaseCalls;
    this.leaseCalls = { success: success + leaseCalls.success, failure: failure + leaseCalls.failure };
  }
}

function increase(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

/** @param samplesOf renders a histogram */
export function filterFamilies(
  meter: FilterMeter,
  samplesOf: (labels: Readonly<Record<string, string>>, histogram: Histogram) => readonly Sample[],
): readonly Family[] {
  return [
    {
      name: "evenkeel_filter_answers_total",
      help: "Responses of the filters of routes, by filter and status. The route is empty unless it has a name.",
      type: "counter",
      labels: ["filter", "route", "code"],
      samples: () =>
        [...meter.answers].map(([key, value]) => {
          const [filter = "", route = "", code = ""] = key.split(separator);
          return { labels: { filter, route, code }, value };
        }),
    },
    {
      name: "evenkeel_rate_limited_total",
      help: "Requests beyond a rate limit, by its name and mode: refused, or dry_run. The route is empty unless it has a name.",
      type: "counter",
      labels: ["route", "name", "mode"],
      samples: () => limitSamples(meter.limits),
    },
    {
      name: "evenkeel_rate_limit_evictions_total",
      help: "Keys that rate limits forgot before their time because there were too many.",
      type: "counter",
      labels: [],
      samples: () => [{ labels: {}, value: meter.evictions }],
    },
    {
      name: "evenkeel_rate_limit_lease_calls_total",
      help: "Calls for tokens of rate limits that a fleet shares. While they fail, each balancer admits its share.",
      type: "counter",
      labels: ["result"],
      samples: () =>
        Object.entries(meter.leaseCalls).map(([result, value]) => ({ labels: { result }, value })),
    },
    {
      name: "evenkeel_auth_duration_seconds",
      help: "Time until an authorization server (forwardAuth) had decided about a request. The route is empty unless it has a name.",
      type: "histogram",
      labels: ["route"],
      samples: () =>
        [...meter.authorizations].flatMap(([route, histogram]) => samplesOf({ route }, histogram)),
    },
  ];
}

/** Places are no labels: they change with the order of the file. */
function limitSamples(limits: readonly LimitCount[]): readonly Sample[] {
  const sums = new Map<string, number>();
  for (const { route, name, mode, count } of limits)
    increase(sums, [route, name, mode].join(separator), count);
  return [...sums].map(([key, value]) => {
    const [route = "", name = "", mode = ""] = key.split(separator);
    return { labels: { route, name, mode }, value };
  });
}
