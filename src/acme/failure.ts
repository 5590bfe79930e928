/** Why an order failed, as a value for events, metrics and people. */

import { asArray, asRecord } from "../lib/json.ts";

/**
 * - `rate_limited`: the authority wants fewer orders.
 * - `unreachable`: no usable answer from the directory.
 * - `challenge_failed`: the authority did not find the response to its challenge.
 * - `order_expired`: the order was no longer there.
 * - `refused`: any other error of the authority.
 * - `certificate_unusable`: what it issued does not fit.
 * - `clock_skewed`: by the clock of this machine it is due for renewal already.
 * - `storage_failed`: account, key or certificate could not be read or written.
 * - `fleet_failed`: the store of the fleet could not be reached, or what is in it could not be read.
 */
export const orderFailureReasons = [
  "rate_limited",
  "unreachable",
  "challenge_failed",
  "order_expired",
  "refused",
  "certificate_unusable",
  "clock_skewed",
  "storage_failed",
  "fleet_failed",
] as const;
export type OrderFailureReason = (typeof orderFailureReasons)[number];

/** Has no request and no configuration in it: both contain what must not be logged. */
export class OrderFailure extends Error {
  readonly reason: OrderFailureReason;
  /** What the authority asked for. */
  readonly retryAfterMs: number | undefined;
  /** The type of the problem without its prefix: "rateLimited"; empty if there is none. */
  readonly type: string;

  constructor(
    reason: OrderFailureReason,
    detail: string,
    { retryAfterMs, type = "" }: { readonly retryAfterMs?: number | undefined; readonly type?: string } = {},
  ) {
    super(plainLine(detail));
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
    this.type = type;
  }
}

/** Anything thrown in an order. */
export function orderFailureOf(error: unknown): OrderFailure {
  if (error instanceof OrderFailure) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return new OrderFailure(/^E[A-Z]+$/.test(code) ? "storage_failed" : "refused", message);
}

/** A response of the authority with an error status. */
export interface ProblemResponse {
  readonly status: number;
  readonly body: unknown;
  readonly retryAfter: string | undefined;
}

const typePrefix = "urn:ietf:params:acme:error:";

/** Reads a problem document (RFC 7807, RFC 8555 section 6.7). @param now epoch milliseconds */
export function failureOfResponse(response: ProblemResponse, now: number): OrderFailure {
  const { status, body, retryAfter } = response;
  const type = problemType(body);
  const detail = problemDetail(body) ?? `the authority answered with status ${status}`;
  return new OrderFailure(reasonOf(status, type), detail, { type, retryAfterMs: delayOf(retryAfter, now) });
}

function reasonOf(status: number, type: string): OrderFailureReason {
  if (type === "rateLimited" || status === 429) return "rate_limited";
  if (status >= 500) return "unreachable";
  if (status === 404 || status === 410) return "order_expired";
  return "refused";
}

export function problemType(body: unknown): string {
  const { type } = asRecord(body);
  return typeof type === "string" && type.startsWith(typePrefix) ? type.slice(typePrefix.length) : "";
}

/** The text of a problem, with those of its parts. */
export function problemDetail(body: unknown): string | undefined {
  const { detail, type, subproblems } = asRecord(body);
  const own = typeof detail === "string" ? detail : typeof type === "string" ? problemType(body) : undefined;
  const parts = asArray(subproblems).flatMap((part) => problemDetail(part) ?? []);
  return own === undefined && parts.length === 0 ? undefined : [own, ...parts].filter(Boolean).join("; ");
}

/** A delay in seconds or an HTTP date (RFC 9110 section 10.2.3). */
export function delayOf(retryAfter: string | undefined, now: number): number | undefined {
  if (retryAfter === undefined) return undefined;
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter) * 1_000;
  const at = Date.parse(retryAfter);
  return Number.isNaN(at) ? undefined : Math.max(at - now, 0);
}

const maxDetail = 300;

/** Others wrote it: one line of printable characters. */
function plainLine(text: string): string {
  const line = text.replace(/[^\x20-\x7e\xa0-\uffff]+/g, " ").trim();
  return line.length > maxDetail ? `${line.slice(0, maxDetail - 1)}…` : line;
}
