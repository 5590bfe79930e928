/** Overload protection: sheds load when memory nears its limit, before the system kills the process. */

import type { Config } from "../config/config.ts";
import { type Cancel, repeat, type Schedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { MemorySense } from "../runtime/runtime.ts";
import type { MemorySnapshot } from "../snapshot/snapshot.ts";
import type { EventLog } from "./event-log.ts";

export interface MemoryMonitorOptions {
  readonly schedule: Schedule;
  /** Resident memory of all processes, bytes. */
  readonly rssBytes: () => number;
  /** Limit for all processes together, read at every check; undefined for no limit. */
  readonly limitBytes: () => number | undefined;
  /** Collects garbage at once: otherwise resident memory would fall late, or never. */
  readonly collect: () => void;
  /** Called when shedding starts or ends. */
  readonly onOverloadChange: (memory: MemorySnapshot) => void;
}

const checkIntervalMs = 1_000;

/** Shedding ends only this far below the limit, as a share of it; otherwise it would start again at once. */
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

  /** Checks now, then once a second. */
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

export interface OverloadMonitorOptions {
  readonly memory: MemorySense;
  readonly config: () => Pick<Config, "maxMemory">;
  readonly dataPlane: {
    /** Resident memory of the worker processes, bytes. */
    rssBytes(): number;
    /** Refuses new requests, or stops refusing them. */
    setShedding(isShedding: boolean): void;
  };
  readonly eventLog: Pick<EventLog, "add">;
  readonly log: Log;
  readonly schedule: Schedule;
}

/** Share of the control group's limit. The rest is for kernel buffers, which count too, and for requests in flight. */
const autoShare = 0.8;

/** A monitor that makes the data plane shed load, with events and log lines. The caller starts it. */
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
      if (shedding) log.warn("load shedding started", { rssBytes, limitBytes });
      else log.info("load shedding ended", { rssBytes, limitBytes });
    },
  });
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
