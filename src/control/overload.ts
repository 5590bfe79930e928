/** Watches how much memory the balancer takes, and says when it must take no more requests: before the system ends it. */

import type { Config } from "../config/config.ts";
import type { EventLog } from "./event-log.ts";
import { type Cancel, repeat, type Schedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { MemorySense } from "../runtime/runtime.ts";
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
const hysteresis = 0.1;

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
    const isOver = rssBytes() >= (this.#isShedding ? limit * (1 - hysteresis) : limit);
    if (isOver === this.#isShedding) return;
    this.#isShedding = isOver;
    onOverloadChange(this.snapshot);
  }
}

// Has a plane shed load while memory is short, and tells the record and the log. Apart from the watch, which knows neither.

export interface OverloadMonitorOptions {
  readonly memory: MemorySense;
  readonly config: () => Pick<Config, "maxMemory">;
  readonly dataPlane: {
    /** What other processes of ours take, bytes. */
    rssBytes(): number;
    /** Refuses new requests from now on, or no longer. */
    setShedding(isShedding: boolean): void;
  };
  readonly eventLog: Pick<EventLog, "add">;
  readonly log: Log;
  readonly schedule: Schedule;
}

/** Of the control group's limit: the rest is for the kernel's buffers, which count too, and for what is under way. */
const autoShare = 0.8;

/** Not started yet. */
export function overloadMonitor(options: OverloadMonitorOptions): MemoryMonitor {
  const { memory, config, dataPlane, eventLog, log, schedule } = options;
  const cgroupLimitBytes = memory.limitBytes();
  const autoLimitBytes =
    cgroupLimitBytes === undefined ? undefined : Math.floor(cgroupLimitBytes * autoShare);
  return new MemoryMonitor({
    schedule,
    rssBytes: () => memory.rssBytes() + dataPlane.rssBytes(),
    limitBytes() {
      const { maxMemory } = config();
      return maxMemory === "auto" ? autoLimitBytes : maxMemory || undefined;
    },
    collect: () => memory.collect(),
    onOverloadChange({ shedding, rssBytes, limitBytes }) {
      dataPlane.setShedding(shedding);
      const [from, to] = shedding ? ["calm", "shedding"] : ["shedding", "calm"];
      const detail = `${mebibytes(rssBytes)} of ${mebibytes(limitBytes ?? 0)} MiB`;
      const common = { pool: null, upstream: null, reason: "memory", by: "balancer" } as const;
      eventLog.add({ kind: "load", ...common, from, to, detail });
      if (shedding) log.warn("memory is short: new requests are refused", { rssBytes, limitBytes });
      else log.info("memory suffices again: requests are taken", { rssBytes, limitBytes });
    },
  });
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
