/** The upstreams that sources report: joins them to their pools, and drains the ones that have gone. */

import type { Config, PoolConfig } from "../config/config.ts";
import { describeSource } from "../config/discovery.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { type Address, authorityOf, originOf } from "../net/address.ts";
import { reachesListener, unusualHostOf } from "../net/own-addresses.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream, UpstreamSpec } from "../pool/upstream.ts";
import { identityOf, type PoolRegistry } from "../registry/pool-registry.ts";
import type { Intents } from "./desired-state.ts";
import type { Discovery } from "./discovery.ts";
import type { Drains } from "./drains.ts";

/** Where a running upstream comes from. */
export interface MemberOrigin {
  /** "dns api.internal:8080" */
  readonly source: string;
  /** What its source calls it. */
  readonly name?: string;
  /** Whether its source does not report it any more. */
  readonly isGone: boolean;
}

export interface DiscoveredUpstreamsOptions {
  readonly discovery: Pick<Discovery, "configure" | "membersOf">;
  readonly registry: Pick<PoolRegistry, "pools">;
  readonly drains: Pick<Drains, "begin" | "end" | "finish" | "get" | "wait">;
  readonly intents: Pick<Intents, "all">;
  readonly clock: Clock;
  readonly log: Log;
}

interface KnownUpstream extends MemberOrigin {
  readonly pool: string;
  readonly spec: UpstreamSpec;
}

/** A running upstream that comes from a source. */
export interface RunningMember {
  readonly pool: Pool;
  readonly upstream: Upstream;
  readonly origin: MemberOrigin;
}

/** A member that has gone is removed when nothing is in flight on it, after this time at the latest. Its requests still finish. */
const departureMs = 30_000;

/**
 * Of one upstream:
 * ```
 *  reported ──(gone)──▶ kept ──(another one is up)──▶ draining ──(empty, or 30 s)──▶ removed
 *      ▲─────────────────┼─────────(reported)────────────┤
 *                        ▲────(no other one is up)───────┘
 * ```
 */
export class DiscoveredUpstreams {
  readonly #options: DiscoveredUpstreamsOptions;
  /** By identity. */
  #known: ReadonlyMap<string, KnownUpstream> = new Map();
  /** Clock times at which members that drain are removed at the latest. */
  readonly #departing = new Map<Upstream, number>();
  readonly #refusals: RefusedAddresses;

  constructor(options: DiscoveredUpstreamsOptions) {
    this.#options = options;
    this.#refusals = new RefusedAddresses(options.log);
  }

  /** Undefined for an upstream of the configuration, or of an operator. */
  originOf(upstream: { readonly id: string; readonly address: Address }): MemberOrigin | undefined {
    return this.#known.get(identityOf(upstream));
  }

  /** Pool and source of the member with this id. */
  sourceOf(id: string): readonly [pool: string, source: string] | undefined {
    for (const { spec, pool, source } of this.#known.values()) if (spec.id === id) return [pool, source];
    return undefined;
  }

  /** Follows the sources of this configuration from now on. */
  adopt(config: Config): void {
    this.#options.discovery.configure(config);
    this.refresh(config);
  }

  /** Takes what the sources report now. */
  refresh(config: Config): void {
    const known = config.pools.flatMap((pool) => this.#knownOf(pool, config));
    this.#known = new Map(known.map((one) => [identityOf(one.spec), one]));
  }

  /** The configuration with what its sources report, and with what has gone but does not drain yet. */
  extend(config: Config): Config {
    if (!config.pools.some(({ discovery }) => discovery)) return config;
    const running = this.#options.registry.pools.flatMap(({ upstreams }) => upstreams);
    const leaving = new Set(running.filter((upstream) => this.#isLeaving(upstream)).map(identityOf));
    const pools = config.pools.map((pool) => {
      const stay = this.#knownOf(pool, config).filter(
        ({ spec, isGone }) => !isGone || !leaving.has(identityOf(spec)),
      );
      return stay.length === 0
        ? pool
        : { ...pool, upstreams: [...pool.upstreams, ...stay.map(({ spec }) => spec)] };
    });
    return { ...config, pools };
  }

  /** Ends the drains of members that are reported again. */
  recall(): readonly RunningMember[] {
    const recalled = this.#running().filter(
      ({ upstream, origin }) => !origin.isGone && this.#departing.has(upstream),
    );
    for (const { upstream } of recalled) {
      this.#departing.delete(upstream);
      this.#options.drains.end(upstream);
    }
    return recalled;
  }

  /** Ends the drain of a member that is up in each pool where no other one is any more. */
  callBack(): readonly RunningMember[] {
    const called = new Map<Pool, RunningMember>();
    for (const member of this.#running()) {
      const { pool, upstream } = member;
      if (!this.#departing.has(upstream) || !this.#wouldServe(upstream) || this.#hasOneUp(pool)) continue;
      const other = called.get(pool);
      if (!other || (other.upstream.backup && !upstream.backup)) called.set(pool, member);
    }
    for (const { upstream } of called.values()) {
      this.#departing.delete(upstream);
      this.#options.drains.end(upstream);
    }
    return [...called.values()];
  }

  /** Begins to drain members that have gone, where their pools can spare them. */
  beginDepartures(): readonly RunningMember[] {
    const { drains, clock } = this.#options;
    // The one that serves best stays longest.
    const gone = this.#running()
      .filter(({ upstream, origin }) => origin.isGone && !this.#isLeaving(upstream))
      .toSorted((one, other) => worth(one.upstream) - worth(other.upstream));
    const spares = new Map(this.#options.registry.pools.map((pool) => [pool, this.#spareOf(pool)]));
    return gone.filter(({ pool, upstream }) => {
      if (!spares.get(pool)?.take(upstream)) return false;
      drains.begin(upstream, { waitMs: departureMs, isRemoval: true });
      this.#departing.set(upstream, clock() + departureMs);
      return true;
    });
  }

  /** Marks members whose drain is over, so that the next reconciliation removes them. @returns whether there are any */
  async finishDepartures(): Promise<boolean> {
    const { drains, clock } = this.#options;
    let isAny = false;
    for (const [upstream, endsAt] of this.#departing) {
      const end = await drains.wait(upstream, 0);
      if (end === "late" && clock() < endsAt) continue;
      this.#departing.delete(upstream);
      if (end === "undone") continue;
      drains.finish(upstream);
      isAny = true;
    }
    return isAny;
  }

  /** Whether members that have gone still run. */
  get hasGone(): boolean {
    return this.#departing.size > 0 || this.#running().some(({ origin }) => origin.isGone);
  }

  #running(): readonly RunningMember[] {
    return this.#options.registry.pools.flatMap((pool) =>
      pool.upstreams.flatMap((upstream) => {
        const origin = this.originOf(upstream);
        return origin ? [{ pool, upstream, origin }] : [];
      }),
    );
  }

  #isLeaving(upstream: Upstream): boolean {
    return this.#options.drains.get(upstream)?.isRemoval === true;
  }

  #hasOneUp({ upstreams }: Pool): boolean {
    return upstreams.some((one) => one.status === "passing" && one.weight > 0 && !this.#isLeaving(one));
  }

  /** Whether a member that drains would be up without its drain. */
  #wouldServe({ id, weight, activeHealth, outlier }: Upstream): boolean {
    const isOut = this.#options.intents.all.some(
      (intent) => intent.kind === "mode" && intent.upstream === id && intent.mode !== "ready",
    );
    return !isOut && weight > 0 && activeHealth.state === "passing" && outlier.state === "up";
  }

  /**
   * A pool is never emptied, and the last one that is up stays until another one is. `take` says whether an upstream may
   * leave, and counts it out then.
   */
  #spareOf(pool: Pool): { readonly take: (upstream: Upstream) => boolean } {
    const ready = new Set(pool.upstreams.filter((one) => one.mode === "ready" && !this.#isLeaving(one)));
    const passing = new Set([...ready].filter(({ status, weight }) => status === "passing" && weight > 0));
    const hasOthers = (among: ReadonlySet<Upstream>, upstream: Upstream) =>
      among.size > Number(among.has(upstream));
    return {
      take(upstream) {
        if (!hasOthers(upstream.status === "passing" ? passing : ready, upstream)) return false;
        ready.delete(upstream);
        passing.delete(upstream);
        return true;
      },
    };
  }

  /** What the sources of a pool report, and what they have reported before and still runs. */
  #knownOf(pool: PoolConfig, config: Config): readonly KnownUpstream[] {
    if (!pool.discovery) return [];
    const reported = this.#reportedOf(pool, config);
    const present = new Set(reported.map(({ spec }) => identityOf(spec)));
    const sources = new Set(pool.discovery.map(({ source }) => describeSource(source)));
    const running = this.#options.registry.pools.find(({ name }) => name === pool.name)?.upstreams ?? [];
    const gone = running.flatMap((upstream): readonly KnownUpstream[] => {
      const identity = identityOf(upstream);
      const before = this.#known.get(identity);
      const isGone = before?.pool === pool.name && sources.has(before.source) && !present.has(identity);
      return isGone ? [{ ...before, isGone: true }] : [];
    });
    return [...reported, ...gone];
  }

  #reportedOf(pool: PoolConfig, config: Config): readonly KnownUpstream[] {
    const { discovery, intents } = this.#options;
    const sources = new Set(pool.discovery?.map(({ source }) => describeSource(source)));
    const ids = new Set(config.pools.flatMap(({ upstreams }) => upstreams.map(({ id }) => id)));
    const added = intents.all.flatMap((intent) =>
      intent.kind === "added" && intent.pool === pool.name ? [intent.spec] : [],
    );
    // The same server must not count twice.
    const taken = new Set([...pool.upstreams, ...added].map(({ address }) => originOf(address)));
    return discovery.membersOf(pool.name).flatMap(({ source, members }) => {
      if (!sources.has(source)) return [];
      return members.flatMap(({ address, weight, backup, name }): readonly KnownUpstream[] => {
        const spec = { id: memberId(pool.name, address), address, weight, backup };
        const origin = originOf(address);
        if (taken.has(origin) || ids.has(spec.id) || this.#refusals.has(address, source, config)) return [];
        taken.add(origin);
        // Http and https at one address would be two upstreams with one name.
        ids.add(spec.id);
        return [{ pool: pool.name, source, spec, isGone: false, ...(name !== undefined && { name }) }];
      });
    });
  }
}

/** A member keeps its name, and what operators have set for it, as long as pool and address are the same. */
export function memberId(pool: string, address: Address): string {
  return `${pool}:${authorityOf(address)}`;
}

function worth({ status, backup }: Upstream): number {
  return (status === "passing" ? 2 : 0) + (backup ? 0 : 1);
}

/** More addresses are not remembered. */
const maxRemembered = 10_000;

/** Decides which addresses no source may name: credentials of this machine, and the balancer itself. */
class RefusedAddresses {
  readonly #log: Log;
  #config: Pick<Config, "listeners" | "allowLinkLocal"> | undefined;
  readonly #causes = new Map<string, string | undefined>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Logs each address once. */
  has(address: Address, source: string, config: Config): boolean {
    const isSame =
      this.#config?.listeners === config.listeners && this.#config.allowLinkLocal === config.allowLinkLocal;
    if (!isSame || this.#causes.size >= maxRemembered) this.#causes.clear();
    this.#config = config;
    const origin = originOf(address);
    if (!this.#causes.has(origin)) {
      const why = refusalCause(address, config);
      this.#causes.set(origin, why);
      if (why !== undefined) this.#log.warn("discovered member refused", { source, member: origin, why });
    }
    return this.#causes.get(origin) !== undefined;
  }
}

function refusalCause(
  { hostname, port }: Address,
  { allowLinkLocal, listeners, admin }: Config,
): string | undefined {
  const unusual = unusualHostOf(hostname);
  if (unusual === "link-local" && !allowLinkLocal)
    return "its address is link-local, where clouds serve this machine's credentials; allowLinkLocal: true accepts it";
  if (unusual === "unspecified") return "its address is the address of no server";
  const isOwn = [...listeners, admin].some(
    (listener) => listener.port === port && reachesListener(hostname, listener.hostname),
  );
  return isOwn ? "it is a listener of this balancer, so that requests would loop" : undefined;
}
