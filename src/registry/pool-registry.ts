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
  readonly member: PoolEntry;
  readonly upstream: Upstream;
}

/** A fleet that is ready to take over: whatever is in the present one too is the same object in both. */
export interface PreparedPools {
  readonly config: Config;
  readonly members: readonly (PoolEntry & { readonly upstreams: readonly Upstream[] })[];
}

export class PoolRegistry {
  readonly #options: PoolRegistryOptions;
  #members: readonly PoolEntry[] = [];
  #routes: readonly Route[] = [];

  constructor(options: PoolRegistryOptions) {
    this.#options = options;
  }

  get members(): readonly PoolEntry[] {
    return this.#members;
  }

  get pools(): readonly Pool[] {
    return this.#members.map(({ pool }) => pool);
  }

  get routes(): readonly Route[] {
    return this.#routes;
  }

  find(id: string): UpstreamLocation | undefined {
    for (const member of this.#members) {
      const upstream = member.pool.upstreams.find((candidate) => candidate.id === id);
      if (upstream) return { member, upstream };
    }
    return undefined;
  }

  /** What a configuration asks for. Changes nothing yet, so that newcomers can be looked at before they serve. */
  prepare(config: Config): PreparedPools {
    const running = new Map(this.#members.map((member) => [member.pool.name, member]));
    const known = new Map(
      this.pools.flatMap((pool) => pool.upstreams.map((upstream) => [identityOf(upstream), upstream])),
    );
    const members = config.pools.map((pool) => ({
      ...(running.get(pool.name) ?? this.#queuedPoolOf(pool)),
      config: pool,
      retryBudget: this.#budgetOf(pool, running.get(pool.name)),
      upstreams: pool.upstreams.map(
        (spec) => known.get(identityOf(spec)) ?? new Upstream(spec, { ...pool.probe, ...limitsOf(pool) }),
      ),
    }));
    return { config, members };
  }

  /** Takes over, within one turn of the event loop. Requests under way keep what they began with. */
  commit({ config, members }: PreparedPools): void {
    const before = new Map(this.#members.map((member) => [member.pool, member.config]));
    for (const { config: desired, pool, queue, upstreams } of members) {
      queue.limits = desired.queue;
      const old = before.get(pool);
      if (old && old.policy !== desired.policy) pool.setPolicy(this.#policyOf(desired));
      if (!isSameList(pool.upstreams, upstreams)) pool.setUpstreams(upstreams);
      pool.setMaxEjectedShare(desired.outlier.maxEjectedShare);
      for (const [index, upstream] of upstreams.entries()) {
        const spec = desired.upstreams[index] ?? upstream;
        pool.adjust(upstream, spec);
        if (!isSameTls(upstream.address.tls, spec.address.tls)) upstream.address = spec.address;
        pool.setLimits(upstream, limitsOf(desired));
        upstream.activeHealth.adjust(desired.probe);
      }
    }
    this.#members = members.map(({ upstreams: _, ...member }) => member);
    this.#routes = routesOf(config, this.#members);
  }

  #poolOf(config: PoolConfig): Pool {
    return new Pool({
      name: config.name,
      policy: this.#policyOf(config),
      upstreams: [],
      ...this.#options,
    });
  }

  #queuedPoolOf(config: PoolConfig): Pick<PoolEntry, "pool" | "queue" | "deadlines"> {
    const { clock, schedule = systemSchedule } = this.#options;
    const pool = this.#poolOf(config);
    const queue = new Queue({ pool, limits: config.queue, clock, schedule });
    return { pool, queue, deadlines: new Deadlines({ clock, schedule }) };
  }

  /** What was earned stays, unless it is earned differently from now on. */
  #budgetOf({ retryBudget: desired }: PoolConfig, member: PoolEntry | undefined): RetryBudget {
    const present = member?.config.retryBudget;
    const isSame = present && present.share === desired.share && present.perSecond === desired.perSecond;
    return isSame && member ? member.retryBudget : new RetryBudget(desired, this.#options.clock);
  }

  #policyOf({ policy }: PoolConfig) {
    return policyEntry(policy).create(this.#options);
  }
}

/** What the prober has to look at. */
export function probeTargets({ members }: PreparedPools): readonly ProbeTarget[] {
  return members.flatMap(({ config: { probe: plan }, pool, upstreams }) =>
    upstreams.map((upstream) => ({ upstream, pool, plan })),
  );
}

function isSameList(one: readonly Upstream[], other: readonly Upstream[]): boolean {
  return one.length === other.length && one.every((upstream, index) => upstream === other[index]);
}

function routesOf(config: Config, members: readonly PoolEntry[]): readonly Route[] {
  const destinations = new Map(members.map((member) => [member.config.name, destinationOf(member)]));
  return config.routes.flatMap(({ pool, ...match }) => {
    const destination = destinations.get(pool);
    return destination ? [{ ...match, destination }] : [];
  });
}

function limitsOf({ outlier, slowStartMs, maxInFlight }: PoolConfig) {
  return { outlier, slowStartMs, maxInFlight };
}

function destinationOf({ config, pool, retryBudget, queue, deadlines }: PoolEntry): Destination {
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
