/** A simulation on a fake clock: clients, exchanges, a pool and modelled servers. Seeded and independent of real time. */

import type { Schedule } from "../../src/lib/clock.ts";
import { routeTo } from "../support/routes.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { type BuiltInPolicy, policyEntry } from "../../src/policy/policies.ts";
import type { Attempt } from "../../src/pool/attempt.ts";
import { type Failure, failure, type Outcome, completed } from "../../src/pool/outcome.ts";
import { Pool } from "../../src/pool/pool.ts";
import { Upstream, type UpstreamLimits } from "../../src/pool/upstream.ts";
import { Exchange } from "../../src/proxy/exchange.ts";
import type { RequestHead } from "../../src/proxy/request-head.ts";
import { Hedger, type HedgeAfter } from "../../src/proxy/hedger.ts";
import type { Refusal } from "../../src/proxy/refusal.ts";
import { Queue, type QueueLimits } from "../../src/proxy/queue.ts";
import { type RetryAllowance, RetryBudget } from "../../src/proxy/retry-budget.ts";
import { outlierLimits } from "../support/pool-fixture.ts";
import { testTimeouts } from "../support/engine-fixture.ts";

/** What a simulated server does with one request. */
export interface ServerReaction {
  readonly afterMs: number;
  /** A status or a failure. */
  readonly end: number | Failure;
}

export type Server = (dice: Random) => ServerReaction;

/** Responds after a time drawn from an exponential distribution with mean `meanMs`. */
export const responsive =
  (meanMs: number, status = 200): Server =>
  (dice) => ({ afterMs: -Math.log(1 - dice()) * meanMs, end: status });

export const dead: Server = () => ({ afterMs: 0.2, end: failure("connect", "connect_refused") });

export const resetting: Server = () => ({ afterMs: 1, end: failure("head", "upstream_reset") });

export interface SimulationOptions {
  readonly servers: readonly Server[];
  readonly weights?: readonly number[];
  readonly policy?: BuiltInPolicy;
  readonly retries?: number;
  /** Null disables the budget. */
  readonly retryBudget?: RetryAllowance | null;
  readonly limits?: Partial<UpstreamLimits>;
  readonly maxEjectedShare?: number;
  readonly queue?: QueueLimits;
  readonly hedgeAfter?: HedgeAfter;
  readonly method?: string;
  readonly seed?: number;
}

interface ScheduledTask {
  readonly at: number;
  readonly order: number;
  readonly task: () => void;
}

/** An attempt in flight; a server's death ends it at once. */
interface SimulatedAttempt {
  readonly upstream: Upstream;
  finish(end: number | Failure): void;
}

/** A client request and its attempts in flight. */
interface SimulatedRequest {
  readonly exchange: Exchange;
  readonly since: number;
  readonly openAttempts: Map<Attempt, SimulatedAttempt>;
}

const defaultLimits: UpstreamLimits = {
  rise: 2,
  fall: 3,
  outlier: outlierLimits,
  slowStartMs: 30_000,
  maxInFlight: 256,
};

export class Simulation {
  readonly pool: Pool;
  readonly upstreams: readonly Upstream[];
  readonly budget: RetryBudget | undefined;
  readonly #queue: Queue | undefined;
  /** Counts of client requests, of successful ones, and of attempts with any outcome. */
  requests = 0;
  succeeded = 0;
  attempts = 0;
  /** Attempts that reached a server: all except failed connects. */
  received = 0;
  /** The latency of each request with a response, as the client measures it. */
  readonly latenciesMs: number[] = [];
  readonly metrics: Metrics;
  /** Counts of refusals by reason and retry veto, and of error responses by status. */
  readonly errors: Record<string, number> = {};
  /** Attempts by upstream since the last {@link takeAttemptCounts}. */
  #served = new Map<Upstream, number>();
  readonly #servers: Server[];
  readonly #dice: Random;
  readonly #method: string;
  readonly #exchange: () => Exchange;
  readonly #openAttempts = new Set<SimulatedAttempt>();
  readonly #hedger: Hedger;
  #heap: ScheduledTask[] = [];
  #order = 0;
  #now = 0;

  constructor(options: SimulationOptions) {
    const { servers, policy = "round-robin", retryBudget = { share: 0.2, perSecond: 3 } } = options;
    const clock = () => this.#now;
    const random = seededRandom(options.seed ?? 1);
    this.#dice = seededRandom((options.seed ?? 1) + 1_000);
    this.#servers = [...servers];
    this.#method = options.method ?? "GET";
    const limits = { ...defaultLimits, ...options.limits };
    const address = { protocol: "http", hostname: "127.0.0.1", port: 1 } as const;
    this.upstreams = servers.map((_, i) => {
      return new Upstream({ id: `u${i}`, address, weight: options.weights?.[i] ?? 1, backup: false }, limits);
    });
    this.pool = new Pool({
      name: "main",
      policy: policyEntry(policy).create({ random, clock }),
      upstreams: this.upstreams,
      random,
      clock,
      maxEjectedShare: options.maxEjectedShare ?? 0.5,
    });
    for (const upstream of this.upstreams) this.pool.recordProbe(upstream, true);
    this.budget = retryBudget === null ? undefined : new RetryBudget(retryBudget, clock);
    const schedule: Schedule = (delayMs, task) => {
      let isOff = false;
      this.after(delayMs, () => isOff || task());
      return () => void (isOff = true);
    };
    // Promises do not settle inside the simulation: the queue's next timer serves waiting requests.
    this.#queue = options.queue && new Queue({ pool: this.pool, limits: options.queue, clock, schedule });
    const destination = {
      ...(this.#queue && { queue: this.#queue }),
      mayHedge: options.hedgeAfter !== undefined,
      pool: this.pool,
      timeouts: testTimeouts,
      retries: options.retries ?? 1,
      ...(this.budget && { retryBudget: this.budget }),
    };
    this.metrics = new Metrics(clock);
    const { hedgeAfter: after = 0 } = options;
    const observer =
      after === 0
        ? { attemptEnded() {}, retried() {}, notRetried() {}, hedged() {}, refused() {} }
        : this.metrics;
    const table = routeTo(destination);
    this.#exchange = () => new Exchange({ routes: () => table, clock, observer });
    this.#hedger = new Hedger({
      clock,
      schedule,
      // Otherwise a simulation without requests would never end.
      pools: () => (after === 0 || this.inFlight === 0 ? [] : [{ pool: this.pool, after }]),
      latencyOf: (pool) => this.metrics.latencyOf(pool),
    });
  }

  get now(): number {
    return this.#now;
  }

  get queued(): number {
    return this.#queue?.size ?? 0;
  }

  /** Requests that ended with a refusal or an error response. */
  get refused(): number {
    return Object.values(this.errors).reduce((sum, count) => sum + count, 0);
  }

  get inFlight(): number {
    return this.#openAttempts.size;
  }

  /** Sends requests at this rate for this time, evenly spaced with some jitter. */
  load(perSecond: number, seconds: number): void {
    const end = this.#now + seconds * 1_000;
    const gap = 1_000 / perSecond;
    const next = (at: number) => {
      if (at >= end) return;
      this.#at(at, () => {
        this.#startRequest();
        next(at + gap * (0.5 + this.#dice()));
      });
    };
    next(this.#now + gap * this.#dice());
    this.run(end);
  }

  /** Sends this many requests at the same moment. */
  burst(count: number): void {
    for (let i = 0; i < count; i++) this.#at(this.#now, () => this.#startRequest());
  }

  /** Schedules a task in `ms` milliseconds. */
  after(ms: number, task: () => void): void {
    this.#at(this.#now + ms, task);
  }

  /** Runs tasks until the given time; without one, until no task is left. */
  run(until = Infinity): void {
    for (;;) {
      const first = this.#heap[0];
      if (!first || first.at > until) break;
      this.#pop();
      this.#now = Math.max(this.#now, first.at);
      first.task();
    }
    if (until !== Infinity) this.#now = Math.max(this.#now, until);
  }

  /** Replaces a server's behaviour. */
  setServer(index: number, server: Server): void {
    this.#servers[index] = server;
  }

  /** Like SIGKILL: attempts in flight are reset, and later connects are refused. */
  kill(index: number): void {
    this.setServer(index, dead);
    for (const attempt of this.#openAttempts) {
      if (attempt.upstream === this.upstreams[index]) attempt.finish(failure("head", "upstream_reset"));
    }
  }

  /** Returns the attempts of each upstream since the last call. */
  takeAttemptCounts(): number[] {
    const counts = this.upstreams.map((upstream) => this.#served.get(upstream) ?? 0);
    this.#served = new Map();
    return counts;
  }

  #startRequest(): void {
    this.requests += 1;
    const request: SimulatedRequest = {
      exchange: this.#exchange(),
      since: this.#now,
      openAttempts: new Map(),
    };
    const { exchange } = request;
    const step = exchange.open(headOf(this.#method)).next();
    if (step.kind === "wait") {
      exchange.park({
        resume: (turn) => this.#runStep(request, turn),
        failed(bug) {
          throw bug;
        },
      });
    } else this.#runStep(request, step);
    this.#hedger.wake();
  }

  #runStep(request: SimulatedRequest, step: Attempt | Refusal): void {
    if (step.kind === "refusal") {
      const label = step.notRetried === undefined ? step.reason : `${step.reason} ${step.notRetried}`;
      this.errors[label] = (this.errors[label] ?? 0) + 1;
      return;
    }
    if (request.openAttempts.has(step)) return;
    const { upstream } = step;
    step.driver = {
      rescue() {},
      abort() {},
      hedge: () => {
        const second = request.exchange.hedge(true);
        if (second) this.#runStep(request, second);
      },
    };
    this.attempts += 1;
    this.#served.set(upstream, (this.#served.get(upstream) ?? 0) + 1);
    const reaction = this.#servers[this.upstreams.indexOf(upstream)]?.(this.#dice);
    if (!reaction) throw new Error(`Cannot serve: ${upstream.id} has no server`);
    if (typeof reaction.end === "number" || reaction.end.phase !== "connect") this.received += 1;
    let isOver = false;
    const attempt: SimulatedAttempt = {
      upstream,
      finish: (end) => {
        if (isOver) return;
        isOver = true;
        this.#openAttempts.delete(attempt);
        request.openAttempts.delete(step);
        this.#finish(request, step, end);
      },
    };
    this.#openAttempts.add(attempt);
    request.openAttempts.set(step, attempt);
    this.#at(this.#now + reaction.afterMs, () => attempt.finish(reaction.end));
  }

  #finish(request: SimulatedRequest, attempt: Attempt, end: number | Failure): void {
    const { exchange, since } = request;
    if (!attempt.isOpen) return;
    if (typeof end === "number") {
      attempt.responseStarted(end);
      exchange.commit(attempt);
      for (const superseded of request.openAttempts.values()) superseded.finish(end);
      this.latenciesMs.push(this.#now - since);
      attempt.end(completed satisfies Outcome);
      if (end < 500) this.succeeded += 1;
      else this.errors[`status ${end}`] = (this.errors[`status ${end}`] ?? 0) + 1;
      return;
    }
    attempt.end(end);
    this.#runStep(request, exchange.retryAfter(end, true));
  }

  #at(at: number, task: () => void): void {
    const heap = this.#heap;
    let hole = heap.length;
    const entry = { at, order: this.#order++, task };
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = heap[parent] as ScheduledTask;
      if (!isSooner(entry, above)) break;
      heap[hole] = above;
      hole = parent;
    }
    heap[hole] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const moved = heap.pop();
    if (!moved || heap.length === 0) return;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (!left) break;
      if (right && isSooner(right, left)) child += 1;
      const below = heap[child] as ScheduledTask;
      if (!isSooner(below, moved)) break;
      heap[hole] = below;
      hole = child;
    }
    heap[hole] = moved;
  }
}

function isSooner(one: ScheduledTask, other: ScheduledTask): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function headOf(method: string): RequestHead {
  return {
    method,
    target: "/",
    host: "a",
    clientAddress: "192.0.2.1",
    peerAddress: "192.0.2.1",
    scheme: "http",
    listener: "main",
    header: () => undefined,
  };
}
