/** The metrics of the processes that serve clients: apart from the table, because a single process has none of them. */

import type { Family } from "./prometheus.ts";

export interface WorkerFigures {
  readonly ready: boolean;
  /** How often it was started anew. */
  readonly restarts: number;
}

/** Process ids are no labels: they come and go without end. */
export function workerFamilies(workers: readonly WorkerFigures[] | undefined): readonly Family[] {
  if (!workers) return [];
  const ready = workers.filter((worker) => worker.ready).length;
  return [
    {
      name: "evenkeel_workers",
      help: "Processes that serve clients, by state.",
      type: "gauge",
      labels: ["state"],
      samples: () => [
        { labels: { state: "ready" }, value: ready },
        { labels: { state: "starting" }, value: workers.length - ready },
      ],
    },
    {
      name: "evenkeel_worker_restarts_total",
      help: "Times that a worker was started anew.",
      type: "counter",
      labels: [],
      samples: () => [{ labels: {}, value: workers.reduce((sum, { restarts }) => sum + restarts, 0) }],
    },
  ];
}
