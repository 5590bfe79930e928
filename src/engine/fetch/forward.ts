/** One attempt's request and response, and the failure that each system error means. */

import { concernsAllHosts, exhaustion } from "../../lib/exhaustion.ts";
import {
  type Failure,
  failure,
  type FailurePhase,
  type FailureReason,
  exhaustedCode,
} from "../../pool/outcome.ts";
import type { Upstream } from "../../pool/upstream.ts";

export interface UpstreamRequest {
  readonly method: string;
  readonly upstream: Upstream;
  /** Path and query. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null;
  /** Aborted when the client leaves or a timeout expires. */
  readonly signal: AbortSignal;
  /** Whether no other request may follow on its connection. */
  readonly endsConnection: boolean;
}

export interface UpstreamResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  /** Exactly one of these three is called, once. */
  stream(): ReadableStream<Uint8Array> | null;
  whole(): Promise<ArrayBuffer>;
  /** For a body that is empty or not needed. */
  discard(): void;
}

/** Sends one request. Resolves with the final head, rejects with the system's error. Decodes no body, follows no redirect. */
export type SendRequest = (outgoing: UpstreamRequest) => Promise<UpstreamResponse>;

/**
 * Sends to the addresses of the upstream's name in turn. Another one is tried where the connect failed and the body can be sent
 * again.
 */
export function overEndpoints(
  send: (outgoing: UpstreamRequest, host: string) => Promise<UpstreamResponse>,
): SendRequest {
  return (outgoing) => {
    const { endpoints } = outgoing.upstream;
    return endpoints.count === 1 ? send(outgoing, endpoints.next()) : sendInTurn(send, outgoing);
  };
}

async function sendInTurn(
  send: (outgoing: UpstreamRequest, host: string) => Promise<UpstreamResponse>,
  outgoing: UpstreamRequest,
): Promise<UpstreamResponse> {
  const { endpoints } = outgoing.upstream;
  const tried: string[] = [];
  for (;;) {
    const host = endpoints.nextExcept(tried) ?? endpoints.name;
    tried.push(host);
    try {
      const response = await send(outgoing, host);
      endpoints.worked(host);
      return response;
    } catch (error) {
      const failed = failureOf(error);
      if (failed.phase !== "connect") throw error;
      if (concernsAllHosts(exhaustedCode(failed))) throw error;
      endpoints.failed(host);
      const isReplayable = outgoing.body === null || outgoing.body instanceof Uint8Array;
      if (!isReplayable || outgoing.signal.aborted || tried.length >= endpoints.count) throw error;
    }
  }
}

const refused: readonly [FailurePhase, FailureReason] = ["connect", "connect_refused"];
const timedOut: readonly [FailurePhase, FailureReason] = ["connect", "connect_timeout"];
const reset: readonly [FailurePhase, FailureReason] = ["head", "upstream_reset"];

/** By error code of the system or the fetch client. A reset may follow a processed request: phase `head`. */
const meanings: Readonly<Record<string, readonly [FailurePhase, FailureReason]>> = {
  ECONNREFUSED: refused,
  ConnectionRefused: refused,
  ENOTFOUND: refused,
  EAI_AGAIN: refused,
  EHOSTUNREACH: refused,
  ENETUNREACH: refused,
  FailedToOpenSocket: refused,
  // The TLS handshake: nothing of the request was sent.
  EPROTO: refused,
  ETIMEDOUT: timedOut,
  ConnectTimeout: timedOut,
  ECONNRESET: reset,
  ECONNCLOSED: reset,
  EPIPE: reset,
  ConnectionClosed: reset,
};

/** Whether a standard `Response` can have this status. */
export function isForwardableStatus(status: number): boolean {
  return status === 101 || (status >= 200 && status <= 599);
}

/** The failure that an error before the response's head means. */
export function failureOf(error: unknown): Failure {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const own = exhaustion.ownCodeOf(code);
  if (own !== undefined) return failure("connect", "balancer_exhausted", own);
  const [phase, reason] = meanings[code] ?? meaningOfOther(code);
  return failure(phase, reason, code || String(error));
}

function meaningOfOther(code: string): readonly [FailurePhase, FailureReason] {
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH/i.test(code)) return refused;
  if (/^Malformed|^Invalid|^HPE_|HTTP|Header|Encoding/.test(code)) return ["head", "head_invalid"];
  return reset;
}
