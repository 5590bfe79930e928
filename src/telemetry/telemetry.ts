/** What leaves the house about single requests, as configured: access log and traces, opened and closed as one. */

import { type Config, version } from "../config/config.ts";
import { type Clock, type Schedule, sleep, systemClock, systemSchedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { type Random, systemRandom } from "../lib/random.ts";
import type { RecordSink } from "../proxy/record.ts";
import type { Tracer } from "../proxy/trace-context.ts";
import { openAccessLog } from "./access-log.ts";
import { openTracing } from "./tracing.ts";

/** What a data plane is given of it. */
export interface TelemetrySinks {
  readonly records: readonly RecordSink[];
  /** Missing where nothing is traced. */
  readonly trace?: Tracer;
  /** Lines of the access log that could not be written. */
  readonly lostLines: () => number;
  /** Spans that did not get to the collector. */
  readonly lostSpans: () => number;
}

/** Those, and one more who takes records. */
export function withSink(sinks: TelemetrySinks | undefined, sink: RecordSink): Partial<TelemetrySinks> {
  return { ...sinks, records: [sink, ...(sinks?.records ?? [])] };
}

export interface Telemetry {
  readonly sinks: TelemetrySinks;
  /** Resolves when everything is there that is loaded on demand. */
  readonly ready: Promise<void>;
  /** Files may have been moved away. */
  reopen(): void;
  /** Resolves when what waited has left the house, or cannot within two seconds. */
  close(): Promise<void>;
}

export interface TelemetryOptions {
  readonly config: Pick<Config, "accessLog" | "tracing">;
  /** Other processes write to the same places. */
  readonly isShared: boolean;
  readonly log: Log;
  readonly clock?: Clock;
  readonly schedule?: Schedule;
  readonly random?: Random;
}

/** A reader or a collector that hangs must not keep the process from ending. */
const flushWithinMs = 2_000;

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
      await Promise.race([all, sleep(flushWithinMs)]);
    },
  };
}
