/** Samples requests for tracing and exports their spans. The exporter is loaded on demand, because it is large. */

import type { TracingConfig } from "../config/config.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import { rateLimit } from "../lib/rate.ts";
import type { RecordSink } from "../proxy/record.ts";
import { type Tracer, tracer } from "../proxy/trace-context.ts";
import type { TraceExport } from "./otlp-export.ts";

export interface TracingOptions {
  readonly config: TracingConfig;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Tracing {
  readonly trace: Tracer;
  readonly sink: RecordSink;
  /** Resolves when the exporter is loaded. */
  readonly ready: Promise<void>;
  /** Spans that were not exported. */
  readonly lostSpans: number;
  /** Sends all waiting spans. */
  close(): Promise<void>;
}

/** Time between two warnings. */
const warnIntervalMs = 10_000;

export function openTracing({ config, version, clock, random, log }: TracingOptions): Tracing {
  const mayWarn = rateLimit(1, () => (clock() * 1_000) / warnIntervalMs);
  let lostSpans = 0;
  let unreported = 0;
  const onLoss = (spans: number, cause: string) => {
    lostSpans += spans;
    unreported += spans;
    if (mayWarn() === undefined) return;
    log.warn("spans lost", { spans: unreported, endpoint: config.endpoint, why: cause });
    unreported = 0;
  };
  let exporter: TraceExport | undefined;
  const ready = import("./otlp-export.ts").then(({ openTraceExport }) => {
    exporter = openTraceExport({ ...config, version, onLoss });
  });
  return {
    trace: tracer(config.share, random),
    sink: {
      wantsTraced: true,
      wants: () => false,
      wantsSlow: () => false,
      wantsFailed: () => false,
      accept({ record }) {
        const { trace } = record;
        if (trace) exporter?.accept({ ...record, trace });
      },
    },
    ready,
    get lostSpans() {
      return lostSpans;
    },
    close: async () => exporter?.close(),
  };
}
