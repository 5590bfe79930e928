/** Keeps the addresses of upstreams' host names current: asks again when an answer expires, and soon after a failed connect. */

import { isIP } from "node:net";

import type { Cancel, Clock, Schedule } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import type { Endpoints } from "../net/endpoints.ts";
import { type DnsAnswer, maxTtlMs, type ResolveName, resolverOf } from "./resolver.ts";

export interface NameWatcherOptions {
  /** By default the system's. */
  readonly resolve?: ResolveName;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly random: Random;
  /** Called when the addresses of a name changed; the order does not count. */
  readonly onChange?: (name: string, hosts: readonly string[], before: readonly string[]) => void;
}

/** A name is asked for at most once in this time, also while its servers refuse connections or its TTL is 0. */
const minWaitMs = 1_000;

/** Answers that came together do not expire together: each wait is shorter by a random share up to this. */
const spread = 0.1;

interface WatchedName {
  readonly name: string;
  readonly endpoints: Set<Endpoints>;
  hosts: readonly string[];
  /** Pending while a question is open. */
  answer: Promise<void>;
  isAsking: boolean;
  askedAt: number;
  nextAt: number;
  /** Failed questions in a row. */
  failures: number;
  cancel: Cancel | undefined;
}

/**
 * ```
 *  watch ──▶ asking ──answer──▶ waiting (TTL, at most 30 s) ──▶ asking …
 *               └────error────▶ waiting (1 s … 30 s, the last answer stays)
 *                                  └── a connect failed: at most 1 s after the last question
 * ```
 */
export class NameWatcher {
  readonly #options: NameWatcherOptions;
  readonly #names = new Map<string, WatchedName>();
  #resolve: ResolveName;
  #servers = "";

  constructor(options: NameWatcherOptions) {
    this.#options = options;
    this.#resolve = options.resolve ?? resolverOf([]);
  }

  /** Asks these DNS servers from now on, at once if they differ; none for the system's. */
  setServers(servers: readonly string[]): void {
    const key = servers.join(" ");
    if (key === this.#servers) return;
    this.#servers = key;
    this.#resolve = resolverOf(servers);
    for (const watched of this.#names.values()) this.#ask(watched);
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
    endpoints.onFailure = () => this.#askSoon(watched);
    endpoints.replace(watched.hosts);
  }

  /** Resolves when the first question for the name was answered, or failed. */
  async firstAnswer({ name }: Endpoints): Promise<void> {
    const watched = this.#names.get(name);
    if (watched && watched.hosts.length === 0) await watched.answer;
  }

  stop(): void {
    this.retain([]);
  }

  #add(name: string): WatchedName {
    const watched: WatchedName = {
      name,
      endpoints: new Set(),
      hosts: [],
      answer: Promise.resolve(),
      isAsking: false,
      askedAt: -Infinity,
      nextAt: Infinity,
      failures: 0,
      cancel: undefined,
    };
    this.#names.set(name, watched);
    this.#ask(watched);
    return watched;
  }

  #forget(watched: WatchedName, endpoints: Endpoints): void {
    watched.endpoints.delete(endpoints);
    endpoints.onFailure = undefined;
    if (watched.endpoints.size > 0) return;
    watched.cancel?.();
    this.#names.delete(watched.name);
  }

  #ask(watched: WatchedName): void {
    watched.cancel?.();
    watched.cancel = undefined;
    watched.isAsking = true;
    watched.askedAt = this.#options.clock();
    watched.answer = this.#resolve(watched.name).then(
      (answer) => this.#answered(watched, answer),
      () => this.#failed(watched),
    );
  }

  #answered(watched: WatchedName, { hosts, ttlMs }: DnsAnswer): void {
    const before = watched.hosts;
    watched.isAsking = false;
    watched.failures = 0;
    watched.hosts = hosts;
    if (this.#names.get(watched.name) !== watched) return;
    for (const endpoints of watched.endpoints) endpoints.replace(hosts);
    this.#askIn(
      watched,
      Math.max(minWaitMs, Math.min(ttlMs, maxTtlMs) * (1 - spread * this.#options.random())),
    );
    if (before.length > 0 && !isSameSet(before, hosts)) this.#options.onChange?.(watched.name, hosts, before);
  }

  #failed(watched: WatchedName): void {
    watched.isAsking = false;
    if (this.#names.get(watched.name) !== watched) return;
    this.#askIn(watched, Math.min(minWaitMs * 2 ** watched.failures, maxTtlMs));
    watched.failures += 1;
  }

  #askIn(watched: WatchedName, waitMs: number): void {
    watched.cancel?.();
    watched.nextAt = this.#options.clock() + waitMs;
    watched.cancel = this.#options.schedule(waitMs, () => this.#ask(watched));
  }

  /** A connect failed. */
  #askSoon(watched: WatchedName): void {
    if (watched.isAsking) return;
    const now = this.#options.clock();
    const waitMs = Math.max(0, watched.askedAt + minWaitMs - now);
    if (now + waitMs >= watched.nextAt) return;
    if (waitMs === 0) this.#ask(watched);
    else this.#askIn(watched, waitMs);
  }
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((host) => other.includes(host));
}
