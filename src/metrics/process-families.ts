/** The metrics of our own failings: apart from those of pools and upstreams, which have done nothing wrong. */

import type { Family } from "./prometheus.ts";

/** Counts since the start. */
export interface ProcessCounters {
  /** Faults of ours. */
  readonly bugs: number;
  /** Lines of the process's log that nobody read in time. */
  readonly lostLogLines: number;
}

export function sumProcessCounters(all: readonly ProcessCounters[]): ProcessCounters {
  return {
    bugs: all.reduce((sum, { bugs }) => sum + bugs, 0),
    lostLogLines: all.reduce((sum, { lostLogLines }) => sum + lostLogLines, 0),
  };
}

/** @param counts of all processes */
export function processFamilies({ bugs, lostLogLines }: ProcessCounters): readonly Family[] {
  return [
    {
      name: "evenkeel_bugs_total",
      help: "Faults of the balancer itself, in all of its processes: each is in the log, or counted there as held back.",
      type: "counter",
      labels: [],
      samples: () => [{ labels: {}, value: bugs }],
    },
    {
      name: "evenkeel_log_lost_total",
      help: "Lines of the log on standard error, of all processes, that could not be written: nobody read it.",
      type: "counter",
      labels: [],
      samples: () => [{ labels: {}, value: lostLogLines }],
    },
  ];
}
