/** The drains in progress: their start, their deadline, and waiting for their end. */

import type { Clock, Schedule, WallClock } from "../lib/clock.ts";
import type { Upstream } from "../pool/upstream.ts";

export interface Drain {
  /** Epoch milliseconds. */
  readonly since: number;
  /** Epoch milliseconds; null without a deadline. */
  readonly deadline: number | null;
  /** The upstream is removed when it is drained. */
  readonly isRemoval: boolean;
  /** The removal is due: the next reconciliation removes the upstream. */
  readonly isOver?: true;
}

export interface DrainsOptions {
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  /** Whether nothing is in flight on an upstream; defaults to its `inFlight`. */
  readonly isEmpty?: (upstream: Upstream) => boolean;
  /** Whether clients stay with an upstream while it drains, until shortly before the deadline; by default none. */
  readonly keepsClients?: (upstream: Upstream) => boolean;
  /** Called when the clients that stayed move elsewhere. */
  readonly onClientsMove?: (upstream: Upstream) => void;
  /** Called when an upstream is drained, and once if its deadline passes before. */
  readonly onStage: (upstream: Upstream, stage: "drained" | "late", drain: Drain) => void;
}

/** Clients that stay move so long before the deadline, so that their requests can end: a tenth of the time, at most this. */
const maxMoveLeadMs = 1_000;

/** Drains poll the in-flight counts, so that requests pay nothing for reporting their ends. */
const checkIntervalMs = 25;

/**
 * ```
 *  begin ──(empty)──────────────▶ drained
 *    └──(deadline)──▶ late ──(empty)──▲
 * ```
 */
export class Drains {
  readonly #options: DrainsOptions;
  readonly #drains = new Map<Upstream, Drain>();
  /** Clock time at which the clients of a drain move. */
  readonly #movesAt = new WeakMap<Drain, number>();
  /** Drains whose end was reported to `onStage`. */
  readonly #notified = new WeakSet<Drain>();

  constructor(options: DrainsOptions) {
    this.#options = options;
  }

  get(upstream: Upstream): Drain | undefined {
    return this.#drains.get(upstream);
  }

  /**
   * Restores a drain from before a restart. Nothing is in flight, so there is nothing to watch. Its deadline is not known any
   * more, so that no client stays.
   */
  restore(upstream: Upstream, since: number): void {
    upstream.isDrainLate = true;
    const drain = { since, deadline: null, isRemoval: false };
    this.#drains.set(upstream, drain);
    this.#notified.add(drain);
  }

  /** A drain that is begun again gets the new deadline and keeps its start. @param waitMs 0 sets no deadline */
  begin(
    upstream: Upstream,
    { waitMs, isRemoval }: { readonly waitMs: number; readonly isRemoval: boolean },
  ): void {
    const now = this.#options.wallClock();
    const previous = this.#drains.get(upstream);
    const since = previous?.since ?? now;
    const drain = { since, deadline: waitMs > 0 ? now + waitMs : null, isRemoval };
    this.#drains.set(upstream, drain);
    upstream.isDrainLate = false;
    if (waitMs > 0)
      this.#movesAt.set(drain, this.#options.clock() + waitMs - Math.min(waitMs / 10, maxMoveLeadMs));
    if (previous && this.#notified.has(previous) && !isRemoval) this.#notified.add(drain);
    void this.#watch(upstream, drain, waitMs > 0 ? this.#options.clock() + waitMs : Infinity);
  }

  /** Marks a removal as due. The upstream takes no new requests until it is removed. */
  finish(upstream: Upstream): void {
    const drain = this.#drains.get(upstream);
    if (drain) this.#drains.set(upstream, { ...drain, isOver: true });
  }

  /** The drain was undone, or the upstream was removed. */
  end(upstream: Upstream): void {
    upstream.isDrainLate = false;
    this.#drains.delete(upstream);
  }

  /** Resolves when the upstream is drained, when `waitMs` expires, or when the drain is undone. */
  async wait(upstream: Upstream, waitMs: number): Promise<"drained" | "late" | "undone"> {
    const { clock } = this.#options;
    const end = clock() + waitMs;
    for (;;) {
      const drain = this.#drains.get(upstream);
      if (!drain) return "undone";
      if (this.#notifyIfEmpty(upstream, drain)) return "drained";
      const left = end - clock();
      if (left <= 0) return "late";
      await this.#delay(Math.min(left, checkIntervalMs));
    }
  }

  async #watch(upstream: Upstream, drain: Drain, end: number): Promise<void> {
    const { clock, onStage } = this.#options;
    for (let isLate = false; this.#drains.get(upstream) === drain; await this.#delay(checkIntervalMs)) {
      if (this.#notifyIfEmpty(upstream, drain)) return;
      if (!isLate && clock() >= end) {
        isLate = true;
        onStage(upstream, "late", drain);
      }
    }
  }

  /** Reports the end once, from whichever check sees it first. @returns whether the upstream is empty */
  #notifyIfEmpty(upstream: Upstream, drain: Drain): boolean {
    const { isEmpty } = this.#options;
    if (this.#hasClients(upstream, drain)) return false;
    if (isEmpty ? !isEmpty(upstream) : upstream.inFlight > 0) return false;
    if (!this.#notified.has(drain)) this.#options.onStage(upstream, "drained", drain);
    this.#notified.add(drain);
    return true;
  }

  /** Whether clients stay with the upstream, which may be idle between their requests. Moves them when it is time. */
  #hasClients(upstream: Upstream, drain: Drain): boolean {
    const movesAt = this.#movesAt.get(drain);
    if (movesAt === undefined || upstream.isDrainLate || !this.#options.keepsClients?.(upstream))
      return false;
    if (this.#options.clock() < movesAt) return true;
    upstream.isDrainLate = true;
    this.#options.onClientsMove?.(upstream);
    return false;
  }

  #delay(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#options.schedule(delayMs, resolve));
  }
}
