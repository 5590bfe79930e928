/** Opens and closes access log and tracing as configured. */

import { type Config, version } from "../config/config.ts";
import { type Clock, type Schedule, sleep, systemClock, systemSchedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { type Random, systemRandom } from "../lib/random.ts";
import type { RecordSink } from "../proxy/record.ts";
import type { Tracer } from "../proxy/trace-context.ts";
import { openAccessLog } from "./access-log.ts";
import { openTracing } from "./tracing.ts";

/** The part that a data plane uses. */
export interface TelemetrySinks {
  readonly records: readonly RecordSink[];
  /** Missing without tracing. */
  readonly trace?: Tracer;
  /** Lines of the access log that were not written. */
  readonly lostLines: () => number;
  /** Spans that were not exported. */
  readonly lostSpans: () => number;
}

/** Adds a record sink. */
export function withSink(sinks: TelemetrySinks | undefined, sink: RecordSink): Partial<TelemetrySinks> {
  return { ...sinks, records: [sink, ...(sinks?.records ?? [])] };
}

export interface Telemetry {
  readonly sinks: TelemetrySinks;
  /** Resolves when the modules that are loaded on demand are loaded. */
  readonly ready: Promise<void>;
  /** Reopens files that were moved away. */
  reopen(): void;
  /** Flushes lines and spans. Resolves when that is done, or after two seconds. */
  close(): Promise<void>;
}

export interface TelemetryOptions {
  readonly config: Pick<Config, "accessLog" | "tracing">;
  /** Whether other processes write to the same files or streams. */
  readonly isShared: boolean;
  readonly log: Log;
  readonly clock?: Clock;
  readonly schedule?: Schedule;
  readonly random?: Random;
}

/** A reader or collector that hangs must not prevent the exit of the process. */
const flushTimeoutMs = 2_000;

export function startTelemetry(options: TelemetryOptions): Telemetry {
  const { config, isShared, log } = options;
  const { clock = systemClock, schedule = systemSchedule, random = systemRandom } = options;
  const accessLog =
    config.accessLog && openAccessLog({ config: config.accessLog, isShared, clock, schedule, random, log });
  const tracing = config.tracing && openTracing({ config: config.tracing, version, clock, random, log });
  return {
    sinks: {
      records: [accessLog?.sink, tracing?.sink].filter((sink) => sink !== undefined),
      ...(tracing && { trace: tracing.trace }),
      lostLines: () => accessLog?.lostLines ?? 0,
      lostSpans: () => tracing?.lostSpans ?? 0,
    },
    ready: tracing?.ready ?? Promise.resolve(),
    reopen: () => accessLog?.reopen(),
    async close() {
      const all = Promise.allSettled([accessLog?.close(), tracing?.close()]);
      await Promise.race([all, sleep(flushTimeoutMs)]);
    },
  };
}
