/** Metrics of alerts: what became of them for each receiver, and how many wait. */

import type { Family } from "../metrics/prometheus.ts";
import type { AlertCounts, ReceiverSnapshot } from "./alerts-snapshot.ts";

const results: Readonly<Record<keyof AlertCounts, true>> = {
  sent: true,
  failed: true,
  refused: true,
  expired: true,
  dropped: true,
};

/** Every receiver and result has a sample, also at 0. */
export function alertFamilies(
  receivers: readonly Pick<ReceiverSnapshot, "name" | "counts" | "waiting" | "failing">[],
): readonly Family[] {
  const names = Object.keys(results) as (keyof AlertCounts)[];
  return [
    {
      name: "evenkeel_alerts_total",
      help: "Alerts by what became of them; failed counts tries that are repeated.",
      type: "counter",
      labels: ["receiver", "result"],
      samples: () =>
        receivers.flatMap(({ name, counts }) =>
          names.map((result) => ({ labels: { receiver: name, result }, value: counts[result] })),
        ),
    },
    {
      name: "evenkeel_alerts_waiting",
      help: "Alerts that wait to be sent.",
      type: "gauge",
      labels: ["receiver"],
      samples: () => receivers.map(({ name, waiting }) => ({ labels: { receiver: name }, value: waiting })),
    },
    {
      name: "evenkeel_alerts_failing",
      help: "1 while deliveries to a receiver fail.",
      type: "gauge",
      labels: ["receiver"],
      samples: () =>
        receivers.map(({ name, failing }) => ({ labels: { receiver: name }, value: failing ? 1 : 0 })),
    },
  ];
}
