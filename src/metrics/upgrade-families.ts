/** Metrics of upgrades: how often a new process took over, when, and how often one could not. */

import type { Family } from "./prometheus.ts";

/** As in the snapshot. */
export interface UpgradeCounts {
  /** Number of takeovers since the first process started. */
  readonly generation: number;
  /** Epoch milliseconds; null for the first process. */
  readonly since: number | null;
  readonly failures: number;
}

export function upgradeFamilies({ generation, since, failures }: UpgradeCounts): readonly Family[] {
  return [
    {
      name: "evenkeel_upgrade_generation",
      help: "Takeovers by new processes (upgrades) since the first process started.",
      type: "gauge",
      labels: [],
      samples: () => [{ labels: {}, value: generation }],
    },
    {
      name: "evenkeel_last_upgrade_timestamp_seconds",
      help: "When this process took over; 0 for the first one.",
      type: "gauge",
      labels: [],
      samples: () => [{ labels: {}, value: (since ?? 0) / 1_000 }],
    },
    {
      name: "evenkeel_upgrade_failures_total",
      help: "Upgrades of this process that failed, so that it went on.",
      type: "counter",
      labels: [],
      samples: () => [{ labels: {}, value: failures }],
    },
  ];
}
