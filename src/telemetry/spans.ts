/** Converts an exchange to OpenTelemetry spans: a server span with one client span as child for each attempt. */

import { type Attributes, SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";

import { type Random } from "../lib/random.ts";
import { isServerError } from "../metrics/rolling-traffic.ts";
import type { RequestRecord } from "../proxy/record.ts";
import { hex, type TraceContext } from "../proxy/trace-context.ts";

/** The record of an exchange that is traced. */
export type TracedRecord = RequestRecord & { readonly trace: TraceContext };

export interface SpanOptions {
  readonly resource: Resource;
  readonly version: string;
  readonly random: Random;
}

/** Methods of RFC 9110 and RFC 5789. Other methods appear only in an attribute, because span names must be few. */
const knownMethods: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"],
]);

/** Names and attributes are those of OpenTelemetry's semantic conventions for HTTP (stable since 1.23). */
export function spansOf(record: TracedRecord, options: SpanOptions): readonly ReadableSpan[] {
  const { trace, at, durationMs, status, isClientGone } = record;
  const reason = record.reason ?? (isClientGone ? "client_gone" : null);
  const [path = "", query] = splitOnce(record.target, "?");
  const method = methodOf(record.method);
  const { host, port } = authorityOf(record.host);
  const server = span(
    {
      name: method.name,
      kind: SpanKind.SERVER,
      ids: [trace.traceId, trace.spanId, trace.parentId],
      times: [at, at + durationMs],
      // For server spans only 5xx is an error; 4xx is an error of the client.
      error: isServerError(status) || status === 0 ? (reason ?? String(status)) : undefined,
      attributes: {
        ...method.attributes,
        "url.path": path,
        ...(query === undefined ? {} : { "url.query": query }),
        "url.scheme": record.scheme,
        "server.address": host,
        ...(port === undefined ? {} : { "server.port": port }),
        "client.address": record.clientAddress,
        "network.peer.address": record.peerAddress,
        ...(record.protocol !== null && {
          "network.protocol.name": "http",
          "network.protocol.version": record.protocol.replace(/^http\/|^h/, ""),
        }),
        "evenkeel.listener": record.listener,
        ...(status > 0 && { "http.response.status_code": status }),
        "evenkeel.request_id": record.requestId,
        ...(record.pool === null ? {} : { "evenkeel.pool": record.pool }),
        ...(reason === null ? {} : { "evenkeel.reason": reason }),
      },
    },
    options,
  );
  const attempts = record.attempts.map((attempt, index) =>
    span(
      {
        name: method.name,
        kind: SpanKind.CLIENT,
        ids: [trace.traceId, hex(options.random, 2), trace.spanId],
        times: [at + attempt.startMs, at + attempt.startMs + attempt.endMs],
        error:
          attempt.reason ??
          (attempt.status >= 400 && attempt.status <= 599 ? String(attempt.status) : undefined),
        attributes: {
          ...method.attributes,
          "evenkeel.upstream": attempt.upstream,
          ...(attempt.status > 0 && { "http.response.status_code": attempt.status }),
          ...(index > 0 && { "http.request.resend_count": index }),
        },
      },
      options,
    ),
  );
  return [server, ...attempts];
}

interface SpanFacts {
  readonly name: string;
  readonly kind: SpanKind;
  readonly ids: readonly [traceId: string, spanId: string, parentId: string | undefined];
  /** Epoch milliseconds. */
  readonly times: readonly [start: number, end: number];
  readonly error: string | undefined;
  readonly attributes: Attributes;
}

function span(
  { name, kind, ids, times, error, attributes }: SpanFacts,
  { resource, version }: SpanOptions,
): ReadableSpan {
  const [traceId, spanId, parentId] = ids;
  const [start, end] = times;
  const own = { traceId, spanId, traceFlags: TraceFlags.SAMPLED };
  return {
    name,
    kind,
    resource,
    spanContext: () => own,
    ...(parentId === undefined
      ? {}
      : { parentSpanContext: { traceId, spanId: parentId, traceFlags: TraceFlags.SAMPLED } }),
    startTime: timeOf(start),
    endTime: timeOf(end),
    duration: timeOf(Math.max(0, end - start)),
    status: { code: error === undefined ? SpanStatusCode.UNSET : SpanStatusCode.ERROR },
    attributes: error === undefined ? attributes : { ...attributes, "error.type": error },
    links: [],
    events: [],
    ended: true,
    instrumentationScope: { name: "evenkeel", version },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Seconds and nanoseconds. */
function timeOf(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)];
}

function methodOf(method: string): { readonly name: string; readonly attributes: Attributes } {
  if (knownMethods.has(method)) return { name: method, attributes: { "http.request.method": method } };
  return {
    name: "HTTP",
    attributes: { "http.request.method": "_OTHER", "http.request.method_original": method },
  };
}

function authorityOf(text: string): { readonly host: string; readonly port: number | undefined } {
  const [, host = text, port] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
  return { host, port: port === undefined ? undefined : Number(port) };
}

function splitOnce(text: string, separator: string): readonly [string, string?] {
  const position = text.indexOf(separator);
  return position < 0 ? [text] : [text.slice(0, position), text.slice(position + 1)];
}
