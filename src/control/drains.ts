/** Upstreams that are being emptied: since when, until when, and who waits for it. */

import type { Clock, Schedule, WallClock } from "../lib/clock.ts";
import type { Upstream } from "../pool/upstream.ts";

export interface Drain {
  /** Epoch milliseconds. */
  readonly since: number;
  /** Epoch milliseconds by which it should be empty; null if nobody named a time. */
  readonly deadline: number | null;
  /** It goes when it is empty. */
  readonly isRemoval: boolean;
  /** It need not be waited for any more: the next change takes it away. */
  readonly isOver?: true;
}

export interface DrainsOptions {
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  /** Whether nothing is under way there; by default as the upstream says. */
  readonly isEmpty?: (upstream: Upstream) => boolean;
  /** Hears that one is empty, or that its deadline has passed before. */
  readonly onStage: (upstream: Upstream, stage: "drained" | "late", drain: Drain) => void;
}

/** An engine reports no ends to here: asking costs nothing, and requests pay nothing for being asked about. */
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
  /** Those of which somebody heard that they are empty. */
  readonly #notified = new WeakSet<Drain>();

  constructor(options: DrainsOptions) {
    this.#options = options;
  }

  get(upstream: Upstream): Drain | undefined {
    return this.#drains.get(upstream);
  }

  /** As it was before a restart: nothing is under way, so there is nothing to watch. */
  restore(upstream: Upstream, since: number): void {
    const drain = { since, deadline: null, isRemoval: false };
    this.#drains.set(upstream, drain);
    this.#notified.add(drain);
  }

  /** Again with another deadline, it goes on from the first beginning. @param waitMs 0 names no deadline */
  begin(
    upstream: Upstream,
    { waitMs, isRemoval }: { readonly waitMs: number; readonly isRemoval: boolean },
  ): void {
    const now = this.#options.wallClock();
    const previous = this.#drains.get(upstream);
    const since = previous?.since ?? now;
    const drain = { since, deadline: waitMs > 0 ? now + waitMs : null, isRemoval };
    this.#drains.set(upstream, drain);
    if (previous && this.#notified.has(previous) && !isRemoval) this.#notified.add(drain);
    void this.#watch(upstream, drain, waitMs > 0 ? this.#options.clock() + waitMs : Infinity);
  }

  /** One that leaves has had its time. It gets nothing new until it is really gone. */
  finish(upstream: Upstream): void {
    const drain = this.#drains.get(upstream);
    if (drain) this.#drains.set(upstream, { ...drain, isOver: true });
  }

  /** It is wanted again, or gone. */
  end(upstream: Upstream): void {
    this.#drains.delete(upstream);
  }

  /** Resolves when it is empty, when the time is up, or when the drain was ended. */
  async wait(upstream: Upstream, waitMs: number): Promise<"drained" | "late" | "undone"> {
    const { clock } = this.#options;
    const end = clock() + waitMs;
    for (;;) {
      const drain = this.#drains.get(upstream);
      if (!drain) return "undone";
      if (this.#notifyIfEmpty(upstream, drain)) return "drained";
      const left = end - clock();
      if (left <= 0) return "late";
      await this.#pause(Math.min(left, checkIntervalMs));
    }
  }

  async #watch(upstream: Upstream, drain: Drain, end: number): Promise<void> {
    const { clock, onStage } = this.#options;
    for (let isLate = false; this.#drains.get(upstream) === drain; await this.#pause(checkIntervalMs)) {
      if (this.#notifyIfEmpty(upstream, drain)) return;
      if (!isLate && clock() >= end) {
        isLate = true;
        onStage(upstream, "late", drain);
      }
    }
  }

  /** Whoever looks first tells. */
  #notifyIfEmpty(upstream: Upstream, drain: Drain): boolean {
    const { isEmpty } = this.#options;
    if (isEmpty ? !isEmpty(upstream) : upstream.inFlight > 0) return false;
    if (!this.#notified.has(drain)) this.#options.onStage(upstream, "drained", drain);
    this.#notified.add(drain);
    return true;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#options.schedule(delayMs, resolve));
  }
}
