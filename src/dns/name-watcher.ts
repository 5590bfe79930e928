/** Keeps the addresses of upstreams' host names current: queries again when an answer expires, and soon after a failed connect. */

import { isIP } from "node:net";

import type { Cancel, Clock, Schedule } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Endpoints } from "../net/endpoints.ts";
import { createNameResolver, type DnsAnswer, maxTtlMs, type ResolveName } from "./resolver.ts";

export interface NameWatcherOptions {
  /** By default the resolver of the system. */
  readonly resolve?: ResolveName;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly random: Random;
  /** Called when the addresses of a name changed; the order does not count. */
  readonly onChange?: (name: string, hosts: readonly string[], before: readonly string[]) => void;
}

/** A name is queried at most once in this time, also while its servers refuse connections or its TTL is 0. */
const minWaitMs = 1_000;

/** Answers that came together do not expire together: each wait is shorter by a random share up to this. */
const spread = 0.1;

interface WatchedName {
  readonly name: string;
  readonly endpoints: Set<Endpoints>;
  hosts: readonly string[];
  /** The latest query; pending while it is open. */
  query: Promise<void> | undefined;
  isOpen: boolean;
  /** Clock times of the latest query and of the next one. */
  queriedAt: number;
  nextAt: number;
  /** Failed queries in a row. */
  failures: number;
  cancel: Cancel | undefined;
}

/**
 * ```
 *  watch ──▶ querying ──answer──▶ waiting (TTL, at most 30 s) ──▶ querying …
 *                └─────error────▶ waiting (1 s … 30 s, the last answer stays)
 *                                    └── a connect failed: at most 1 s after the last query
 * ```
 */
export class NameWatcher {
  readonly #options: NameWatcherOptions;
  readonly #names = new Map<string, WatchedName>();
  #resolve: ResolveName;
  #servers = "";

  constructor(options: NameWatcherOptions) {
    this.#options = options;
    this.#resolve = options.resolve ?? createNameResolver([]);
  }

  /** Queries these DNS servers from now on, at once if they differ from before; none for the resolver of the system. */
  setServers(servers: readonly string[]): void {
    const key = servers.join(" ");
    if (key === this.#servers) return;
    this.#servers = key;
    this.#resolve = createNameResolver(servers);
    for (const watched of this.#names.values()) this.#query(watched);
  }

  /** Keeps these up to date, and no others. Does nothing for IP addresses. */
  retain(endpoints: Iterable<Endpoints>): void {
    const kept = new Set(endpoints);
    for (const one of kept) this.watch(one);
    for (const watched of this.#names.values()) {
      for (const one of watched.endpoints) if (!kept.has(one)) this.#forget(watched, one);
    }
  }

  watch(endpoints: Endpoints): void {
    const { name } = endpoints;
    if (isIP(name) !== 0) return;
    const watched = this.#names.get(name) ?? this.#add(name);
    if (watched.endpoints.has(endpoints)) return;
    watched.endpoints.add(endpoints);
    endpoints.onFailure = () => this.#querySoon(watched);
    endpoints.replace(watched.hosts);
  }

  /** Resolves when the first query for the name was answered, or failed. */
  async firstAnswer({ name }: Endpoints): Promise<void> {
    const watched = this.#names.get(name);
    if (watched && watched.hosts.length === 0) await watched.query;
  }

  /** Addresses that another process found. They count until the own query for the name is answered. */
  learn({ name }: Endpoints, hosts: readonly string[]): void {
    const watched = this.#names.get(name);
    if (watched?.hosts.length === 0) this.#adopt(watched, hosts);
  }

  #adopt(watched: WatchedName, hosts: readonly string[]): void {
    watched.hosts = hosts;
    for (const endpoints of watched.endpoints) endpoints.replace(hosts);
  }

  /** Resolves when the first query for each name was answered, or failed. */
  async firstAnswers(): Promise<void> {
    await Promise.all([...this.#names.values()].map(({ hosts, query }) => hosts.length === 0 && query));
  }

  stop(): void {
    this.retain([]);
  }

  #add(name: string): WatchedName {
    const watched: WatchedName = {
      name,
      endpoints: new Set(),
      hosts: [],
      query: undefined,
      isOpen: false,
      queriedAt: -Infinity,
      nextAt: Infinity,
      failures: 0,
      cancel: undefined,
    };
    this.#names.set(name, watched);
    this.#query(watched);
    return watched;
  }

  #forget(watched: WatchedName, endpoints: Endpoints): void {
    watched.endpoints.delete(endpoints);
    endpoints.onFailure = undefined;
    if (watched.endpoints.size > 0) return;
    watched.cancel?.();
    this.#names.delete(watched.name);
  }

  #query(watched: WatchedName): void {
    watched.cancel?.();
    watched.cancel = undefined;
    watched.isOpen = true;
    watched.queriedAt = this.#options.clock();
    // A name that was forgotten, or is queried at other servers by now, takes no late answer.
    const isCurrent = () => this.#names.get(watched.name) === watched && watched.query === query;
    const query: Promise<void> = this.#resolve(watched.name).then(
      (answer) => {
        if (isCurrent()) this.#answered(watched, answer);
      },
      () => {
        if (isCurrent()) this.#failed(watched);
      },
    );
    watched.query = query;
  }

  #answered(watched: WatchedName, { hosts, ttlMs }: DnsAnswer): void {
    const before = watched.hosts;
    watched.isOpen = false;
    watched.failures = 0;
    this.#adopt(watched, hosts);
    this.#queryIn(
      watched,
      Math.max(minWaitMs, Math.min(ttlMs, maxTtlMs) * (1 - spread * this.#options.random())),
    );
    if (before.length > 0 && !isSameSet(before, hosts)) this.#options.onChange?.(watched.name, hosts, before);
  }

  #failed(watched: WatchedName): void {
    watched.isOpen = false;
    this.#queryIn(watched, Math.min(minWaitMs * 2 ** watched.failures, maxTtlMs));
    watched.failures += 1;
  }

  #queryIn(watched: WatchedName, waitMs: number): void {
    watched.cancel?.();
    watched.nextAt = this.#options.clock() + waitMs;
    watched.cancel = this.#options.schedule(waitMs, () => this.#query(watched));
  }

  /** A connect failed. */
  #querySoon(watched: WatchedName): void {
    if (watched.isOpen) return;
    const now = this.#options.clock();
    const waitMs = Math.max(0, watched.queriedAt + minWaitMs - now);
    if (now + waitMs >= watched.nextAt) return;
    if (waitMs === 0) this.#query(watched);
    else this.#queryIn(watched, waitMs);
  }
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((host) => other.includes(host));
}
