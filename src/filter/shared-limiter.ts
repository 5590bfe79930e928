/** A rate limit that the balancers of a fleet share: each admits requests by leases, and none asks for a request while it waits. */

import type { Clock } from "../lib/clock.ts";
import { digestOf } from "../lib/secrets.ts";
import { Lease, type LeaseRate } from "./lease.ts";
import type { LeaseDesk, LeaseOwner } from "./lease-desk.ts";
import type { KeyLimiter } from "./rate-limit.ts";
import type { RateLimiter } from "./rate-limiter.ts";

export interface SharedLimiterOptions {
  readonly clock: Clock;
  readonly desk: LeaseDesk;
  /** Of this process alone, with the whole rate and burst: it also bounds keys whose lease was forgotten. */
  readonly own: RateLimiter;
  /** Which limit it is, the same in all balancers. */
  readonly identity: string;
  /** Requests per millisecond, of all balancers together. */
  readonly perMs: number;
  readonly burst: number;
  /** That serve clients on this machine. */
  readonly processes: number;
}

/** Longer keys take the place of their digest in memory. */
const maxKey = 64;

/** 128 bits: keys that share a bucket by chance are out of the question. */
const nameLength = 32;

export class SharedLimiter implements KeyLimiter, LeaseOwner {
  readonly #options: SharedLimiterOptions;
  #rate: LeaseRate;
  /** Used since leases were forgotten last, and before. */
  #recent = new Map<string, Lease>();
  #older = new Map<string, Lease>();
  /** Of the key that was asked for last. */
  #key = "";
  #lease: Lease | undefined;

  constructor(options: SharedLimiterOptions) {
    this.#options = options;
    const intervalMs = 1 / options.perMs;
    const { burst, processes, desk } = options;
    this.#rate = { intervalMs, capacityMs: burst * intervalMs, askers: processes, windowMs: desk.windowMs };
    options.desk.add(this);
  }

  get rate(): LeaseRate {
    const { desk, processes } = this.#options;
    const { windowMs } = desk;
    const askers = desk.peers * processes;
    const { askers: oldAskers, windowMs: oldWindowMs } = this.#rate;
    if (oldAskers !== askers || oldWindowMs !== windowMs) this.#rate = { ...this.#rate, askers, windowMs };
    return this.#rate;
  }

  waitMs(key: string): number {
    const { own, clock, desk } = this.#options;
    this.#key = key.length > maxKey ? digestOf(key) : key;
    this.#lease = this.#find(this.#key);
    const ownWaitMs = own.waitMs(key);
    if (ownWaitMs > 0 || !this.#lease) return ownWaitMs;
    const now = clock();
    return this.#lease.waitMs(now, this.rate, desk.isAlone(now));
  }

  take(): void {
    const { own, clock, desk } = this.#options;
    own.take();
    const now = clock();
    const lease = (this.#lease ??= this.#create());
    lease.take(now, this.rate, desk.isAlone(now));
    this.#want(lease, now);
  }

  missed(): void {
    const lease = this.#lease;
    if (!lease) return;
    const now = this.#options.clock();
    lease.missed(now, this.rate);
    this.#want(lease, now);
  }

  get left(): number {
    const { own, clock } = this.#options;
    return Math.min(own.left, this.#lease?.left(clock(), this.rate) ?? own.left);
  }

  get fullInSeconds(): number {
    const { own, clock } = this.#options;
    const fullInMs = this.#lease?.fullInMs(clock()) ?? 0;
    return Math.max(own.fullInSeconds, Math.ceil(fullInMs / 1_000));
  }

  /** Keys that are remembered. */
  get leases(): number {
    return this.#recent.size + this.#older.size;
  }

  forgetUnused(): void {
    this.#older = this.#recent;
    this.#recent = new Map();
  }

  release(): void {
    this.#options.desk.remove(this);
    this.#options.own.release();
  }

  #want(lease: Lease, now: number): void {
    const { desk } = this.#options;
    const isUrgent = lease.isUrgent(now, this.rate);
    // A key whose tokens suffice asks for nothing, unless something is to be told.
    if (isUrgent || lease.hasNews) desk.want(lease, this, isUrgent);
  }

  #find(key: string): Lease | undefined {
    const lease = this.#recent.get(key);
    if (lease) return lease;
    const older = this.#older.get(key);
    if (!older) return undefined;
    this.#older.delete(key);
    return this.#keep(key, older);
  }

  #create(): Lease {
    const name = digestOf(`${this.#options.identity} ${this.#key}`).slice(0, nameLength);
    return this.#keep(this.#key, new Lease(name));
  }

  #keep(key: string, lease: Lease): Lease {
    this.#options.desk.leaseUsed();
    this.#recent.set(key, lease);
    return lease;
  }
}
