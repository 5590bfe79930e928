/** Traffic of every pool, upstream and route in the windows that thresholds use, from the samples' counters. */

import { CounterWindow, ReadingTimes } from "./counter-window.ts";
import type { BalancerSample, PoolSample, RouteSample, UpstreamSample } from "./sample.ts";

/** What one upstream did; valid until the next sample. */
export class UpstreamTraffic {
  readonly #window = new CounterWindow(2);
  sample: UpstreamSample;
  seenAt = 0;
  /** Attempts and errors of the last 30 s, attempts of the last 60 s. */
  requests30 = 0;
  errors30 = 0;
  requests60 = 0;

  constructor(sample: UpstreamSample) {
    this.sample = sample;
  }

  read(sample: UpstreamSample, { in30, in60 }: WindowReadings): void {
    this.sample = sample;
    this.#window.push(sample.requests, sample.errors);
    this.requests30 = this.#window.since(0, in30);
    this.errors30 = this.#window.since(1, in30);
    this.requests60 = this.#window.since(0, in60);
  }

  /** Failed attempts ÷ attempts of the last 30 s. */
  get errorShare(): number {
    return this.requests30 > 0 ? this.errors30 / this.requests30 : 0;
  }
}

/** How many readings back each window begins, and how long the middle one really is. */
interface WindowReadings {
  readonly in10: number;
  readonly in30: number;
  readonly in60: number;
  readonly seconds10: number;
  readonly seconds30: number;
}

/** What a pool did; valid until the next sample. */
export class PoolTraffic {
  readonly #window = new CounterWindow(8);
  sample: PoolSample;
  upstreams: readonly UpstreamTraffic[] = [];
  routes: readonly RouteTraffic[] = [];
  seenAt = 0;
  /** Requests of clients that ended in the last 30 s, however many attempts they took. */
  requests30 = 0;
  /** Attempts of all its upstreams in the last 30 s, and how many of them failed. */
  attempts30 = 0;
  attemptErrors30 = 0;
  /** Attempts of the last 60 s. */
  attempts60 = 0;
  /** Failed attempts that no other attempt followed: clients got the failure. */
  visibleErrors30 = 0;
  /** Requests that got a 5xx before any attempt; `otherTurnedAway30` without the ones that the queue or a lack of upstreams turned away. */
  turnedAwayErrors30 = 0;
  otherTurnedAway30 = 0;
  /** Last 10 s. */
  requests10 = 0;
  queueRefusals10 = 0;
  budgetRefusals10 = 0;
  seconds10 = 1;
  seconds30 = 1;

  constructor(sample: PoolSample) {
    this.sample = sample;
  }

  read(sample: PoolSample, upstreams: readonly UpstreamTraffic[], readings: WindowReadings): void {
    const { in10, in30, in60 } = readings;
    let [requests, errors] = [0, 0];
    for (const upstream of upstreams) {
      requests += upstream.sample.requests;
      errors += upstream.sample.errors;
    }
    const { turnedAway, turnedAwayErrors, retries, budgetRefusals, queueRefusals, otherRefusals } = sample;
    const window = this.#window;
    window.push(
      ...[requests, errors, turnedAway, turnedAwayErrors, retries],
      ...[budgetRefusals, queueRefusals, otherRefusals],
    );
    this.sample = sample;
    this.upstreams = upstreams;
    this.seconds10 = readings.seconds10;
    this.seconds30 = readings.seconds30;
    this.attempts30 = window.since(0, in30);
    this.attemptErrors30 = window.since(1, in30);
    this.attempts60 = window.since(0, in60);
    const retries30 = window.since(4, in30);
    this.requests30 = Math.max(0, this.attempts30 - retries30) + window.since(2, in30);
    this.visibleErrors30 = Math.max(0, this.attemptErrors30 - retries30);
    this.turnedAwayErrors30 = window.since(3, in30);
    const explained = window.since(6, in30) + window.since(7, in30);
    this.otherTurnedAway30 = Math.max(0, this.turnedAwayErrors30 - explained);
    this.requests10 = Math.max(0, window.since(0, in10) - window.since(4, in10)) + window.since(2, in10);
    this.budgetRefusals10 = window.since(5, in10);
    this.queueRefusals10 = window.since(6, in10);
  }

  /** The part of its failed attempts that clients got as failures, 0–1. */
  get visibleShare(): number {
    return this.attemptErrors30 > 0 ? this.visibleErrors30 / this.attemptErrors30 : 0;
  }

  /** Requests a second, last 30 s. */
  get perSecond(): number {
    return this.requests30 / this.seconds30;
  }
}

/** What one route did in the last 30 s. */
export class RouteTraffic {
  readonly #window = new CounterWindow(2);
  sample: RouteSample;
  seenAt = 0;
  requests30 = 0;
  errors30 = 0;

  constructor(sample: RouteSample) {
    this.sample = sample;
  }

  read(sample: RouteSample, { in30 }: WindowReadings): void {
    this.sample = sample;
    this.#window.push(sample.requests, sample.errors);
    this.requests30 = this.#window.since(0, in30);
    this.errors30 = this.#window.since(1, in30);
  }
}

/** Keeps windows as long as their subject exists. */
export class TrafficReader {
  readonly #times = new ReadingTimes();
  readonly #pools = new Map<string, PoolTraffic>();
  readonly #upstreams = new Map<string, UpstreamTraffic>();
  readonly #routes = new Map<string, RouteTraffic>();
  readonly #lost = new CounterWindow(1);
  /** Lines of the access log and spans that were lost in the last 60 s. */
  lost60 = 0;

  /** In the order of the sample. */
  read(sample: BalancerSample): readonly PoolTraffic[] {
    const { now } = sample;
    this.#times.push(now);
    const [in10, in30, in60] = [10_000, 30_000, 60_000].map((ms) => this.#times.readingsIn(ms));
    const readings = {
      ...{ in10: in10 ?? 0, in30: in30 ?? 0, in60: in60 ?? 0 },
      seconds10: this.#times.secondsIn(in10 ?? 0),
      seconds30: this.#times.secondsIn(in30 ?? 0),
    };
    this.#lost.push(sample.lostLines + sample.lostSpans);
    this.lost60 = this.#lost.since(0, readings.in60);
    const routesOf = this.#readRoutes(sample.routes, readings, now);
    const pools = sample.pools.map((pool) => {
      const upstreams = pool.upstreams.map((upstream) => {
        const traffic = entryOf(this.#upstreams, upstream.id, () => new UpstreamTraffic(upstream));
        traffic.read(upstream, readings);
        traffic.seenAt = now;
        return traffic;
      });
      const traffic = entryOf(this.#pools, pool.name, () => new PoolTraffic(pool));
      traffic.read(pool, upstreams, readings);
      traffic.routes = routesOf.get(pool.name) ?? [];
      traffic.seenAt = now;
      return traffic;
    });
    const upstreams = pools.reduce((sum, pool) => sum + pool.upstreams.length, 0);
    for (const known of [this.#pools, this.#routes]) forgetUnseen(known, now);
    // Of a thousand, a look at each costs more than all that is counted of it.
    if (this.#upstreams.size !== upstreams) forgetUnseen(this.#upstreams, now);
    return pools;
  }

  #readRoutes(
    routes: readonly RouteSample[],
    readings: WindowReadings,
    now: number,
  ): ReadonlyMap<string, RouteTraffic[]> {
    const byPool = new Map<string, RouteTraffic[]>();
    for (const route of routes) {
      const traffic = entryOf(this.#routes, route.label, () => new RouteTraffic(route));
      if (traffic.seenAt !== now) traffic.read(route, readings);
      traffic.seenAt = now;
      for (const pool of route.pools) entryOf(byPool, pool, () => []).push(traffic);
    }
    return byPool;
  }
}

function forgetUnseen(known: Map<string, { readonly seenAt: number }>, now: number): void {
  for (const [name, { seenAt }] of known) if (seenAt !== now) known.delete(name);
}

function entryOf<Value>(map: Map<string, Value>, key: string, create: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = create()));
  return value;
}
