/** Starts an engine with a pool of real origins behind it, and collects the calls of its observers. */

import { FaultRegistry } from "../../src/fault/fault-registry.ts";
import { defaults } from "../../src/config/config.ts";
import type { Engine, EngineListener, EngineOptions, ListenerOptions } from "../../src/engine/engine.ts";
import type { Address } from "../../src/net/address.ts";
import { systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { type BuiltInPolicy, policyEntry } from "../../src/policy/policies.ts";
import type { Outcome } from "../../src/pool/outcome.ts";
import { Pool } from "../../src/pool/pool.ts";
import { Upstream } from "../../src/pool/upstream.ts";
import { Deadlines } from "../../src/proxy/deadlines.ts";
import { Exchange } from "../../src/proxy/exchange.ts";
import { Hedger } from "../../src/proxy/hedger.ts";
import { Queue, type QueueLimits } from "../../src/proxy/queue.ts";
import type { RecordSink, RequestRecord } from "../../src/proxy/record.ts";
import { requestIds } from "../../src/proxy/request-head.ts";
import type { Destination, FoundRoute, Timeouts } from "../../src/proxy/route.ts";
import type { Tracer } from "../../src/proxy/trace-context.ts";
import { routeDestination } from "../../src/registry/route-destination.ts";
import { outlierLimits } from "./pool-fixture.ts";
import { routeTable, type TestRoute } from "./routes.ts";
import { testLimits } from "./upstreams.ts";

export interface EngineFixtureOptions {
  readonly ports: readonly number[];
  /** Of all upstreams: TLS, HTTP/2. */
  readonly address?: Partial<Address>;
  readonly policy?: BuiltInPolicy;
  readonly retries?: number;
  readonly timeouts?: Partial<Timeouts>;
  /** More settings of the destination. */
  readonly destination?: Partial<Destination>;
  /** Settings of the listener. */
  readonly listener?: Partial<ListenerOptions>;
  /** A queue in front of the pool, and the maximum number of attempts in flight on each upstream. */
  readonly queue?: QueueLimits & { readonly maxInFlight: number };
  /** Idempotent requests are hedged after this wait; never by default. */
  readonly hedgeAfterMs?: number;
  /** Consecutive failures that eject an upstream; never by default. */
  readonly ejectsAfter?: number;
  readonly clientTimeouts?: Partial<EngineOptions["clientTimeouts"]>;
  readonly limits?: Partial<EngineOptions["limits"]>;
  readonly onHandshakeRefused?: (reason: string) => void;
  readonly isTrustedProxy?: EngineOptions["isTrustedProxy"];
  /** The routes to the destination; by default one that matches everything. */
  readonly routes?: readonly TestRoute[];
  /** For requests that none of them takes. */
  readonly unmatched?: FoundRoute | undefined;
  /** Traces requests. */
  readonly trace?: Tracer;
  /** The call of a record sink or the log that always throws. */
  readonly throwsIn?: WatcherCall;
}

/** A call with which the engine or the exchange only tells what happens. */
export type WatcherCall = "wants" | "wantsSlow" | "accept" | "warn";

export interface EndedAttempt {
  readonly upstream: string;
  readonly status: number;
  readonly outcome: Outcome;
}

export interface EngineFixture {
  readonly port: number;
  readonly listener: EngineListener;
  readonly pool: Pool;
  readonly faults: FaultRegistry;
  readonly ended: EndedAttempt[];
  readonly refused: string[];
  readonly retried: string[];
  readonly hedged: string[];
  readonly bugs: unknown[];
  readonly records: RequestRecord[];
  /** The number of requests in the queue. */
  queued(): number;
  /** The number of exchanges that the engine has created. */
  created(): number;
  close(): void;
}

export const testTimeouts: Timeouts = {
  connectMs: 1_000,
  headMs: 5_000,
  bodyIdleMs: 5_000,
  tunnelIdleMs: 5_000,
};

export async function startEngine(engine: Engine, options: EngineFixtureOptions): Promise<EngineFixture> {
  const random = seededRandom(1);
  const { ejectsAfter, queue, trace } = options;
  const limits = {
    ...testLimits,
    ...(queue && { maxInFlight: queue.maxInFlight }),
    ...(ejectsAfter !== undefined && { outlier: { ...outlierLimits, consecutiveFailures: ejectsAfter } }),
  };
  const upstreams = options.ports.map((port) => {
    const spec = { id: `127.0.0.1:${port}`, weight: 1, backup: false };
    const address = { protocol: "http" as const, hostname: "127.0.0.1", port, ...options.address };
    return new Upstream({ ...spec, address }, limits);
  });
  const policy = policyEntry(options.policy ?? "round-robin").create({ random, clock: systemClock });
  const pool = new Pool({
    name: "main",
    policy,
    upstreams,
    random,
    clock: systemClock,
    maxEjectedShare: 0.5,
  });
  for (const upstream of upstreams) pool.recordProbe(upstream, true);
  const timeouts = { ...testTimeouts, ...options.timeouts };
  const requestQueue =
    queue && new Queue({ pool, limits: queue, clock: systemClock, schedule: systemSchedule });
  const destination: Destination = {
    pool,
    timeouts,
    retries: options.retries ?? 1,
    ...(requestQueue && { queue: requestQueue }),
    ...(options.hedgeAfterMs !== undefined && { mayHedge: true }),
    ...options.destination,
  };
  const observed = {
    ended: [] as EndedAttempt[],
    refused: [] as string[],
    retried: [] as string[],
    hedged: [] as string[],
    bugs: [] as unknown[],
    records: [] as RequestRecord[],
  };
  const watch = (call: WatcherCall) => {
    if (call === options.throwsIn) throw new Error(`a bug in ${call}`);
  };
  const observer: ConstructorParameters<typeof Exchange>[0]["observer"] = {
    attemptEnded: ({ upstream, status }, outcome) =>
      observed.ended.push({ upstream: upstream.id, status, outcome }),
    retried: (_, failed) => observed.retried.push(failed.reason),
    notRetried: () => {},
    hedged: (_, result) => observed.hedged.push(result),
    refused: (_, refused) => observed.refused.push(refused.reason),
  };
  const records: RecordSink = {
    wants() {
      watch("wants");
      return options.throwsIn !== "wantsSlow";
    },
    wantsSlow() {
      watch("wantsSlow");
      return true;
    },
    wantsFailed: () => true,
    accept({ record: requestRecord }) {
      watch("accept");
      observed.records.push(requestRecord);
    },
  };
  const faults = new FaultRegistry();
  const createDeadlines = () => new Deadlines({ clock: systemClock, schedule: systemSchedule });
  const routes = routeTable(
    (options.routes ?? [{}]).map(({ limits = {}, isAnswered = false, ...route }) => ({
      ...(!isAnswered && { destination: routeDestination(destination, limits, createDeadlines) }),
      ...route,
    })),
    { unmatched: options.unmatched },
  );
  const exchanges = {
    routes: () => routes,
    clock: systemClock,
    observer,
    records: [records],
    attemptFilters: [faults],
    ...(trace && { trace }),
  };
  let created = 0;
  const { hedgeAfterMs: after } = options;
  const hedger = new Hedger({
    clock: systemClock,
    schedule: systemSchedule,
    pools: () => (after === undefined ? [] : [{ pool, after }]),
    latencyOf: () => undefined,
  });
  hedger.wake();
  const listener = await engine.listen({
    listeners: [{ name: "main", hostname: "127.0.0.1", port: 0, ...options.listener }],
    sharesPort: false,
    clientTimeouts: { headMs: 5_000, bodyIdleMs: 5_000, keepAliveMs: 5_000, ...options.clientTimeouts },
    limits: { ...defaults.limits, ...options.limits },
    exchange() {
      created += 1;
      return new Exchange(exchanges);
    },
    requestId: requestIds(random),
    isTrustedProxy: options.isTrustedProxy ?? (() => false),
    viaName: "evenkeel-1",
    handshakeRefused: (_, reason) => options.onHandshakeRefused?.(reason),
    log: { bug: (error) => void observed.bugs.push(error), warn: () => watch("warn") },
  });
  return {
    port: listener.ports[0] ?? 0,
    listener,
    pool,
    faults,
    ...observed,
    queued: () => requestQueue?.size ?? 0,
    created: () => created,
    close() {
      hedger.stop();
      listener.close();
    },
  };
}
