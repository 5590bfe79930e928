/** Metrics of the balancer processes themselves: bugs, exhausted resources, memory, certificates and workers. */

import { bugs } from "../lib/bugs.ts";
import { exhaustion } from "../lib/exhaustion.ts";
import { extensionFailures } from "../lib/extension-failures.ts";
import { lostLogLines } from "../lib/log.ts";
import { handshakeRefusals } from "../tls/handshake-refusal.ts";
import type { Family } from "./prometheus.ts";

/** Counts since the process started. */
export interface ProcessCounters {
  /** Unexpected exceptions. */
  readonly bugs: number;
  /** Lines of the process log that were lost because the reader was too slow. */
  readonly lostLogLines: number;
  /** Connects that failed because the system gave this process no descriptor, port or memory, by error code. */
  readonly exhausted: Readonly<Record<string, number>>;
  /** TLS handshakes with clients that were refused, by reason. */
  readonly handshakesRefused: Readonly<Record<string, number>>;
  /** Exceptions of extensions, by the name of the filter or policy. */
  readonly extensionFailures: Readonly<Record<string, number>>;
}

/** The counters of this process. */
export function ownProcessCounters(): ProcessCounters {
  return {
    bugs: bugs.count,
    lostLogLines: lostLogLines(),
    exhausted: exhaustion.counts,
    handshakesRefused: handshakeRefusals.counts,
    extensionFailures: extensionFailures.counts,
  };
}

export function sumProcessCounters(all: readonly ProcessCounters[]): ProcessCounters {
  const sums = (key: "exhausted" | "handshakesRefused" | "extensionFailures") => {
    const sum: Record<string, number> = {};
    for (const [word, count] of all.flatMap((counters) => Object.entries(counters[key])))
      sum[word] = (sum[word] ?? 0) + count;
    return sum;
  };
  return {
    exhausted: sums("exhausted"),
    handshakesRefused: sums("handshakesRefused"),
    extensionFailures: sums("extensionFailures"),
    bugs: all.reduce((sum, { bugs }) => sum + bugs, 0),
    lostLogLines: all.reduce((sum, { lostLogLines }) => sum + lostLogLines, 0),
  };
}

/** @param counters sums of all processes */
export function processFamilies({
  bugs,
  lostLogLines,
  exhausted,
  handshakesRefused,
  extensionFailures: failures,
}: ProcessCounters): readonly Family[] {
  return [
    {
      name: "evenkeel_bugs_total",
      help: "Unexpected exceptions in the processes of the balancer. Each is logged, or counted in the log as heldBack.",
      type: "counter",
      labels: [],
      samples: () => [{ labels: {}, value: bugs }],
    },
    {
      name: "evenkeel_log_lost_total",
      help: "Lines of the log on standard error that were not written because its reader was too slow, in all processes.",
      type: "counter",
      labels: [],
      samples: () => [{ labels: {}, value: lostLogLines }],
    },
    {
      name: "evenkeel_exhausted_total",
      help: "Connects to upstreams that were not made because the system gave the balancer no descriptor, port or memory, by error code.",
      type: "counter",
      labels: ["code"],
      samples: () => Object.entries(exhausted).map(([code, value]) => ({ labels: { code }, value })),
    },
    {
      name: "evenkeel_handshakes_refused_total",
      help: "TLS handshakes with clients that were refused, by reason: closed (the client left), timeout, plain_http, not_tls, version, cipher, protocol (ALPN), name (no certificate covers it), certificate (of the client), other.",
      type: "counter",
      labels: ["reason"],
      samples: () =>
        Object.entries(handshakesRefused).map(([reason, value]) => ({ labels: { reason }, value })),
    },
    {
      name: "evenkeel_extension_failures_total",
      help: "Exceptions of extensions, by the name of the filter or policy. A filter's request gets 500.",
      type: "counter",
      labels: ["extension"],
      samples: () => Object.entries(failures).map(([extension, value]) => ({ labels: { extension }, value })),
    },
  ];
}

/** Memory of all processes. */
export interface Memory {
  readonly rssBytes: number;
  /** Null without a limit. */
  readonly limitBytes: number | null;
  /** Whether new requests are refused because the limit is reached. */
  readonly shedding: boolean;
}

const gauge = (name: string, help: string, value: number): Family => ({
  name,
  help,
  type: "gauge",
  labels: [],
  samples: () => [{ labels: {}, value }],
});

/** @param isUnsaved whether the last write to the state file failed */
export function stateFamily(isUnsaved: boolean): Family {
  const help = "1 while runtime changes and events are not being saved and may be lost on restart.";
  return gauge("evenkeel_state_not_kept", help, isUnsaved ? 1 : 0);
}

export function memoryFamilies({ rssBytes, limitBytes, shedding }: Memory): readonly Family[] {
  return [
    gauge("evenkeel_resident_memory_bytes", "Resident memory of all processes of the balancer.", rssBytes),
    ...(limitBytes === null
      ? []
      : [
          gauge(
            "evenkeel_memory_limit_bytes",
            "Memory limit: new requests are refused when resident memory reaches it.",
            limitBytes,
          ),
        ]),
    gauge(
      "evenkeel_shedding",
      "1 while new requests are refused because the memory limit is reached.",
      shedding ? 1 : 0,
    ),
  ];
}

/** A certificate that listeners present. */
export interface CertificateFigures {
  readonly source: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** Empty for a balancer that serves plain HTTP. */
export function certificateFamilies(
  certificates: readonly CertificateFigures[] | undefined,
): readonly Family[] {
  if (!certificates) return [];
  return [
    {
      name: "evenkeel_certificate_expiry_timestamp_seconds",
      help: "Expiry of the certificate in use, in seconds since 1970, by the file that it was read from.",
      type: "gauge",
      labels: ["source"],
      samples: () =>
        certificates.map(({ source, expiresAt }) => ({ labels: { source }, value: expiresAt / 1_000 })),
    },
  ];
}

/** State of one worker. */
export interface WorkerFigures {
  readonly ready: boolean;
  readonly restarts: number;
}

/** Empty without workers. Process ids are not labels, because their number is unbounded. */
export function workerFamilies(workers: readonly WorkerFigures[] | undefined): readonly Family[] {
  if (!workers) return [];
  const ready = workers.filter((worker) => worker.ready).length;
  return [
    {
      name: "evenkeel_workers",
      help: "Worker processes, by state.",
      type: "gauge",
      labels: ["state"],
      samples: () => [
        { labels: { state: "ready" }, value: ready },
        { labels: { state: "starting" }, value: workers.length - ready },
      ],
    },
    {
      name: "evenkeel_worker_restarts_total",
      help: "Restarts of worker processes.",
      type: "counter",
      labels: [],
      samples: () => [{ labels: {}, value: workers.reduce((sum, { restarts }) => sum + restarts, 0) }],
    },
  ];
}

/** Orders of certificates from authorities. */
export interface OrderFigures {
  /** By result. */
  readonly orders: ReadonlyMap<string, number>;
  readonly certificates: readonly { readonly host: string; readonly failures: number }[];
}

/** Empty where no certificates are ordered. */
export function orderFamilies({ orders, certificates }: OrderFigures): readonly Family[] {
  if (certificates.length === 0) return [];
  return [
    {
      name: "evenkeel_acme_orders_total",
      help: "Orders of certificates with ACME, by result: issued, or the reason of the failure.",
      type: "counter",
      labels: ["result"],
      samples: () => [...orders].map(([result, value]) => ({ labels: { result }, value })),
    },
    {
      name: "evenkeel_acme_failures",
      help: "Failed orders in a row for the certificate of a host; 0 after a success.",
      type: "gauge",
      labels: ["host"],
      samples: () => certificates.map(({ host, failures }) => ({ labels: { host }, value: failures })),
    },
  ];
}

/** A source of members of a pool. */
export interface SourceFigures {
  readonly pool: string;
  readonly source: string;
  readonly state: string;
  readonly members: number;
  /** Epoch milliseconds; null before the first answer. */
  readonly answeredAt: number | null;
  readonly answers: number;
  readonly failures: number;
}

/** Empty where no pool has a source. */
export function sourceFamilies(sources: readonly SourceFigures[]): readonly Family[] {
  if (sources.length === 0) return [];
  const of = (value: (source: SourceFigures) => number | null) => () =>
    sources.flatMap((one) => {
      const figure = value(one);
      return figure === null ? [] : [{ labels: { pool: one.pool, source: one.source }, value: figure }];
    });
  const labels = ["pool", "source"];
  return [
    {
      name: "evenkeel_discovery_members",
      help: "Members that a source reports and the pool should have.",
      type: "gauge",
      labels,
      samples: of(({ members }) => members),
    },
    {
      name: "evenkeel_discovery_answer_timestamp_seconds",
      help: "Last answer of a source of members, in seconds since 1970; missing before the first.",
      type: "gauge",
      labels,
      samples: of(({ answeredAt }) => answeredAt && answeredAt / 1_000),
    },
    {
      name: "evenkeel_discovery_stale",
      help: "1 while a source of members fails, so that its last answer stays.",
      type: "gauge",
      labels,
      samples: of(({ state }) => (state === "stale" ? 1 : 0)),
    },
    {
      name: "evenkeel_discovery_answers_total",
      help: "Answers of a source of members. That it has nothing is an answer too.",
      type: "counter",
      labels,
      samples: of(({ answers }) => answers),
    },
    {
      name: "evenkeel_discovery_failures_total",
      help: "Questions to a source of members that failed.",
      type: "counter",
      labels,
      samples: of(({ failures }) => failures),
    },
  ];
}
