/** Watches how much memory the balancer takes, and says when it must take no more requests: before the system ends it. */

import { type Cancel, repeat, type Schedule } from "../lib/clock.ts";
import type { MemorySnapshot } from "../snapshot/snapshot.ts";

export interface MemoryMonitorOptions {
  readonly schedule: Schedule;
  /** What all of its processes take, bytes. */
  readonly rssBytes: () => number;
  /** What they may take together, read anew each time; undefined for no limit. */
  readonly limitBytes: () => number | undefined;
  /** Gives back at once what is not needed any more: what is resident would else fall late, or never. */
  readonly collect: () => void;
  /** Hears of every turn. */
  readonly onOverloadChange: (memory: MemorySnapshot) => void;
}

const checkIntervalMs = 1_000;
/** Shedding ends when so much is free again, as a share of the limit, or it would begin anew at once. */
const slack = 0.1;

/**
 * ```
 *  calm ──at the limit──▶ shedding ──a tenth below it──▶ calm
 * ```
 */
export class MemoryMonitor {
  readonly #options: MemoryMonitorOptions;
  #cancel: Cancel | undefined;
  #isShedding = false;

  constructor(options: MemoryMonitorOptions) {
    this.#options = options;
  }

  get snapshot(): MemorySnapshot {
    const { rssBytes, limitBytes } = this.#options;
    return { rssBytes: rssBytes(), limitBytes: limitBytes() ?? null, shedding: this.#isShedding };
  }

  /** Looks now and from then on. */
  start(): void {
    this.#cancel = repeat(this.#options.schedule, checkIntervalMs, () => this.#check());
    this.#check();
  }

  stop(): void {
    this.#cancel?.();
  }

  #check(): void {
    const { rssBytes, limitBytes, collect, onOverloadChange } = this.#options;
    if (this.#isShedding) collect();
    const limit = limitBytes() ?? Infinity;
    const isOver = rssBytes() >= (this.#isShedding ? limit * (1 - slack) : limit);
    if (isOver === this.#isShedding) return;
    this.#isShedding = isOver;
    onOverloadChange(this.snapshot);
  }
}
