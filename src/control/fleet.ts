/** The pools and upstreams that run now, and how they become those of another configuration without losing anything. */

import type { Config, PoolConfig } from "../config/config.ts";
import type { Clock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import { policyEntry } from "../policy/policies.ts";
import { Pool } from "../pool/pool.ts";
import { Upstream } from "../pool/upstream.ts";
import type { Target } from "../probe/prober.ts";
import { keyOf } from "../proxy/affinity.ts";
import type { Destination, Route } from "../proxy/route.ts";
import { identityOf } from "./wanted.ts";

/** A pool with the configuration that it follows. */
export interface Member {
  readonly config: PoolConfig;
  readonly pool: Pool;
}

/** An upstream and where it belongs. */
export interface Found {
  readonly member: Member;
  readonly upstream: Upstream;
}

/** A fleet that is ready to take over: whatever is in the present one too is the same object in both. */
export interface Next {
  readonly config: Config;
  readonly members: readonly (Member & { readonly upstreams: readonly Upstream[] })[];
}

export class Fleet {
  readonly #clock: Clock;
  readonly #random: Random;
  #members: readonly Member[] = [];
  #routes: readonly Route[] = [];

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  get pools(): readonly Pool[] {
    return this.#members.map(({ pool }) => pool);
  }

  get routes(): readonly Route[] {
    return this.#routes;
  }

  find(id: string): Found | undefined {
    for (const member of this.#members) {
      const upstream = member.pool.upstreams.find((candidate) => candidate.id === id);
      if (upstream) return { member, upstream };
    }
    return undefined;
  }

  /** What a configuration asks for. Changes nothing yet, so that newcomers can be looked at before they serve. */
  next(config: Config): Next {
    const pools = new Map(this.#members.map(({ pool }) => [pool.name, pool]));
    const known = new Map(
      this.pools.flatMap((pool) => pool.upstreams.map((upstream) => [identityOf(upstream), upstream])),
    );
    const members = config.pools.map((pool) => ({
      config: pool,
      pool: pools.get(pool.name) ?? this.#poolOf(pool),
      upstreams: pool.upstreams.map((spec) => known.get(identityOf(spec)) ?? new Upstream(spec, pool.probe)),
    }));
    return { config, members };
  }

  /** Takes over, within one turn of the event loop. Requests under way keep what they began with. */
  adopt({ config, members }: Next): void {
    const before = new Map(this.#members.map((member) => [member.pool, member.config]));
    for (const { config: wanted, pool, upstreams } of members) {
      const old = before.get(pool);
      if (old && old.policy !== wanted.policy) pool.setPolicy(this.#policyOf(wanted));
      if (!isSameList(pool.upstreams, upstreams)) pool.setUpstreams(upstreams);
      for (const [index, upstream] of upstreams.entries()) {
        pool.adjust(upstream, wanted.upstreams[index] ?? upstream);
        upstream.streak.adjust(wanted.probe);
      }
    }
    this.#members = members.map(({ config: wanted, pool }) => ({ config: wanted, pool }));
    this.#routes = routesOf(config, this.#members);
  }

  #poolOf(config: PoolConfig): Pool {
    return new Pool({
      name: config.name,
      policy: this.#policyOf(config),
      upstreams: [],
      random: this.#random,
    });
  }

  #policyOf({ policy }: PoolConfig) {
    return policyEntry(policy).create({ random: this.#random, clock: this.#clock });
  }
}

/** What the prober has to look at. */
export function targetsOf({ members }: Next): readonly Target[] {
  return members.flatMap(({ config: { probe: plan }, pool, upstreams }) =>
    upstreams.map((upstream) => ({ upstream, pool, plan })),
  );
}

function isSameList(one: readonly Upstream[], other: readonly Upstream[]): boolean {
  return one.length === other.length && one.every((upstream, index) => upstream === other[index]);
}

function routesOf(config: Config, members: readonly Member[]): readonly Route[] {
  const destinations = new Map(members.map((member) => [member.config.name, destinationOf(member)]));
  return config.routes.flatMap(({ pool, ...match }) => {
    const destination = destinations.get(pool);
    return destination ? [{ ...match, destination }] : [];
  });
}

function destinationOf({ config, pool }: Member): Destination {
  const { timeouts, retries } = config;
  return {
    pool,
    timeouts,
    retries,
    ...(policyEntry(config.policy).keyed && { keyOf: keyOf(config.hashBy) }),
  };
}
