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

// Metrics of the process itself: apart from those of pools and upstreams, which are counted.

export interface Memory {
  readonly rssBytes: number;
  readonly limitBytes: number | null;
  readonly shedding: boolean;
}

const gauge = (name: string, help: string, value: number): Family => ({
  ...{ name, help, type: "gauge", labels: [] },
  samples: () => [{ labels: {}, value }],
});

export function stateFamily(isLost: boolean): Family {
  const help = "1 while what operators set and what is recorded may not survive a restart.";
  return gauge("evenkeel_state_not_kept", help, isLost ? 1 : 0);
}

export function memoryFamilies({ rssBytes, limitBytes, shedding }: Memory): readonly Family[] {
  return [
    gauge("evenkeel_resident_memory_bytes", "What all processes of the balancer take.", rssBytes),
    ...(limitBytes === null
      ? []
      : [gauge("evenkeel_memory_limit_bytes", "New requests are refused from here on.", limitBytes)]),
    gauge("evenkeel_shedding", "1 while new requests are refused for want of memory.", shedding ? 1 : 0),
  ];
}

// The metric of the balancer's own certificates: apart from the table, because one that serves plain HTTP has none.

export interface CertificateFigures {
  readonly listener: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

export function certificateFamilies(
  certificates: readonly CertificateFigures[] | undefined,
): readonly Family[] {
  if (!certificates) return [];
  return [
    {
      name: "evenkeel_certificate_expiry_timestamp_seconds",
      help: "When the certificate that clients see ends, in seconds since 1970; the file may hold another one by now, which counts after a restart.",
      type: "gauge",
      labels: ["listener"],
      samples: () =>
        certificates.map(({ listener, expiresAt }) => ({ labels: { listener }, value: expiresAt / 1_000 })),
    },
  ];
}

// The metrics of the processes that serve clients: apart from the table, because a single process has none of them.

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
