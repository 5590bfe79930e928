/** The metric of our own faults: apart from those of pools and upstreams, which have done nothing wrong. */

import type { Family } from "./exposition.ts";

/** @param count of all processes */
export function bugFamilies(count: number): readonly Family[] {
  return [
    {
      name: "evenkeel_bugs_total",
      help: "Faults of the balancer itself, in all of its processes: each is in the log, or counted there as held back.",
      type: "counter",
      labels: [],
      samples: [{ labels: {}, value: count }],
    },
  ];
}
