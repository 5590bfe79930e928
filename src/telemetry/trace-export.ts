/** Sends spans to a collector, in batches and within bounds; loaded only where tracing is configured. */

import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace";

import { systemRandom } from "../lib/random.ts";
import { spansOf, type TracedExchange } from "./spans.ts";

export interface TraceExportSetting {
  /** Base of the collector; `/v1/traces` is added. Fields such as tokens come from OTEL_EXPORTER_OTLP_HEADERS. */
  readonly endpoint: string;
  readonly serviceName: string;
  readonly version: string;
}

export interface TraceExport {
  take(exchange: TracedExchange): void;
  /** Sends what waits, and lets go. */
  close(): Promise<void>;
}

/** Spans beyond this many are dropped while the collector is slow. */
const mostWaiting = 8_192;
const batchSize = 512;

export function openTraceExport({ endpoint, serviceName, version }: TraceExportSetting): TraceExport {
  const resource = resourceFromAttributes({ "service.name": serviceName, "service.version": version });
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, "")}/v1/traces`,
    timeoutMillis: 5_000,
  });
  const processor = new BatchSpanProcessor({
    exporter,
    maxQueueSize: mostWaiting,
    maxExportBatchSize: batchSize,
    scheduledDelayMillis: 1_000,
  });
  const setting = { resource, version, random: systemRandom };
  return {
    take(exchange) {
      for (const span of spansOf(exchange, setting)) processor.onEnd(span);
    },
    close: () => processor.shutdown(),
  };
}
