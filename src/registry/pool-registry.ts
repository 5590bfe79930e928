/** The running pools, upstreams and routes. Changes are prepared, then committed; unchanged upstreams keep their state. */

import { isDeepStrictEqual } from "node:util";

import type { Config, PoolConfig } from "../config/config.ts";
import { type Clock, type Schedule, systemSchedule } from "../lib/clock.ts";
import type { NameWatcher } from "../dns/name-watcher.ts";
import type { Random } from "../lib/random.ts";
import { type Address, connectsAlike, originOf } from "../net/address.ts";
import type { Extensions } from "../extension/extensions.ts";
import { Pool, type PoolObserver } from "../pool/pool.ts";
import { Upstream } from "../pool/upstream.ts";
import type { ProbeTarget } from "../probe/prober.ts";
import { Deadlines } from "../proxy/deadlines.ts";
import { Queue } from "../proxy/queue.ts";
import { RetryBudget } from "../proxy/retry-budget.ts";
import type { Destination, ExplainedRouteTable } from "../proxy/route.ts";
import { createRouteTable } from "../routing/route-table.ts";
import { AccessFilters, type AccessResources } from "./access-filters.ts";
import { Destinations, policySourceOf, type PoolEntry } from "./destinations.ts";
import { compileRoutes } from "./route-compiler.ts";
import { StickyCookies } from "./sticky-cookies.ts";

export interface PoolRegistryOptions {
  readonly clock: Clock;
  /** Defaults to the system's timers. */
  readonly schedule?: Schedule;
  readonly random: Random;
  readonly observer: PoolObserver;
  /** Resolves the names of upstreams; without it the runtime does that for each connect. */
  readonly names?: NameWatcher;
  /** Filters and policies of the operator's own. */
  readonly extensions?: Extensions | undefined;
  /** For the filters of routes, in a process that serves. */
  readonly access?: AccessResources;
  /**
   * The secrets of sticky cookies where the configuration has none: the first makes cookies, all are read. By default one of this
   * object's own.
   */
  readonly stickySecrets?: () => readonly string[];
}

/** An upstream and the entry of its pool. */
export interface UpstreamLocation {
  readonly entry: PoolEntry;
  readonly upstream: Upstream;
}

/** The result of `prepare`, for `commit`. Running pools and upstreams are reused as the same objects. */
export interface PreparedPools {
  readonly config: Config;
  readonly entries: readonly (PoolEntry & { readonly upstreams: readonly Upstream[] })[];
}

export class PoolRegistry {
  readonly #options: PoolRegistryOptions;
  #entries: readonly PoolEntry[] = [];
  /** All upstreams by identity, when it was asked for. */
  #located: ReadonlyMap<string, UpstreamLocation> | undefined;
  #routes: ExplainedRouteTable = createRouteTable([]);
  readonly #access: AccessFilters;
  readonly #cookies = new StickyCookies();
  readonly #destinations: Destinations;
  /** What the routes were built from. */
  #builtFrom:
    { readonly config: Config; readonly destinations: ReadonlyMap<string, Destination> } | undefined;

  constructor(options: PoolRegistryOptions) {
    this.#options = options;
    this.#access = new AccessFilters({ clock: options.clock, ...options.access });
    this.#destinations = new Destinations(options.extensions);
  }

  get entries(): readonly PoolEntry[] {
    return this.#entries;
  }

  get pools(): readonly Pool[] {
    return this.#entries.map(({ pool }) => pool);
  }

  get routes(): ExplainedRouteTable {
    return this.#routes;
  }

  find(id: string): UpstreamLocation | undefined {
    for (const entry of this.#entries) {
      const upstream = entry.pool.upstreams.find((candidate) => candidate.id === id);
      if (upstream) return { entry, upstream };
    }
    return undefined;
  }

  /** @param identity see {@link identityOf} */
  locate(identity: string): UpstreamLocation | undefined {
    this.#located ??= new Map(
      this.#entries.flatMap((entry) =>
        entry.pool.upstreams.map((upstream) => [identityOf(upstream), { entry, upstream }]),
      ),
    );
    return this.#located.get(identity);
  }

  /** Builds the pools of a configuration. Changes nothing yet, so that new upstreams can be probed before they serve. */
  prepare(config: Config): PreparedPools {
    const running = new Map(this.#entries.map((entry) => [entry.pool.name, entry]));
    const existing = new Map(
      this.pools.flatMap((pool) => pool.upstreams.map((upstream) => [identityOf(upstream), upstream])),
    );
    const entries = config.pools.map((pool) => ({
      ...(running.get(pool.name) ?? this.#createEntry(pool)),
      config: pool,
      retryBudget: this.#retryBudgetFor(pool, running.get(pool.name)),
      upstreams: pool.upstreams.map(
        (spec) =>
          existing.get(identityOf(spec)) ?? new Upstream(spec, { ...pool.probe, ...upstreamLimits(pool) }),
      ),
    }));
    this.#options.names?.setServers(config.resolvers);
    // Asked for before the first probe, which waits for the answer.
    for (const { upstreams } of entries)
      for (const { endpoints } of upstreams) this.#options.names?.watch(endpoints);
    return { config, entries };
  }

  /** Applies prepared pools, synchronously. Requests in flight keep the destination they began with. */
  commit({ config, entries }: PreparedPools): void {
    const before = new Map(this.#entries.map((entry) => [entry.pool, entry.config]));
    for (const { config: desired, pool, queue, upstreams } of entries) {
      const old = before.get(pool);
      if (old === desired && isSameList(pool.upstreams, upstreams)) continue;
      queue.limits = desired.queue;
      if (old && old.policy !== desired.policy) pool.setPolicy(this.#createPolicy(desired));
      if (!isSameList(pool.upstreams, upstreams)) pool.setUpstreams(upstreams);
      pool.setMaxEjectedShare(desired.outlier.maxEjectedShare);
      for (const [index, upstream] of upstreams.entries()) {
        const spec = desired.upstreams[index] ?? upstream;
        pool.adjust(upstream, spec);
        if (!connectsAlike(upstream.address, spec.address)) upstream.address = spec.address;
        pool.setLimits(upstream, upstreamLimits(desired));
        upstream.activeHealth.adjust(desired.probe);
      }
    }
    this.#entries = entries.map(({ upstreams: _, ...entry }) => entry);
    this.#located = undefined;
    const secrets = this.stickySecretsFor(config);
    const destinations = this.#destinations.of(this.#entries, (entry) => this.#cookies.of(entry, secrets));
    this.#buildRoutes(config, destinations);
    this.#options.names?.retain(
      this.pools.flatMap(({ upstreams }) => upstreams.map(({ endpoints }) => endpoints)),
    );
  }

  /** Thousands of routes take a good part of a second, in which no request is served: only if what they are built from changed. */
  #buildRoutes(config: Config, destinations: ReadonlyMap<string, Destination>): void {
    const before = this.#builtFrom;
    if (before?.destinations === destinations && isSameRouting(before.config, config)) return;
    this.#builtFrom = { config, destinations };
    this.#routes = compileRoutes({
      config,
      destinations,
      extensions: this.#options.extensions,
      access: this.#access,
      createDeadlines: () => this.#createDeadlines(),
    });
  }

  /** Secrets of the cookies that the pools of a configuration make; empty if none of them is sticky. */
  stickySecretsFor({ pools, stickySecrets }: Config): readonly string[] {
    if (stickySecrets) return stickySecrets;
    if (!pools.some(({ sticky }) => sticky)) return [];
    return this.#options.stickySecrets?.() ?? [this.#cookies.ownSecret];
  }

  #createEntry(config: PoolConfig): Pick<PoolEntry, "pool" | "queue" | "deadlines"> {
    const { clock, schedule = systemSchedule } = this.#options;
    const policy = this.#createPolicy(config);
    const pool = new Pool({ name: config.name, policy, upstreams: [], ...this.#options });
    const queue = new Queue({ pool, limits: config.queue, clock, schedule });
    return { pool, queue, deadlines: this.#createDeadlines() };
  }

  #createDeadlines(): Deadlines {
    const { clock, schedule = systemSchedule } = this.#options;
    return new Deadlines({ clock, schedule });
  }

  /** The balance stays, unless the budget's configuration changed. */
  #retryBudgetFor({ retryBudget: desired }: PoolConfig, entry: PoolEntry | undefined): RetryBudget {
    const current = entry?.config.retryBudget;
    const isSame =
      current?.share === desired.share &&
      current.perSecond === desired.perSecond &&
      current.rescues === desired.rescues;
    return isSame && entry ? entry.retryBudget : new RetryBudget(desired, this.#options.clock);
  }

  #createPolicy({ policy }: PoolConfig) {
    return policySourceOf(policy, this.#options.extensions).create(this.#options);
  }
}

/** Every upstream with the probe plan of its pool. */
export function probeTargets({ entries }: PreparedPools): readonly ProbeTarget[] {
  return entries.flatMap(({ config: { probe: plan }, pool, upstreams }) =>
    upstreams.map((upstream) => ({ upstream, pool, plan })),
  );
}

function isSameList(one: readonly Upstream[], other: readonly Upstream[]): boolean {
  return one.length === other.length && one.every((upstream, index) => upstream === other[index]);
}

/** Whether both configurations have the same routes, and the same settings that apply to all routes. */
function isSameRouting(one: Config, other: Config): boolean {
  const settingsOf = ({ routes, networks, defaults, ambiguousPaths, processes, fleet }: Config) => [
    routes,
    networks,
    defaults,
    ambiguousPaths,
    processes,
    fleet !== undefined,
  ];
  return isDeepStrictEqual(settingsOf(one), settingsOf(other));
}

function upstreamLimits({ outlier, slowStartMs, maxInFlight }: PoolConfig) {
  return { outlier, slowStartMs, ...(maxInFlight !== undefined && { maxInFlight }) };
}

/**
 * Id and origin. An upstream whose identity stays keeps its health, its load and its connections when the configuration
 * changes. Its TLS settings are no part of it: a new CA or server name applies to new connections.
 */
export function identityOf({ id, address }: { readonly id: string; readonly address: Address }): string {
  return `${id} ${originOf(address)}`;
}
