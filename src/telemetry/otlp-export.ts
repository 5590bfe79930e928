/** Sends spans to a collector, in batches and within bounds; loaded only where tracing is configured. */

import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace";

import { systemRandom } from "../lib/random.ts";
import { BackoffExporter } from "./patient-exporter.ts";
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
