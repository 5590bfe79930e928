/** What became of a request in one word, and which requests a filter finds. */

import { isServerError } from "../metrics/rolling-traffic.ts";
import type { RequestRecord } from "../proxy/record.ts";
import { isFailureReason } from "../proxy/refusal.ts";

/**
 * `failed`: the client got 5xx, a part of a response, or nothing. `refused`: the balancer answered with 4xx. `retried`: it got a
 * response after another attempt. `slow`: its response took longer than the limit. `sampled`: none of these.
 */
export const requestOutcomes = ["failed", "refused", "retried", "slow", "sampled"] as const;
export type RequestOutcome = (typeof requestOutcomes)[number];

/** A request that took as long as this counts as slow, unless the configuration says otherwise. */
export const defaultSlowMs = 1_000;

export function requestOutcomeOf(request: RequestRecord, slowMs = defaultSlowMs): RequestOutcome {
  const { status, reason, retried, isClientGone, durationMs } = request;
  if (isServerError(status)) return "failed";
  if (isFailureReason(reason) && status >= 400) return "refused";
  // What a client that left was not sent is no failure.
  if (!isClientGone && (isFailureReason(reason) || status === 0)) return "failed";
  if (retried.length > 0) return "retried";
  return durationMs >= slowMs ? "slow" : "sampled";
}

/** Epoch milliseconds at which a request ended: the time that it counts for, as in charts. */
export function endOf({ at, durationMs }: Pick<RequestRecord, "at" | "durationMs">): number {
  return Math.round(at + durationMs);
}

/** Every part that is present must match. */
export interface RecordFilter {
  /** Only requests that ended at this moment or later, epoch milliseconds. */
  readonly from?: number;
  /** Only requests that ended before this moment, epoch milliseconds. */
  readonly to?: number;
  readonly pool?: string;
  /** Upstream of at least one attempt. */
  readonly upstream?: string;
  /** Name of the route, or its place in the configuration. */
  readonly route?: string;
  readonly method?: string;
  /** "404", or "4xx" for the class; several with commas. */
  readonly status?: string;
  /** Prefix of the target; one that does not begin with "/" is a prefix of host and target. */
  readonly path?: string;
  /** Reason of the refusal, of an attempt, of a retry, or for not retrying. */
  readonly reason?: string;
  /** IP address of the client. */
  readonly client?: string;
  readonly requestId?: string;
  /** One of these. */
  readonly outcomes?: readonly RequestOutcome[];
}

export function matchesRequest(request: RequestRecord, filter: RecordFilter, slowMs?: number): boolean {
  const { from, to, pool, upstream, route, method, status, path, reason, client, requestId } = filter;
  const { outcomes } = filter;
  if (pool !== undefined && request.pool !== pool) return false;
  if (upstream !== undefined && !upstreamsOf(request).includes(upstream)) return false;
  if (route !== undefined && request.route !== route) return false;
  if (method !== undefined && request.method !== method) return false;
  if (status !== undefined && !statusRanges(status).some((range) => isWithin(request.status, range)))
    return false;
  if (path !== undefined && !pathText(request, path).startsWith(path)) return false;
  if (client !== undefined && request.clientAddress !== client) return false;
  if (requestId !== undefined && request.requestId !== requestId) return false;
  if (from !== undefined && endOf(request) < from) return false;
  if (to !== undefined && endOf(request) >= to) return false;
  if (outcomes !== undefined && !outcomes.includes(requestOutcomeOf(request, slowMs))) return false;
  return reason === undefined || reasonsOf(request).includes(reason);
}

function pathText({ host, target }: RequestRecord, prefix: string): string {
  return prefix.startsWith("/") || !target.startsWith("/") ? target : host + target;
}

export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

/** Whether the text is a status such as 404, a class such as 4xx, 0 for no response, or several of these with commas. */
export function isStatusFilter(text: string): boolean {
  return text.split(",").every((part) => /^([1-5](\d\d|xx)|0)$/.test(part));
}

/** The statuses of a valid filter; both ends are included. */
export function statusRanges(text: string): readonly StatusRange[] {
  return text.split(",").map((part) => {
    const first = Number(part.replace("xx", "00"));
    return { from: first, to: part.endsWith("xx") ? first + 99 : first };
  });
}

function isWithin(status: number, { from, to }: StatusRange): boolean {
  return status >= from && status <= to;
}

/** The upstreams that were tried, in order. */
export function upstreamsOf({ attempts }: RequestRecord): readonly string[] {
  return attempts.map(({ upstream }) => upstream);
}

/** Every reason word of a request. */
export function reasonsOf({ reason, notRetried, attempts, retried }: RequestRecord): readonly string[] {
  const all = [reason, notRetried, ...retried, ...attempts.map((attempt) => attempt.reason)];
  return all.filter((word) => word !== null);
}

/** The upstream that responded, or the one tried last. */
export function lastUpstreamOf({ attempts }: RequestRecord): string | null {
  return (attempts.findLast(({ outcome }) => outcome === "response") ?? attempts.at(-1))?.upstream ?? null;
}
