/** Creates what finds problems: the reader of usual traffic, the sampler, and the monitor that keeps the list. */

import { ProblemMonitor, type ProblemMonitorOptions } from "../control/problem-monitor.ts";
import { writeErrorReporter } from "../history/history.ts";
import type { HistoryStore } from "../history/store.ts";
import { UsualTrafficReader } from "../history/usual-traffic.ts";
import type { Log } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import { ProblemSampler, type ProblemSamplerOptions } from "../view/problem-sampler.ts";
import type { EventLog } from "../control/event-log.ts";

export interface ProblemAssemblyOptions extends Omit<ProblemSamplerOptions, "usual"> {
  readonly historyStore: HistoryStore;
  readonly eventLog: EventLog;
  readonly log: Log;
  readonly random: Random;
  readonly marked: NonNullable<ProblemMonitorOptions["marked"]>;
}

/** The caller has it sample once a second. */
export function createProblemMonitor(options: ProblemAssemblyOptions): ProblemMonitor {
  const { historyStore, eventLog, log, random, clock, wallClock, marked } = options;
  const onUnreadable = writeErrorReporter(log, clock, "history read failed");
  const usual = new UsualTrafficReader({
    store: historyStore,
    wallClock,
    onFailure: (error) => onUnreadable(error, 0),
  });
  const sampler = new ProblemSampler({ ...options, usual });
  return new ProblemMonitor({ take: () => sampler.take(), eventLog, log, random, marked });
}
