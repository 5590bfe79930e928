/** One attempt's bytes: what is sent to an upstream, what comes back, and what each system error means. */

import { type Failure, failure, type FailurePhase, type FailureReason } from "../../pool/outcome.ts";
import type { Upstream } from "../../pool/upstream.ts";

export interface UpstreamRequest {
  readonly method: string;
  readonly upstream: Upstream;
  /** Path and query. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null;
  /** Aborted when the client is gone or time is up. */
  readonly signal: AbortSignal;
}

export interface UpstreamResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  /** Exactly one of these three is called, once: each is the cheapest way to its end. */
  stream(): ReadableStream<Uint8Array> | null;
  whole(): Promise<ArrayBuffer>;
  /** For a body that there is none of, or that nobody wants. */
  discard(): void;
}

/** Sends one request; resolves with the final head, rejects with the system's error. Decodes nothing, follows nothing. */
export type Forward = (outgoing: UpstreamRequest) => Promise<UpstreamResponse>;

const refused: readonly [FailurePhase, FailureReason] = ["connect", "connect_refused"];
const timedOut: readonly [FailurePhase, FailureReason] = ["connect", "connect_timeout"];
const reset: readonly [FailurePhase, FailureReason] = ["head", "upstream_reset"];

/** By the system's or the client's error code. A reset may have followed a processed request: phase `head`. */
const meanings: Readonly<Record<string, readonly [FailurePhase, FailureReason]>> = {
  ECONNREFUSED: refused,
  ConnectionRefused: refused,
  ENOTFOUND: refused,
  EAI_AGAIN: refused,
  EHOSTUNREACH: refused,
  ENETUNREACH: refused,
  EADDRNOTAVAIL: refused,
  FailedToOpenSocket: refused,
  // The handshake of TLS: nothing of the request was sent.
  EPROTO: refused,
  ETIMEDOUT: timedOut,
  ConnectTimeout: timedOut,
  ECONNRESET: reset,
  ECONNCLOSED: reset,
  EPIPE: reset,
  ConnectionClosed: reset,
};

/** Whether a standard `Response` can carry it, as it must to be passed on. */
export function isPassable(status: number): boolean {
  return status === 101 || (status >= 200 && status <= 599);
}

/** An error that came instead of an answer's head, as a failure. */
export function failureOf(error: unknown): Failure {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const [phase, reason] = meanings[code] ?? meaningOfOther(code);
  return failure(phase, reason, code || String(error));
}

function meaningOfOther(code: string): readonly [FailurePhase, FailureReason] {
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH/i.test(code)) return refused;
  if (/^Malformed|^Invalid|^HPE_|HTTP|Header|Encoding/.test(code)) return ["head", "head_invalid"];
  return reset;
}
