/** The pools and upstreams that run now, and how they become those of another configuration without losing anything. */

import type { Config, PoolConfig } from "../config/config.ts";
import { type Clock, type Schedule, systemSchedule } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import { policyEntry } from "../policy/policies.ts";
import { Pool, type PoolObserver } from "../pool/pool.ts";
import { Upstream } from "../pool/upstream.ts";
import { isSameTls, type Address, originOf } from "../net/address.ts";
import type { ProbeTarget } from "../probe/prober.ts";
import { type Destination, hashKeyFor, type Route } from "../proxy/route.ts";
import { Deadlines } from "../proxy/deadlines.ts";
import { Queue } from "../proxy/queue.ts";
import { RetryBudget } from "../proxy/retry-budget.ts";

/** A pool with the configuration that it follows. */
export interface PoolEntry {
  readonly config: PoolConfig;
  readonly pool: Pool;
  readonly retryBudget: RetryBudget;
  readonly queue: Queue;
  readonly deadlines: Deadlines;
}

/** What pools need of the house around them. */
export interface PoolRegistryOptions {
  readonly clock: Clock;
  /** The system's if left out. */
  readonly schedule?: Schedule;
  readonly random: Random;
  readonly observer: PoolObserver;
}

/** An upstream and where it belongs. */
export interface UpstreamLocation {
  readonly entry: PoolEntry;
  readonly upstream: Upstream;
}

/** A fleet that is ready to take over: whatever is in the present one too is the same object in both. */
export interface PreparedPools {
  readonly config: Config;
  readonly entries: readonly (PoolEntry & { readonly upstreams: readonly Upstream[] })[];
}

export class PoolRegistry {
  readonly #options: PoolRegistryOptions;
  #entries: readonly PoolEntry[] = [];
  #routes: readonly Route[] = [];

  constructor(options: PoolRegistryOptions) {
    this.#options = options;
  }

  get entries(): readonly PoolEntry[] {
    return this.#entries;
  }

  get pools(): readonly Pool[] {
    return this.#entries.map(({ pool }) => pool);
  }

  get routes(): readonly Route[] {
    return this.#routes;
  }

  find(id: string): UpstreamLocation | undefined {
    for (const entry of this.#entries) {
      const upstream = entry.pool.upstreams.find((candidate) => candidate.id === id);
      if (upstream) return { entry, upstream };
    }
    return undefined;
  }

  /** What a configuration asks for. Changes nothing yet, so that newcomers can be looked at before they serve. */
  prepare(config: Config): PreparedPools {
    const running = new Map(this.#entries.map((entry) => [entry.pool.name, entry]));
    const known = new Map(
      this.pools.flatMap((pool) => pool.upstreams.map((upstream) => [identityOf(upstream), upstream])),
    );
    const entries = config.pools.map((pool) => ({
      ...(running.get(pool.name) ?? this.#createEntry(pool)),
      config: pool,
      retryBudget: this.#retryBudgetFor(pool, running.get(pool.name)),
      upstreams: pool.upstreams.map(
        (spec) =>
          known.get(identityOf(spec)) ?? new Upstream(spec, { ...pool.probe, ...upstreamLimits(pool) }),
      ),
    }));
    return { config, entries };
  }

  /** Takes over, within one turn of the event loop. Requests under way keep what they began with. */
  commit({ config, entries }: PreparedPools): void {
    const before = new Map(this.#entries.map((entry) => [entry.pool, entry.config]));
    for (const { config: desired, pool, queue, upstreams } of entries) {
      queue.limits = desired.queue;
      const old = before.get(pool);
      if (old && old.policy !== desired.policy) pool.setPolicy(this.#createPolicy(desired));
      if (!isSameList(pool.upstreams, upstreams)) pool.setUpstreams(upstreams);
      pool.setMaxEjectedShare(desired.outlier.maxEjectedShare);
      for (const [index, upstream] of upstreams.entries()) {
        const spec = desired.upstreams[index] ?? upstream;
        pool.adjust(upstream, spec);
        if (!isSameTls(upstream.address.tls, spec.address.tls)) upstream.address = spec.address;
        pool.setLimits(upstream, upstreamLimits(desired));
        upstream.activeHealth.adjust(desired.probe);
      }
    }
    this.#entries = entries.map(({ upstreams: _, ...entry }) => entry);
    this.#routes = buildRoutes(config, this.#entries);
  }

  #createPool(config: PoolConfig): Pool {
    return new Pool({
      name: config.name,
      policy: this.#createPolicy(config),
      upstreams: [],
      ...this.#options,
    });
  }

  #createEntry(config: PoolConfig): Pick<PoolEntry, "pool" | "queue" | "deadlines"> {
    const { clock, schedule = systemSchedule } = this.#options;
    const pool = this.#createPool(config);
    const queue = new Queue({ pool, limits: config.queue, clock, schedule });
    return { pool, queue, deadlines: new Deadlines({ clock, schedule }) };
  }

  /** What was earned stays, unless it is earned differently from now on. */
  #retryBudgetFor({ retryBudget: desired }: PoolConfig, entry: PoolEntry | undefined): RetryBudget {
    const current = entry?.config.retryBudget;
    const isSame = current && current.share === desired.share && current.perSecond === desired.perSecond;
    return isSame && entry ? entry.retryBudget : new RetryBudget(desired, this.#options.clock);
  }

  #createPolicy({ policy }: PoolConfig) {
    return policyEntry(policy).create(this.#options);
  }
}

/** What the prober has to look at. */
export function probeTargets({ entries }: PreparedPools): readonly ProbeTarget[] {
  return entries.flatMap(({ config: { probe: plan }, pool, upstreams }) =>
    upstreams.map((upstream) => ({ upstream, pool, plan })),
  );
}

function isSameList(one: readonly Upstream[], other: readonly Upstream[]): boolean {
  return one.length === other.length && one.every((upstream, index) => upstream === other[index]);
}

function buildRoutes(config: Config, entries: readonly PoolEntry[]): readonly Route[] {
  const destinations = new Map(entries.map((entry) => [entry.config.name, buildDestination(entry)]));
  return config.routes.flatMap(({ pool, ...match }) => {
    const destination = destinations.get(pool);
    return destination ? [{ ...match, destination }] : [];
  });
}

function upstreamLimits({ outlier, slowStartMs, maxInFlight }: PoolConfig) {
  return { outlier, slowStartMs, maxInFlight };
}

function buildDestination({ config, pool, retryBudget, queue, deadlines }: PoolEntry): Destination {
  const { timeouts, retries, retryStatuses, hedgeAfter, maxRequestBodyBytes } = config;
  return {
    pool,
    timeouts,
    retries,
    retryBudget,
    queue,
    ...(retryStatuses.length > 0 && { retryStatuses: new Set(retryStatuses) }),
    ...(timeouts.totalMs !== undefined && { deadlines }),
    ...(hedgeAfter !== 0 && { mayHedge: true }),
    ...(maxRequestBodyBytes !== undefined && { maxRequestBodyBytes }),
    ...(policyEntry(config.policy).keyed && { keyOf: hashKeyFor(config.hashBy) }),
  };
}

/**
 * What makes an upstream the same one after a change: it keeps its health, its load and its connections then. How it
 * proves who it is does not: another authority or name changes a setting of it, for the connections to come.
 */
export function identityOf({ id, address }: { readonly id: string; readonly address: Address }): string {
  return `${id} ${originOf(address)}`;
}
