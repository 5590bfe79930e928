/** Sends spans to a collector, in batches and within bounds; loaded only where tracing is configured. */

import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace";
import { type Cancel, systemClock, systemSchedule } from "../lib/clock.ts";
import { systemRandom } from "../lib/random.ts";
import { spansOf, type TracedRecord } from "./spans.ts";

export interface TraceExportOptions {
  /** Base of the collector; `/v1/traces` is added. Fields such as tokens come from OTEL_EXPORTER_OTLP_HEADERS. */
  readonly endpoint: string;
  readonly serviceName: string;
  readonly version: string;
  /** Hears of spans that did not get to the collector. */
  readonly onLoss: (spans: number, why: string) => void;
}

export interface TraceExport {
  accept(record: TracedRecord): void;
  /** Sends what waits, and lets go. */
  close(): Promise<void>;
}

/** Spans beyond this many are lost while the collector is slow or away. */
const maxWaiting = 8_192;
const batchSize = 512;

/** For all tries with one batch; a collector's Retry-After is heeded as far as it fits in. */
const timeoutMs = 5_000;
const tooFast = "they came faster than the collector took them";

export function openTraceExport({ endpoint, serviceName, version, onLoss }: TraceExportOptions): TraceExport {
  const resource = resourceFromAttributes({ "service.name": serviceName, "service.version": version });
  const url = `${endpoint.replace(/\/+$/, "")}/v1/traces`;
  /** Given to the processor, and not yet at the collector or lost. */
  let waiting = 0;
  const exporter = new BackoffExporter(
    new OTLPTraceExporter({ url, timeoutMillis: timeoutMs }),
    (spans, why) => {
      waiting -= spans;
      if (why !== undefined) onLoss(spans, why);
    },
  );
  const processor = new BatchSpanProcessor({
    exporter,
    maxQueueSize: maxWaiting,
    maxExportBatchSize: batchSize,
    scheduledDelayMillis: 1_000,
  });
  const options = { resource, version, random: systemRandom };
  return {
    accept(record) {
      // The processor would drop them without a word.
      const count = 1 + record.attempts.length;
      if (waiting + count > maxWaiting) return onLoss(count, tooFast);
      waiting += count;
      for (const span of spansOf(record, options)) processor.onEnd(span);
    },
    async close() {
      exporter.hurry();
      // What cannot be sent was told already. With the first batch that cannot, it no longer waits for the others.
      await processor.shutdown().catch(() => undefined);
      await exporter.forceFlush();
    },
  };
}

// Stands before an exporter of OpenTelemetry: tells what became of each batch, and gives a collector in trouble a rest.

/**
 * Nothing is sent for this long after a batch that was not taken: without it a collector that asks for patience would be
 * asked again with every batch. Well below the time after which the processor gives up on a batch.
 */
const restMs = 5_000;

type Done = Parameters<SpanExporter["export"]>[1];

export class BackoffExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #onEnd: (spans: number, why: string | undefined) => void;
  #restsUntil = -Infinity;
  #isHurried = false;
  /** Those that wait for the end of the rest. */
  readonly #waiting = new Set<() => void>();

  /** @param onEnd hears what became of so many spans; `why` is undefined where the collector has them */
  constructor(exporter: SpanExporter, onEnd: (spans: number, why: string | undefined) => void) {
    this.#exporter = exporter;
    this.#onEnd = onEnd;
  }

  export(spans: ReadableSpan[], done: Done): void {
    const restMsLeft = this.#isHurried ? 0 : this.#restsUntil - systemClock();
    if (restMsLeft <= 0) return this.#send(spans, done);
    let cancel: Cancel | undefined = undefined;
    const go = () => {
      cancel?.();
      this.#waiting.delete(go);
      this.#send(spans, done);
    };
    this.#waiting.add(go);
    cancel = systemSchedule(restMsLeft, go);
  }

  #send(spans: ReadableSpan[], done: Done): void {
    this.#exporter.export(spans, (result) => {
      const hasFailed = result.code !== 0;
      if (hasFailed) this.#restsUntil = systemClock() + restMs;
      this.#onEnd(
        spans.length,
        hasFailed ? result.error?.message || "the collector did not take them" : undefined,
      );
      done(result);
    });
  }

  /** The process is about to end: there is no time for a rest. */
  hurry(): void {
    this.#isHurried = true;
    for (const go of this.#waiting) go();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  forceFlush(): Promise<void> {
    return this.#exporter.forceFlush?.() ?? Promise.resolve();
  }
}
