/** Responses that the balancer makes itself: from a reason to a status, headers and a body. */

import type { FailureReason } from "../pool/outcome.ts";
import { grpcFields, isGrpc } from "./grpc-reply.ts";

/** Why the balancer responds itself: the same word in log, metric, Proxy-Status and dashboard. */
export type RefusalReason =
  | FailureReason
  | "no_route"
  | "no_upstream"
  | "no_members"
  | "loop"
  | "queue_full"
  | "queue_timeout"
  | "request_invalid"
  | "request_too_large"
  | "too_many_clients"
  | "message_too_large"
  | "buffers_full"
  | "rehearsal"
  | "overloaded"
  | "unknown_host"
  | "misdirected"
  | "path_ambiguous"
  | "redirected"
  | "responded"
  | "preflight"
  | "cors_refused"
  | "challenge_answered"
  | "denied"
  | "rate_limited"
  | "auth_required"
  | "auth_refused"
  | "auth_unavailable";

/** Why a failed attempt was not retried. */
export type RetryVeto =
  | "retries_spent"
  | "time_spent"
  | "answer_refused"
  | "method_not_idempotent"
  | "body_not_replayable"
  | "answer_begun"
  | "no_other_upstream"
  | "retry_budget";

export interface Refusal {
  readonly kind: "refusal";
  readonly reason: RefusalReason;
  /** Status of the response. */
  readonly status: number;
  readonly notRetried?: RetryVeto;
  /** The rule that the request, or the upstream's response, breaks: a fixed text, never a peer's. */
  readonly violation?: string;
  /**
   * An earlier attempt got a response whose status was retried. The engine holds that response, and sends it to the client
   * in place of this refusal. `status` is its status.
   */
  readonly usesHeldResponse?: true;
  /** Present where nothing is wrong: a response with its own headers and body. */
  readonly reply?: ReplyContent;
  /** Name of the filter that answered. */
  readonly filter?: string;
  /** Name of the filter's route, if it has one. */
  readonly route?: string;
  /** The client's connection closes without a response. */
  readonly isSilent?: true;
}

/** Statuses whose responses have no body (RFC 9110 section 15.3.5, 15.3.6, 15.4.5). */
export const withoutBody: readonly number[] = [204, 205, 304];

export interface ReplyContent {
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: string | Uint8Array<ArrayBuffer>;
}

/** A response that the balancer makes itself although nothing is wrong, as a redirect. */
export interface LocalReply extends Refusal {
  readonly reply: ReplyContent;
}

const replyReasons: ReadonlySet<string> = new Set([
  "redirected",
  "responded",
  "preflight",
  "challenge_answered",
  "auth_refused",
]);

/** Whether a request that ended for this reason failed. Local replies are no failures. */
export function isFailureReason(reason: string | null): boolean {
  return reason !== null && !replyReasons.has(reason);
}

interface RefusalText {
  readonly status: number;
  /** Error type of RFC 9209 section 2.3. */
  readonly error: string;
  /** One sentence for the client. */
  readonly message: string;
}

const refusalTable: Readonly<Record<RefusalReason, RefusalText>> = {
  no_route: { status: 404, error: "destination_not_found", message: "No route matches this host and path." },
  no_upstream: { status: 503, error: "destination_unavailable", message: "No upstream is available." },
  no_members: { status: 503, error: "destination_unavailable", message: "No upstream is known yet." },
  loop: {
    status: 508,
    error: "proxy_loop_detected",
    message: "The request has passed this balancer twice already.",
  },
  queue_full: {
    status: 503,
    error: "connection_limit_reached",
    message:
      "No upstream is available below its limit (maxInFlight), and the queue is full (queue.maxWaiting).",
  },
  queue_timeout: {
    status: 503,
    error: "connection_limit_reached",
    message: "No upstream was available below its limit (maxInFlight) within queue.timeout.",
  },
  rehearsal: {
    status: 503,
    error: "proxy_internal_response",
    message: "Fault injection is active on this upstream.",
  },
  overloaded: {
    status: 503,
    error: "proxy_internal_response",
    message: "The balancer is shedding load: memory limit reached.",
  },
  too_many_clients: {
    status: 503,
    error: "connection_limit_reached",
    message: "Too many clients are connected.",
  },
  unknown_host: {
    status: 421,
    error: "destination_not_found",
    message: "This host is not served here.",
  },
  misdirected: {
    status: 421,
    error: "destination_not_found",
    message: "The TLS connection was made for another host.",
  },
  path_ambiguous: {
    status: 400,
    error: "http_request_error",
    message: "Servers read the path in different ways.",
  },
  // These have a text of their own, or none.
  responded: { status: 200, error: "proxy_internal_response", message: "The route answered." },
  preflight: { status: 204, error: "proxy_internal_response", message: "A preflight was answered." },
  cors_refused: {
    status: 204,
    error: "proxy_internal_response",
    message: "Pages of this origin may not read responses.",
  },
  redirected: { status: 308, error: "proxy_internal_response", message: "The address is served over https." },
  challenge_answered: { status: 200, error: "proxy_internal_response", message: "A challenge was answered." },
  denied: { status: 403, error: "http_request_denied", message: "This client is not allowed here." },
  rate_limited: { status: 429, error: "http_request_denied", message: "Too many requests." },
  auth_required: {
    status: 401,
    error: "http_request_denied",
    message: "A user name and a password are required.",
  },
  // It has the text of the authorization server.
  auth_refused: {
    status: 403,
    error: "http_request_denied",
    message: "The authorization server refused the request.",
  },
  auth_unavailable: {
    status: 503,
    error: "proxy_internal_response",
    message: "The authorization of the request cannot be checked now.",
  },
  // Never sent: these two end a WebSocket.
  message_too_large: {
    status: 413,
    error: "http_request_error",
    message: "A WebSocket message is larger than the limit.",
  },
  buffers_full: {
    status: 503,
    error: "proxy_internal_response",
    message: "The WebSockets buffer more than the limit.",
  },
  connect_refused: {
    status: 502,
    error: "connection_refused",
    message: "The upstream refused the connection.",
  },
  connect_timeout: {
    status: 504,
    error: "connection_timeout",
    message: "The connection to the upstream timed out.",
  },
  connect_reset: {
    status: 502,
    error: "connection_terminated",
    message: "The upstream reset the new connection.",
  },
  stream_refused: {
    status: 503,
    error: "connection_limit_reached",
    message: "The upstream did not accept the request on its HTTP/2 connection.",
  },
  balancer_exhausted: {
    status: 503,
    error: "proxy_internal_error",
    message: "The balancer has no file descriptor or port left for a connection to the upstream.",
  },
  head_timeout: {
    status: 504,
    error: "http_response_timeout",
    message: "The upstream did not respond in time.",
  },
  head_invalid: {
    status: 502,
    error: "http_protocol_error",
    message: "The upstream's response is not valid HTTP.",
  },
  answer_refused: {
    status: 502,
    error: "http_protocol_error",
    message: "The upstream's response was refused.",
  },
  total_timeout: {
    status: 504,
    error: "http_response_timeout",
    message: "The request's total timeout was exceeded.",
  },
  // Never sent: a rescued request moves to another upstream.
  rescued: { status: 502, error: "connection_terminated", message: "The upstream went down." },
  upstream_reset: {
    status: 502,
    error: "connection_terminated",
    message: "The upstream closed the connection before it responded.",
  },
  body_timeout: {
    status: 504,
    error: "http_response_incomplete",
    message: "The upstream's response stalled.",
  },
  body_truncated: {
    status: 502,
    error: "http_response_incomplete",
    message: "The upstream's response was truncated.",
  },
  request_invalid: { status: 400, error: "http_request_error", message: "The request is invalid." },
  request_too_large: { status: 413, error: "http_request_error", message: "The request is too large." },
};

/** Why a pool has no upstream for a request: only discovery leaves a pool without any. */
export function noUpstreamReason({ upstreams }: { readonly upstreams: readonly unknown[] }) {
  return upstreams.length > 0 ? "no_upstream" : "no_members";
}

/** @param status where it is not the reason's default, as 405 or 501 for `request_invalid` */
export function refusal(reason: RefusalReason, status = refusalTable[reason].status): Refusal {
  return { kind: "refusal", reason, status };
}

/** Whether the client's connection closes after this response: it uses memory, which is short. */
export function closesConnection({ reason }: Refusal): boolean {
  return reason === "overloaded";
}

/** The refusal of a request that breaks a rule of HTTP, or arrives too slowly. */
export function refusalForViolation({ status, text, reason }: ProtocolViolation): Refusal {
  const usual = status === 414 || status === 431 ? "request_too_large" : "request_invalid";
  return { ...refusal(reason ?? usual, status), violation: text };
}

/** Retry-After of a 503, seconds: two probe rounds while a verdict is about to change. */
const retryAfterSeconds = 2;

export interface RenderedRefusal {
  readonly status: number;
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: string | Uint8Array<ArrayBuffer>;
}

/** Header fields of a request that decide the form of its refusal. */
export interface RefusalNegotiation {
  readonly accept: string | undefined;
  readonly contentType: string | undefined;
}

/**
 * The whole response: JSON if the client accepts it, else one line of text, with Proxy-Status (RFC 9209); or a status of gRPC.
 * It names no upstream and no system error; those go to the log.
 */
export function renderRefusal(
  refused: Refusal,
  { accept, contentType }: RefusalNegotiation,
  requestId: string,
): RenderedRefusal {
  const { reply } = refused;
  if (reply)
    return { ...reply, status: refused.status, headers: [...reply.headers, ["X-Request-Id", requestId]] };
  const { error, message: general } = refusalTable[refused.reason];
  const message = refused.violation ? `${general.slice(0, -1)}: ${refused.violation}.` : general;
  const shared = [
    ["Cache-Control", "no-store"],
    ["Proxy-Status", `evenkeel; error=${error}; details="${detailsOf(refused)}"`],
    ["X-Request-Id", requestId],
  ] as const;
  if (isGrpc(contentType))
    return { status: 200, headers: [...grpcFields(refused, message), ...shared], body: "" };
  const isJson = /\bapplication\/(?:[\w.-]+\+)?json\b/i.test(accept ?? "");
  const problem = { status: refused.status, reason: refused.reason, message, requestId };
  const body = isJson
    ? JSON.stringify({ error: problem })
    : `${refused.status} ${refused.reason}: ${message} (request ${requestId})`;
  return {
    status: refused.status,
    headers: [
      ["Content-Type", isJson ? "application/json" : "text/plain; charset=utf-8"],
      ...shared,
      ...(refused.status === 503 ? [["Retry-After", String(retryAfterSeconds)] as const] : []),
      ...(refused.status === 405 ? [["Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"] as const] : []),
    ],
    body: `${body}\n`,
  };
}

/** For a response that was refused, with the rule: only its server can mend that. */
function detailsOf({ reason, violation }: Refusal): string {
  return reason === "answer_refused" && violation !== undefined ? `${reason}: ${violation}` : reason;
}

/** A rule of HTTP that a message breaks. The violations below are detected by every engine. */
export interface ProtocolViolation {
  /** Status of the response to a request that breaks it. */
  readonly status: 400 | 405 | 408 | 414 | 431 | 501 | 505;
  /** A fixed text without the client's bytes, so that it is safe in a log line. */
  readonly text: string;
  /** Where the reason of the refusal is another than the usual one of the status. */
  readonly reason?: "path_ambiguous";
}

export const methodNotServed: ProtocolViolation = {
  status: 405,
  text: "CONNECT and TRACE are not supported",
};
export const duplicateHost: ProtocolViolation = { status: 400, text: "more than one Host header" };
export const headTooLarge = (bytes: number): ProtocolViolation => ({
  status: 431,
  text: `the head is larger than ${bytes} bytes`,
});
export const tooManyFields = (count: number): ProtocolViolation => ({
  status: 431,
  text: `more than ${count} header fields`,
});
export const targetTooLong = (bytes: number): ProtocolViolation => ({
  status: 414,
  text: `request target is longer than ${bytes} bytes`,
});
export const lengthInvalid: ProtocolViolation = { status: 400, text: "invalid Content-Length" };
export const hostInvalid: ProtocolViolation = { status: 400, text: "invalid Host header" };
export const targetHostDiffers: ProtocolViolation = {
  status: 400,
  text: "the request target names another host than the Host header",
};
export const bodyTimeout: ProtocolViolation = { status: 408, text: "request body timed out" };
