/** Exports spans to an OTLP collector in bounded batches with back-off. Loaded only if tracing is configured. */

import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace";
import { type Cancel, systemClock, systemSchedule } from "../lib/clock.ts";
import { systemRandom } from "../lib/random.ts";
import { spansOf, type TracedRecord } from "./spans.ts";

export interface TraceExportOptions {
  /** Base URL of the collector; `/v1/traces` is appended. Headers such as tokens come from OTEL_EXPORTER_OTLP_HEADERS. */
  readonly endpoint: string;
  readonly serviceName: string;
  readonly version: string;
  /** Called with the number of spans that were not exported, and the cause. */
  readonly onLoss: (spans: number, cause: string) => void;
}

export interface TraceExport {
  accept(record: TracedRecord): void;
  /** Sends all waiting spans; resolves when they are exported or lost. */
  close(): Promise<void>;
}

/** Maximum spans that wait for a slow or unreachable collector; more are lost. */
const maxWaiting = 8_192;
const batchSize = 512;

/** Timeout of one batch with all its retries. A Retry-After of the collector is followed within this time. */
const timeoutMs = 5_000;
const queueFull = "the collector is too slow and the queue is full";

export function openTraceExport({ endpoint, serviceName, version, onLoss }: TraceExportOptions): TraceExport {
  const resource = resourceFromAttributes({ "service.name": serviceName, "service.version": version });
  const url = `${endpoint.replace(/\/+$/, "")}/v1/traces`;
  /** Spans that were passed to the processor and are neither exported nor lost yet. */
  let waiting = 0;
  const exporter = new BackoffExporter(
    new OTLPTraceExporter({ url, timeoutMillis: timeoutMs }),
    (spans, cause) => {
      waiting -= spans;
      if (cause !== undefined) onLoss(spans, cause);
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
      // The processor would drop them without notice.
      const count = 1 + record.attempts.length;
      if (waiting + count > maxWaiting) return onLoss(count, queueFull);
      waiting += count;
      for (const span of spansOf(record, options)) processor.onEnd(span);
    },
    async close() {
      exporter.skipBackoff();
      // Losses are already reported. After the first batch that fails, the shutdown does not wait for the others.
      await processor.shutdown().catch(() => undefined);
      await exporter.forceFlush();
    },
  };
}

/**
 * Back-off after a failed batch. Without it every batch would go to a collector that has asked for patience. Well below the
 * time after which the processor gives up on a batch.
 */
const backoffMs = 5_000;

type ExportCallback = Parameters<SpanExporter["export"]>[1];

/** Wraps an OpenTelemetry exporter: reports the result of each batch, and backs off after a failed one. */
class BackoffExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #onEnd: (spans: number, cause: string | undefined) => void;
  #backoffUntil = -Infinity;
  #skipsBackoff = false;
  /** Batches that wait for the end of the back-off. */
  readonly #waiting = new Set<() => void>();

  /** @param onEnd called with the spans of each batch; `cause` is undefined if they were exported */
  constructor(exporter: SpanExporter, onEnd: (spans: number, cause: string | undefined) => void) {
    this.#exporter = exporter;
    this.#onEnd = onEnd;
  }

  export(spans: ReadableSpan[], done: ExportCallback): void {
    const delayMs = this.#skipsBackoff ? 0 : this.#backoffUntil - systemClock();
    if (delayMs <= 0) return this.#send(spans, done);
    let cancel: Cancel | undefined = undefined;
    const send = () => {
      cancel?.();
      this.#waiting.delete(send);
      this.#send(spans, done);
    };
    this.#waiting.add(send);
    cancel = systemSchedule(delayMs, send);
  }

  #send(spans: ReadableSpan[], done: ExportCallback): void {
    this.#exporter.export(spans, (result) => {
      const hasFailed = result.code !== 0;
      if (hasFailed) this.#backoffUntil = systemClock() + backoffMs;
      this.#onEnd(
        spans.length,
        hasFailed ? result.error?.message || "the collector rejected the batch" : undefined,
      );
      done(result);
    });
  }

  /** Sends waiting and later batches at once: for shutdown. */
  skipBackoff(): void {
    this.#skipsBackoff = true;
    for (const send of this.#waiting) send();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  forceFlush(): Promise<void> {
    return this.#exporter.forceFlush?.() ?? Promise.resolve();
  }
}
