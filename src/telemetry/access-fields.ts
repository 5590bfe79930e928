/** What the access log says of one exchange: the fields of its JSON lines, by names that stay. */

import type { AttemptRecord, RequestRecord } from "../proxy/record.ts";

/** Documented in docs/access-log.md. Null stands for "there was none" and "nobody can tell". */
export interface AccessFields {
  /** When it began, RFC 3339. */
  readonly time: string;
  readonly requestId: string;
  readonly traceId: string | null;
  readonly client: string;
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly scheme: string;
  readonly pool: string | null;
  /** Of the last attempt. */
  readonly upstream: string | null;
  readonly attempts: number;
  /** Present where there was more than one. */
  readonly tries?: readonly TryFields[];
  readonly status: number;
  readonly reason: string | null;
  readonly notRetried: string | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  readonly queuedMs: number;
  /** Of the last attempt. */
  readonly connectMs: number | null;
  /** From the start of the exchange to the head of the last attempt's answer. */
  readonly firstByteMs: number | null;
}

export interface TryFields {
  readonly upstream: string;
  readonly status: number;
  readonly reason: string | null;
  readonly startMs: number;
  readonly durationMs: number;
}

/** Records hold methods as long as a head may be. */
const mostMethodChars = 64;

export function accessFieldsOf(record: RequestRecord): AccessFields {
  const { attempts } = record;
  const last = attempts.at(-1);
  return {
    time: new Date(record.at).toISOString(),
    requestId: record.requestId,
    traceId: record.traceId,
    client: record.clientAddress,
    method: record.method.slice(0, mostMethodChars),
    target: record.target,
    host: record.host,
    scheme: record.scheme,
    pool: record.pool,
    upstream: last?.upstream ?? null,
    attempts: attempts.length,
    ...(attempts.length > 1 && { tries: attempts.map(tryOf) }),
    status: record.status,
    reason: record.reason ?? (record.isClientGone ? "client_gone" : null),
    notRetried: record.notRetried,
    bytesIn: record.bytesIn,
    bytesOut: record.bytesOut,
    durationMs: toMicroseconds(record.durationMs),
    queuedMs: toMicroseconds(record.queuedMs),
    connectMs: last?.connectMs == null ? null : toMicroseconds(last.connectMs),
    firstByteMs: last?.headMs == null ? null : toMicroseconds(last.startMs + last.headMs),
  };
}

function tryOf({ upstream, status, reason, startMs, endMs }: AttemptRecord): TryFields {
  return {
    ...{ upstream, status, reason },
    startMs: toMicroseconds(startMs),
    durationMs: toMicroseconds(endMs),
  };
}

/** Digits below are noise, and bytes. */
function toMicroseconds(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
