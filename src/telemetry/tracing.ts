/** Traces requests as configured; what sends the spans is loaded only here, since it is large and most do without. */

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
  /** Resolves when spans can be sent. */
  readonly ready: Promise<void>;
  /** Spans that did not get to the collector. */
  readonly lostSpans: number;
  /** Sends what waits. */
  close(): Promise<void>;
}

/** Between two warnings. */
const warnEveryMs = 10_000;

export function openTracing({ config, version, clock, random, log }: TracingOptions): Tracing {
  const mayWarn = rateLimit(1, () => (clock() * 1_000) / warnEveryMs);
  let lostSpans = 0;
  let untold = 0;
  const onLoss = (spans: number, why: string) => {
    lostSpans += spans;
    untold += spans;
    if (mayWarn() === undefined) return;
    log.warn("spans lost", { spans: untold, endpoint: config.endpoint, why });
    untold = 0;
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
