/** One attempt's request and response, and the failure that each system error means. */

import { concernsAllHosts, exhaustion } from "../../lib/exhaustion.ts";
import type { Attempt } from "../../pool/attempt.ts";
import {
  type Failure,
  failure,
  type FailurePhase,
  type FailureReason,
  exhaustedCode,
} from "../../pool/outcome.ts";
import type { Upstream } from "../../pool/upstream.ts";
import { headTooLarge, tooManyFields } from "../../proxy/refusal.ts";
import type { MessageLimits } from "../engine.ts";
import type { ResponseFields } from "./response-fields.ts";

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
  /** Not shared: the client's response headers are made of them. */
  readonly headers: Headers;
  /** Exactly one of these three is called, once. */
  stream(): ReadableStream<Uint8Array> | null;
  whole(): Promise<ArrayBuffer>;
  /** For a body that is empty or not needed. */
  discard(): void;
  /** The error behind a failed body, where the body's own does not name it. */
  readonly cause?: () => unknown;
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

/** Codes of the HTTP client for a response that it refuses for its form, and the rule behind each. */
const refusedForms: Readonly<Record<string, string>> = {
  // Bun
  InvalidContentLength: "invalid Content-Length",
  UnsupportedTransferEncoding: "Transfer-Encoding must be chunked",
  UnrequestedUpgrade: "unexpected 101 response",
  InvalidHTTPResponse: "malformed chunk",
  // Deno's node:http
  HPE_HEADER_OVERFLOW: "the head is too large",
  HPE_INVALID_STATUS: "invalid status code",
  HPE_INVALID_VERSION: "unsupported HTTP version",
  HPE_INVALID_HEADER_TOKEN: "invalid header name or value",
  HPE_INVALID_CONTENT_LENGTH: "invalid Content-Length",
  HPE_UNEXPECTED_CONTENT_LENGTH: "more than one Content-Length or Transfer-Encoding",
  HPE_INVALID_TRANSFER_ENCODING: "Transfer-Encoding must be chunked",
  HPE_INVALID_CHUNK_SIZE: "malformed chunk",
};

/** Bun's code for other bytes than HTTP, and for all that it does not accept in a head. */
const ambiguousCode = "Malformed_HTTP_Response";
const ambiguousRule = "malformed, or more than 256 header fields";

/** An upstream that responded this recently speaks HTTP. */
const speaksHttpMs = 60_000;

/** The failure that an error before the response's head means. @param attempt without it, for one that never responded */
export function failureOf(error: unknown, attempt?: Pick<Attempt, "startedAt" | "upstream">): Failure {
  const code = codeOf(error);
  const own = exhaustion.ownCodeOf(code);
  if (own !== undefined) return failure("connect", "balancer_exhausted", own);
  if (code === ambiguousCode) {
    const speaksHttp = attempt && attempt.startedAt - attempt.upstream.lastResponseAt < speaksHttpMs;
    return speaksHttp ? refusedAnswer("head", ambiguousRule) : failure("head", "head_invalid", code);
  }
  const rule = refusedRule(code);
  if (rule !== undefined) return refusedAnswer("head", rule);
  const [phase, reason] = meanings[code] ?? meaningOfOther(code);
  return failure(phase, reason, code || String(error));
}

/** The failure that an error in the response's body means. */
export function bodyFailureOf(error: unknown): Failure {
  const rule = refusedRule(codeOf(error));
  return rule === undefined ? failure("body", "body_truncated", String(error)) : refusedAnswer("body", rule);
}

function refusedAnswer(phase: FailurePhase, rule: string): Failure {
  return failure(phase, "answer_refused", rule);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function refusedRule(code: string): string | undefined {
  const isOther = /^HPE_(?!INVALID_CONSTANT$)/.test(code);
  return refusedForms[code] ?? (isOther ? `the HTTP client reports ${code}` : undefined);
}

function meaningOfOther(code: string): readonly [FailurePhase, FailureReason] {
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH/i.test(code)) return refused;
  if (/^Malformed|^Invalid|^HPE_|HTTP|Header|Encoding/.test(code)) return ["head", "head_invalid"];
  return reset;
}

/** The refusal of a head that cannot be forwarded, or is beyond the limits; undefined for any other. */
export function refusedHead(
  status: number,
  { count, bytes }: Pick<ResponseFields, "count" | "bytes">,
  limits: MessageLimits,
): Failure | undefined {
  if (status > 599) return refusedAnswer("head", "this engine forwards no status above 599");
  if (status !== 101 && status < 200) return refusedAnswer("head", "invalid status code");
  if (count > limits.responseFields) return refusedAnswer("head", tooManyFields(limits.responseFields).text);
  return bytes > limits.responseHeadBytes
    ? refusedAnswer("head", headTooLarge(limits.responseHeadBytes).text)
    : undefined;
}
