/** Has a plane shed load while memory is short, and tells the record and the log. Apart from the watch, which knows neither. */

import type { Config } from "../config/config.ts";
import type { Schedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { MemorySense } from "../runtime/runtime.ts";
import type { EventLog } from "./event-log.ts";
import { MemoryMonitor } from "./overload.ts";

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
  const groupBytes = memory.limitBytes();
  const autoBytes = groupBytes === undefined ? undefined : Math.floor(groupBytes * autoShare);
  return new MemoryMonitor({
    schedule,
    rssBytes: () => memory.rssBytes() + dataPlane.rssBytes(),
    limitBytes() {
      const { maxMemory } = config();
      return maxMemory === "auto" ? autoBytes : maxMemory || undefined;
    },
    collect: () => memory.collect(),
    onOverloadChange({ shedding, rssBytes, limitBytes }) {
      dataPlane.setShedding(shedding);
      const [from, to] = shedding ? ["calm", "shedding"] : ["shedding", "calm"];
      const detail = `${mebibytes(rssBytes)} of ${mebibytes(limitBytes ?? 0)} MiB`;
      const whole = { pool: null, upstream: null, reason: "memory", by: "balancer" } as const;
      eventLog.add({ kind: "load", ...whole, from, to, detail });
      if (shedding) log.warn("memory is short: new requests are refused", { rssBytes, limitBytes });
      else log.info("memory suffices again: requests are taken", { rssBytes, limitBytes });
    },
  });
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
