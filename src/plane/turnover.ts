/** What befalls workers, as record and log tell it: apart from the workers' own states. */

import type { EventLog } from "../control/event-log.ts";
import type { Log } from "../lib/log.ts";
import type { WorkerSupervisor } from "../dataplane/worker-supervisor.ts";

/** What can befall a worker, and the reason that is on record for it. */
const turns = { gone: "died", hung: "no_report", serving: "restarted" } as const;

export interface WorkerEventOptions {
  readonly eventLog: Pick<EventLog, "add">;
  readonly log: Log;
}

export function recordWorkerEvent(
  { eventLog, log }: WorkerEventOptions,
  { pid, isReady }: Pick<WorkerSupervisor, "pid" | "isReady">,
  { to, how }: { readonly to: keyof typeof turns; readonly how: string },
): void {
  const from = to === "serving" ? "gone" : isReady ? "serving" : "starting";
  const detail = `pid ${pid}${how && `: ${how}`}`;
  const whole = { kind: "worker", pool: null, upstream: null, by: "balancer" } as const;
  eventLog.add({ ...whole, from, to, reason: turns[to], detail });
  if (to === "serving") log.info("worker restarted", { pid });
  else log.warn(`worker ${to}`, { pid, how });
}
