/** Creates what finds problems: the reader of usual traffic, the sampler, and the monitor that keeps the list. */

import { ProblemMonitor, type ProblemMonitorOptions } from "../control/problem-monitor.ts";
import { writeErrorReporter } from "../history/history.ts";
import type { HistoryStore } from "../history/store.ts";
import { UsualTrafficReader } from "../history/usual-traffic.ts";
import type { Log } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import { ProblemSampler, type ProblemSamplerOptions } from "../view/problem-sampler.ts";
import type { EventLog } from "../control/event-log.ts";

export interface ProblemAssemblyOptions extends ProblemSamplerOptions {
  readonly eventLog: EventLog;
  readonly log: Log;
  readonly random: Random;
  readonly marked: NonNullable<ProblemMonitorOptions["marked"]>;
  readonly onDismissed: NonNullable<ProblemMonitorOptions["onDismissed"]>;
}

/** The caller has it sample once a second. */
export function createProblemMonitor(options: ProblemAssemblyOptions): ProblemMonitor {
  const { eventLog, log, random, marked, onDismissed } = options;
  const sampler = new ProblemSampler(options);
  return new ProblemMonitor({ take: () => sampler.take(), eventLog, log, random, marked, onDismissed });
}

interface UsualOptions extends Pick<ProblemSamplerOptions, "clock" | "wallClock"> {
  readonly historyStore: HistoryStore;
  readonly log: Log;
}

/** Problems and snapshots share one: each series is read once an hour. */
export function createUsualReader({ historyStore, wallClock, clock, log }: UsualOptions): UsualTrafficReader {
  const onUnreadable = writeErrorReporter(log, clock, "history read failed");
  return new UsualTrafficReader({
    store: historyStore,
    wallClock,
    onFailure: (error) => onUnreadable(error, 0),
  });
}
