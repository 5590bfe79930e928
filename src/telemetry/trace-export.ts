/** Sends spans to a collector, in batches and within bounds; loaded only where tracing is configured. */

import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, type SpanExporter } from "@opentelemetry/sdk-trace";

import { systemRandom } from "../lib/random.ts";
import { spansOf, type TracedRecord } from "./spans.ts";

export interface TraceExportSetting {
  /** Base of the collector; `/v1/traces` is added. Fields such as tokens come from OTEL_EXPORTER_OTLP_HEADERS. */
  readonly endpoint: string;
  readonly serviceName: string;
  readonly version: string;
  /** Hears of a batch that the collector did not take. */
  readonly onFailure: (spans: number, why: string) => void;
}

export interface TraceExport {
  take(record: TracedRecord): void;
  /** Sends what waits, and lets go. */
  close(): Promise<void>;
}

/** Spans beyond this many are dropped while the collector is slow. */
const mostWaiting = 8_192;
const batchSize = 512;

export function openTraceExport({
  endpoint,
  serviceName,
  version,
  onFailure,
}: TraceExportSetting): TraceExport {
  const resource = resourceFromAttributes({ "service.name": serviceName, "service.version": version });
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, "")}/v1/traces`,
    timeoutMillis: 5_000,
  });
  const processor = new BatchSpanProcessor({
    exporter: telling(exporter, onFailure),
    maxQueueSize: mostWaiting,
    maxExportBatchSize: batchSize,
    scheduledDelayMillis: 1_000,
  });
  const setting = { resource, version, random: systemRandom };
  return {
    take(record) {
      for (const span of spansOf(record, setting)) processor.onEnd(span);
    },
    // What cannot be sent was told already.
    close: () => processor.shutdown().catch(() => undefined),
  };
}

/** OpenTelemetry itself would keep failures to itself. */
function telling(exporter: SpanExporter, onFailure: TraceExportSetting["onFailure"]): SpanExporter {
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.code !== 0)
          onFailure(spans.length, result.error?.message || "the collector did not take them");
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}
