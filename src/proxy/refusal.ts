/** The balancer's own answers: the one place where a reason becomes a status, fields and a body. */

import type { FailureReason } from "../pool/outcome.ts";

/** Why the balancer answers itself. The same word stands in log, metric, Proxy-Status and dashboard. */
export type RefusalReason =
  | FailureReason
  | "no_route"
  | "no_upstream"
  | "queue_full"
  | "queue_timeout"
  | "request_invalid"
  | "request_too_large"
  | "too_many_clients"
  | "rehearsal"
  | "overloaded"
  | "draining";

/** Why a failed attempt was not followed by another one. */
export type RetryVeto =
  | "retries_spent"
  | "time_spent"
  | "method_not_idempotent"
  | "body_not_replayable"
  | "answer_begun"
  | "no_other_upstream"
  | "retry_budget";

export interface Refusal {
  readonly kind: "refusal";
  readonly reason: RefusalReason;
  /** Status of the answer where it is not the reason's usual one. */
  readonly status: number;
  readonly notRetried?: RetryVeto;
  /** The rule that the request breaks, always in the same words; nothing that the client said. */
  readonly complaint?: string;
  /**
   * An upstream had answered before, with a status that was tried elsewhere: that answer, which the engine has kept, goes
   * to the client, and not this refusal. Its status is the one given here.
   */
  readonly usesHeldResponse?: true;
}

interface Meaning {
  readonly status: number;
  /** Error type of RFC 9209 section 2.3. */
  readonly error: string;
  /** One sentence for whoever reads the answer. */
  readonly message: string;
}

const meanings: Readonly<Record<RefusalReason, Meaning>> = {
  no_route: { status: 404, error: "destination_not_found", message: "No route matches this host and path." },
  no_upstream: { status: 503, error: "destination_unavailable", message: "No upstream is fit to serve." },
  queue_full: {
    status: 503,
    error: "connection_limit_reached",
    message: "Every fit upstream has as much in flight as it may have.",
  },
  queue_timeout: {
    status: 503,
    error: "connection_limit_reached",
    message: "No upstream had room in time.",
  },
  rehearsal: {
    status: 503,
    error: "proxy_internal_response",
    message: "An upstream's error is being rehearsed.",
  },
  overloaded: {
    status: 503,
    error: "proxy_internal_response",
    message: "The balancer has no memory left for further requests.",
  },
  draining: { status: 503, error: "destination_unavailable", message: "The balancer is shutting down." },
  too_many_clients: {
    status: 503,
    error: "connection_limit_reached",
    message: "Too many clients are connected.",
  },
  connect_refused: {
    status: 502,
    error: "connection_refused",
    message: "The upstream refused the connection.",
  },
  connect_timeout: {
    status: 504,
    error: "connection_timeout",
    message: "The upstream did not accept in time.",
  },
  connect_reset: {
    status: 502,
    error: "connection_terminated",
    message: "The upstream closed the new connection.",
  },
  head_timeout: {
    status: 504,
    error: "http_response_timeout",
    message: "The upstream did not answer in time.",
  },
  head_invalid: {
    status: 502,
    error: "http_protocol_error",
    message: "The upstream's answer is not valid HTTP.",
  },
  total_timeout: {
    status: 504,
    error: "http_response_timeout",
    message: "No upstream answered in the time that a request may take.",
  },
  // Never an answer of ours: who was rescued is asked elsewhere.
  rescued: { status: 502, error: "connection_terminated", message: "The upstream was found down." },
  upstream_reset: {
    status: 502,
    error: "connection_terminated",
    message: "The upstream closed before it answered.",
  },
  body_timeout: { status: 504, error: "http_response_incomplete", message: "The upstream's answer stalled." },
  body_truncated: {
    status: 502,
    error: "http_response_incomplete",
    message: "The upstream's answer was cut short.",
  },
  request_invalid: { status: 400, error: "http_request_error", message: "The request is not acceptable." },
  request_too_large: { status: 413, error: "http_request_error", message: "The request is too large." },
};

/** @param status where it is not the reason's usual one, as 405 or 501 for `request_invalid` */
export function refusal(reason: RefusalReason, status = meanings[reason].status): Refusal {
  return { kind: "refusal", reason, status };
}

/** Whether the client's connection is to end with this answer: it takes what is short. */
export function closesConnection({ reason }: Refusal): boolean {
  return reason === "overloaded";
}

/** A request that is refused for what it says or how slowly it comes. */
export function refusalForViolation({ status, text }: ProtocolViolation): Refusal {
  const reason = status === 414 || status === 431 ? "request_too_large" : "request_invalid";
  return { ...refusal(reason, status), complaint: text };
}

/** How long a client is asked to wait after a 503, in seconds: two probe rounds while an upstream changes. */
const retryAfterSeconds = 2;

export interface RenderedRefusal {
  readonly status: number;
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: string;
}

/**
 * The whole answer: JSON if the client accepts that, else one line of text, with Proxy-Status (RFC 9209).
 * It names no upstream and no system error: those are for the log.
 */
export function renderRefusal(
  given: Refusal,
  accept: string | undefined,
  requestId: string,
): RenderedRefusal {
  const { error, message: general } = meanings[given.reason];
  const message = given.complaint ? `${general.slice(0, -1)}: ${given.complaint}.` : general;
  const asJson = /\bapplication\/(?:[\w.-]+\+)?json\b/i.test(accept ?? "");
  const problem = { status: given.status, reason: given.reason, message, requestId };
  const body = asJson
    ? JSON.stringify({ error: problem })
    : `${given.status} ${given.reason}: ${message} (request ${requestId})`;
  return {
    status: given.status,
    headers: [
      ["Content-Type", asJson ? "application/json" : "text/plain; charset=utf-8"],
      ["Cache-Control", "no-store"],
      ["Proxy-Status", `evenkeel; error=${error}; details="${given.reason}"`],
      ["X-Request-Id", requestId],
      ...(given.status === 503 ? [["Retry-After", String(retryAfterSeconds)] as const] : []),
      ...(given.status === 405 ? [["Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"] as const] : []),
    ],
    body: `${body}\n`,
  };
}

// The rule that a request breaks, in words for log, record and answer; here the ones that every engine watches over.

export interface ProtocolViolation {
  /** Of the answer, where it is a request. */
  readonly status: 400 | 405 | 408 | 414 | 431 | 501 | 505;
  /** Always this text and nothing that the client said: it may stand in any line. */
  readonly text: string;
}

export const methodNotServed: ProtocolViolation = { status: 405, text: "CONNECT and TRACE are not served" };
export const duplicateHost: ProtocolViolation = { status: 400, text: "more than one Host field" };
export const bodyTimeout: ProtocolViolation = { status: 408, text: "the body did not come in time" };
