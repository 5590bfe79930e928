/** A rate limit by key: a token bucket for each, as one number in a table of bounded size. */

import type { Clock } from "../lib/clock.ts";
import { SipHash } from "../lib/siphash.ts";
import type { KeyLimiter } from "./rate-limit.ts";

export interface RateLimiterOptions {
  readonly clock: Clock;
  /** Requests per millisecond in the long run. */
  readonly perMs: number;
  /** Requests at once. */
  readonly burst: number;
  /** Keys that are remembered, about. */
  readonly maxKeys: number;
  /** What the tables of this process may grow to together. */
  readonly space: TableSpace;
  /** Called when a key is forgotten whose bucket is not full. */
  readonly onEviction: () => void;
}

/** Places of all tables of a process: thousands of routes may have a limit each. */
export class TableSpace {
  #left: number;

  /** @param places of 16 bytes */
  constructor(places = 4_194_304) {
    this.#left = places;
  }

  /** @returns false if there is not so much left */
  take(places: number): boolean {
    if (places > this.#left) return false;
    this.#left -= places;
    return true;
  }

  giveBack(places: number): void {
    this.#left += places;
  }
}

/** Places that one digest may be in: as many as two cache lines hold. */
const ways = 16;

/** A table begins with as few places as most limits need. */
const initialPlaces = 64;

/** A rounding error of the clock must not cost a client a request. */
const toleranceMs = 1e-6;

/**
 * GCRA, the generic cell rate algorithm (ITU-T I.371): for each key the time at which its bucket will be full again. A bucket
 * that is full needs no place. The table has sets of 16 places; a digest under a secret key says which set, so that clients
 * cannot fill one of them by choice. It doubles while a set is full, up to `maxKeys`; then the key of the set that has most left is
 * forgotten, which is also the one that was not seen for the longest time if all take equally much.
 */
export class RateLimiter implements KeyLimiter {
  readonly #options: RateLimiterOptions;
  readonly #hash = new SipHash();
  readonly #intervalMs: number;
  readonly #capacityMs: number;
  readonly #maxPlaces: number;
  /** Two words for each place. */
  #digests = new Int32Array(0);
  /** Clock time at which the bucket is full. */
  #fullAt = new Float64Array(0);
  /** Of the shared space. */
  #taken = 0;
  /** Of the key that was asked for last. */
  #place = -1;
  #nextFullAt = 0;

  constructor(options: RateLimiterOptions) {
    this.#options = options;
    this.#intervalMs = 1 / options.perMs;
    this.#capacityMs = options.burst * this.#intervalMs;
    this.#maxPlaces = Math.max(ways, 2 ** Math.ceil(Math.log2(options.maxKeys)));
  }

  /** Number of places. */
  get places(): number {
    return this.#fullAt.length;
  }

  /**
   * Looks a key up, and takes nothing.
   * @returns 0 if its bucket has a request left, else the milliseconds until it has one
   */
  waitMs(key: string): number {
    this.#hash.hash(key);
    const now = this.#options.clock();
    this.#place = this.#find(now);
    const fullAt = this.#place < 0 ? now : Math.max(now, this.#fullAt[this.#place] as number);
    this.#nextFullAt = fullAt + this.#intervalMs;
    const waitMs = this.#nextFullAt - this.#capacityMs - now;
    return waitMs <= toleranceMs ? 0 : waitMs;
  }

  /** Takes one request of the key that `waitMs` was asked for last. */
  take(): void {
    if (this.#place < 0) this.#place = this.#claim(this.#options.clock());
    this.#fullAt[this.#place] = this.#nextFullAt;
    this.#digests[this.#place * 2] = this.#hash.low;
    this.#digests[this.#place * 2 + 1] = this.#hash.high;
  }

  /** After `take`: whole requests that are left. */
  get left(): number {
    const leftMs = this.#capacityMs - (this.#nextFullAt - this.#options.clock());
    return Math.max(0, Math.floor((leftMs + toleranceMs) / this.#intervalMs));
  }

  /** After `take`: whole seconds until the bucket is full. */
  get fullInSeconds(): number {
    return Math.max(1, Math.ceil((this.#nextFullAt - this.#options.clock()) / 1_000));
  }

  /** The table is not used any more. */
  release(): void {
    this.#options.space.giveBack(this.#taken);
    this.#taken = 0;
    this.#digests = new Int32Array(0);
    this.#fullAt = new Float64Array(0);
  }

  get #firstOfSet(): number {
    return ((this.#hash.high >>> 0) & (this.places / ways - 1)) * ways;
  }

  /** The place of the digest; -1 if it has none, or its bucket is full: such a place may be another key's any time. */
  #find(now: number): number {
    if (this.places === 0) return -1;
    const { low, high } = this.#hash;
    const first = this.#firstOfSet;
    for (let place = first; place < first + ways; place++) {
      const isIt = this.#digests[place * 2] === low && this.#digests[place * 2 + 1] === high;
      if (isIt && (this.#fullAt[place] as number) > now) return place;
    }
    return -1;
  }

  /** A place for the digest, which has none. */
  #claim(now: number): number {
    for (;;) {
      const fullest = this.places === 0 ? -1 : this.#fullestOfSet();
      if (fullest >= 0 && (this.#fullAt[fullest] as number) <= now) return fullest;
      if (this.#grow(now)) continue;
      this.#options.onEviction();
      return fullest;
    }
  }

  #fullestOfSet(): number {
    const first = this.#firstOfSet;
    let fullest = first;
    for (let place = first + 1; place < first + ways; place++)
      if ((this.#fullAt[place] as number) < (this.#fullAt[fullest] as number)) fullest = place;
    return fullest;
  }

  /** Doubles the table. @returns false if it may not grow */
  #grow(now: number): boolean {
    const { length } = this.#fullAt;
    const wanted = length === 0 ? Math.min(initialPlaces, this.#maxPlaces) : length * 2;
    if (wanted > this.#maxPlaces) return false;
    if (this.#options.space.take(wanted - length)) this.#taken += wanted - length;
    // Without any table every key would be new.
    else if (length > 0) return false;
    const [digests, fullAt] = [this.#digests, this.#fullAt];
    this.#digests = new Int32Array(wanted * 2);
    this.#fullAt = new Float64Array(wanted);
    const sets = wanted / ways;
    const used = new Uint8Array(sets);
    for (let from = 0; from < length; from++) {
      if ((fullAt[from] as number) <= now) continue;
      const high = digests[from * 2 + 1] as number;
      const set = (high >>> 0) & (sets - 1);
      const to = set * ways + (used[set] as number);
      used[set] = (used[set] as number) + 1;
      this.#digests[to * 2] = digests[from * 2] as number;
      this.#digests[to * 2 + 1] = high;
      this.#fullAt[to] = fullAt[from] as number;
    }
    return true;
  }
}
