/** Builds the filters that decide who is served, from the settings of routes: addresses, rate limits, authentication. */

import { readHtpasswd } from "../access/htpasswd.ts";
import type { Config, RouteConfig } from "../config/config.ts";
import { durationOf, rateOf, sizeOf } from "../config/values.ts";
import { type AddressMatcher, createAllow, createDeny } from "../filter/address-rule.ts";
import { createBasicAuth } from "../filter/basic-auth.ts";
import { CredentialCheck, VerificationQueue } from "../filter/credential-check.ts";
import { createForwardAuth } from "../filter/forward-auth.ts";
import { limitKeyFor } from "../filter/limit-key.ts";
import { createRateLimit, type RateLimitOptions } from "../filter/rate-limit.ts";
import type { LeaseDesk } from "../filter/lease-desk.ts";
import { RateLimiter, TableSpace } from "../filter/rate-limiter.ts";
import { SharedLimiter } from "../filter/shared-limiter.ts";
import type { Subrequests } from "../filter/subrequest.ts";
import { unavailable } from "../filter/subrequest-run.ts";
import type { Clock } from "../lib/clock.ts";
import { digestOf } from "../lib/secrets.ts";
import { FilterMeter } from "../metrics/filter-meter.ts";
import { addressMatcher } from "../net/address-ranges.ts";
import type { RequestFilter } from "../proxy/filter.ts";
import type { Destination } from "../proxy/route.ts";
import type { Passwords } from "../runtime/runtime.ts";
import { KeptParts } from "./kept-parts.ts";

/** What filters need of the process that they run in. A process that serves no clients has none of it. */
export interface AccessResources {
  /** Counts what they do. */
  readonly meter?: FilterMeter;
  readonly passwords?: Passwords;
  /** Called once, for the first route with forwardAuth. */
  readonly openSubrequests?: () => Pick<Subrequests, "ask">;
  /** The balancer's name in Via. */
  readonly viaName?: string;
  /** Where the balancers of a fleet share their limits; without it each limit is this balancer's. */
  readonly leases?: LeaseDesk | undefined;
  /** Whether other processes serve the clients: then these filters only tell what would be. */
  readonly isServedElsewhere?: boolean;
}

/** Fails closed. */
const noSubrequests: Pick<Subrequests, "ask"> = {
  ask: () => Promise.resolve(unavailable("this process serves no clients")),
};

const noPasswords: Passwords = {
  hash: () => Promise.reject(new Error("Cannot hash a password: this process serves no clients")),
  verify: () => Promise.reject(new Error("Cannot verify a password: this process serves no clients")),
};

export interface AccessFilterOptions extends AccessResources {
  readonly clock: Clock;
}

/** By route, in the order in which they decide. */
export interface RouteAccess {
  /** deny and allow: before all else. */
  readonly byAddress: readonly RequestFilter[];
  /** Rate limits and authentication. */
  readonly byClient: readonly RequestFilter[];
}

type RateLimitSettings = Exclude<NonNullable<RouteConfig["settings"]["rateLimit"]>, readonly unknown[]>;

/** A site has a /64 of IPv6 at least (RFC 6177). The table of that many keys takes 1 MiB. */
const limitDefaults = {
  key: "client",
  missing: "client",
  ipv6Prefix: 64,
  maxKeys: 65_536,
  headers: "refused",
  name: "default",
} as const;

const basicAuthDefaults = { realm: "Restricted" };

const forwardAuthDefaults = {
  path: "/",
  host: "client",
  send: [],
  copy: [],
  copyToClient: [],
  timeout: "5s",
  maxBody: "64KiB",
} as const;

export class AccessFilters {
  readonly #clock: Clock;
  readonly #meter: FilterMeter;
  readonly #passwords: Passwords;
  readonly #kept = new KeptParts();
  /** Of the networks of the configuration that is compiled. */
  #networksKey: string | undefined;
  readonly #verifications = new VerificationQueue();
  readonly #space = new TableSpace();
  readonly #openSubrequests: () => Pick<Subrequests, "ask">;
  #subrequests: Pick<Subrequests, "ask"> | undefined;
  readonly #viaName: string;
  readonly #leases: LeaseDesk | undefined;
  readonly #isServedElsewhere: boolean;

  constructor({
    clock,
    meter = new FilterMeter(),
    passwords = noPasswords,
    openSubrequests = () => noSubrequests,
    viaName = "evenkeel",
    leases,
    isServedElsewhere = false,
  }: AccessFilterOptions) {
    this.#leases = leases;
    this.#isServedElsewhere = isServedElsewhere;
    this.#clock = clock;
    this.#meter = meter;
    this.#passwords = passwords;
    this.#openSubrequests = openSubrequests;
    this.#viaName = viaName;
  }

  /** Calls `build` with a function that builds the filters of a route. What an earlier call built is kept where it is used again. */
  compile<Result>(
    config: Config,
    destinations: ReadonlyMap<string, Destination>,
    build: (accessOf: (route: RouteConfig) => RouteAccess) => Result,
  ): Result {
    this.#networksKey = undefined;
    this.#kept.begin();
    const result = build((route) => ({
      byAddress: this.#addressFilters(route, config),
      byClient: this.#clientFilters(route, config, destinations),
    }));
    this.#kept.end();
    return result;
  }

  #addressFilters({ settings: { deny, allow } }: RouteConfig, config: Config): readonly RequestFilter[] {
    return [
      ...(deny ? [createDeny(this.#matcherOf(deny, config))] : []),
      ...(allow ? [createAllow(this.#matcherOf(allow, config))] : []),
    ];
  }

  #matcherOf(list: readonly string[], { networks = {} }: Config): AddressMatcher {
    const isNamed = list.some((entry) => Object.hasOwn(networks, entry));
    // Thousands of routes may use one network of a thousand ranges.
    const used = isNamed ? (this.#networksKey ??= shortKey(networks)) : "";
    return this.#kept.keep(`addresses ${shortKey(list)} ${used}`, () =>
      addressMatcher(
        list.flatMap((entry) => (Object.hasOwn(networks, entry) ? (networks[entry] ?? []) : [entry])),
      ),
    );
  }

  #clientFilters(
    route: RouteConfig,
    config: Config,
    destinations: ReadonlyMap<string, Destination>,
  ): readonly RequestFilter[] {
    const limits = [route.settings.rateLimit ?? []].flat();
    const built = limits.map((limit, index) => ({
      isByUser: limit.key === "user",
      options: this.#limitOf(route, limit, {
        index,
        processes: config.processes ?? 1,
        leases: config.fleet && limit.shared !== false ? this.#leases : undefined,
      }),
    }));
    const filterOf = (isByUser: boolean): readonly RequestFilter[] => {
      const chosen = built.filter((limit) => limit.isByUser === isByUser).map(({ options }) => options);
      return chosen.length > 0 ? [createRateLimit(chosen, this.#meter, this.#isServedElsewhere)] : [];
    };
    return [
      ...filterOf(false),
      ...this.#basicAuthOf(route),
      ...this.#forwardAuthOf(route, destinations),
      ...filterOf(true),
    ];
  }

  #forwardAuthOf(
    { name: route = "", settings: { forwardAuth } }: RouteConfig,
    destinations: ReadonlyMap<string, Destination>,
  ): readonly RequestFilter[] {
    if (!forwardAuth) return [];
    const destination = destinations.get(forwardAuth.pool);
    if (!destination) throw new Error(`Cannot build forwardAuth: there is no pool ${forwardAuth.pool}`);
    const { path, host, timeout, maxBody, send, copy, copyToClient } = {
      ...forwardAuthDefaults,
      ...forwardAuth,
    };
    const filter = createForwardAuth({
      subrequests: (this.#subrequests ??= this.#openSubrequests()),
      ...{ destination, path, host, send, copy, copyToClient },
      timeoutMs: durationOf(timeout),
      maxBodyBytes: sizeOf(maxBody),
      viaName: this.#viaName,
      clock: this.#clock,
      onDecision: (durationMs) => this.#meter.authorized(route, durationMs),
    });
    return [filter];
  }

  #basicAuthOf({ settings: { basicAuth }, texts }: RouteConfig): readonly RequestFilter[] {
    if (!basicAuth) return [];
    const { users = [], usersFile, realm = basicAuthDefaults.realm, forward, keep = false } = basicAuth;
    const text = usersFile === undefined ? undefined : texts[usersFile];
    // Of two with one name the last one counts: the one in the configuration.
    const all = [...(text === undefined ? [] : readHtpasswd(text).users), ...users];
    const options = {
      users: all,
      ...{ passwords: this.#passwords, queue: this.#verifications, clock: this.#clock },
    };
    const check = this.#kept.keep(`users ${shortKey(all)}`, () => new CredentialCheck(options));
    return [createBasicAuth({ check, realm, forward, keepsAuthorization: keep })];
  }

  #limitOf(
    { place, name: route = "", conditions }: RouteConfig,
    settings: RateLimitSettings,
    { index, processes, leases }: LimitPlace,
  ): RateLimitOptions {
    const { rate, key, missing, ipv6Prefix, maxKeys, headers } = { ...limitDefaults, ...settings };
    const name = settings.name ?? (index === 0 ? limitDefaults.name : `${limitDefaults.name}-${index + 1}`);
    const perMs = rateOf(rate);
    const burst = settings.burst ?? Math.max(1, Math.floor(perMs * 1_000));
    const isShared = leases !== undefined;
    const clock = this.#clock;
    // Each process has its part of what this balancer alone admits; of a shared limit, each may be the one that uses all of it.
    const parts = isShared ? 1 : processes;
    const create = () => {
      const own = new RateLimiter({
        ...{ clock, space: this.#space },
        perMs: perMs / parts,
        burst: Math.ceil(burst / parts),
        maxKeys: Math.ceil(maxKeys / processes),
        onEviction: () => void (this.#meter.evictions += 1),
      });
      if (!leases) return own;
      // Rate and burst are not part of it: a rollout that changes them begins no new budget.
      const identity = shortKey([route, conditions, name, key, ipv6Prefix]);
      return new SharedLimiter({ clock, desk: leases, own, identity, perMs, burst, processes });
    };
    const basis = { rate, burst, key, ipv6Prefix, maxKeys, processes, index, isShared };
    const limiter = this.#kept.keep(`limit ${shortKey([route, conditions, basis])}`, create, (unused) =>
      unused.release(),
    );
    return {
      limiter,
      keyOf: limitKeyFor({ by: key, missing, ipv6Prefix }),
      identity: { place, route, name },
      quota: burst,
      windowSeconds: Math.max(1, Math.ceil(Number((burst / perMs / 1_000).toFixed(6)))),
      headers,
      isDryRun: settings.dryRun ?? false,
    };
  }
}

/** Which of a route's limits it is, and who counts it. */
interface LimitPlace {
  readonly index: number;
  readonly processes: number;
  readonly leases: LeaseDesk | undefined;
}

/** Longer texts are digested: a part's key must not take as much memory as the part. */
const maxKeyLength = 1_024;

function shortKey(settings: unknown): string {
  const text = JSON.stringify(settings);
  return text.length > maxKeyLength ? digestOf(text) : text;
}
