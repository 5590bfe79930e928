/** The rateLimit filter: requests beyond a limit get 429, with the fields that tell clients when to come again. */

import type { LimitIdentity, LimitMode } from "../metrics/filter-meter.ts";
import type { FilteredRequest, FilterVerdict, RequestFilter } from "../proxy/filter.ts";
import { refusal } from "../proxy/refusal.ts";
import type { LimitKeyFn } from "./limit-key.ts";

/** Counts the requests of each key. */
export interface KeyLimiter {
  /**
   * Looks a key up, and takes nothing.
   * @returns 0 if a request may be admitted, else the milliseconds until one may
   */
  waitMs(key: string): number;
  /** Takes one request of the key that `waitMs` was asked for last. */
  take(): void;
  /** Called for a request beyond the limit, of the key that `waitMs` was asked for last. */
  missed?(): void;
  /** After `take`: whole requests that are left. */
  readonly left: number;
  /** After `take`: whole seconds until all requests are left. */
  readonly fullInSeconds: number;
}

/** One limit of a route. */
export interface RateLimitOptions {
  readonly limiter: KeyLimiter;
  readonly keyOf: LimitKeyFn;
  readonly identity: LimitIdentity;
  /** Requests at once, in all processes together. */
  readonly quota: number;
  /** Whole seconds in which an empty bucket fills. */
  readonly windowSeconds: number;
  /** Which responses have the RateLimit fields. */
  readonly headers: "refused" | "always" | "none";
  /** Counts what it would refuse, and refuses nothing. */
  readonly isDryRun: boolean;
}

export interface LimitCounter {
  limited(identity: LimitIdentity, mode: LimitMode): void;
}

/**
 * The limits of one route that are looked at in the same place: at most 31.
 * @param isCountedElsewhere whether other processes have the counts, so that a dry run here does not know them
 */
export function createRateLimit(
  limits: readonly RateLimitOptions[],
  counter: LimitCounter,
  isCountedElsewhere = false,
): RequestFilter {
  return {
    name: "rateLimit",
    admit(request) {
      /** One bit for each limit that the request is within. */
      let within = 0;
      for (let index = 0; index < limits.length; index++) {
        const limit = limits[index] as RateLimitOptions;
        const waitMs = waitOf(limit, request);
        if (waitMs === 0) within |= 1 << index;
        else {
          if (waitMs !== forever) limit.limiter.missed?.();
          counter.limited(limit.identity, limit.isDryRun ? "dry_run" : "refused");
          if (!limit.isDryRun) return refused(limit, request, waitMs);
        }
      }
      // Nothing waits in between, so that each limiter still has the key that it was asked for.
      for (let index = 0; index < limits.length; index++)
        if ((within & (1 << index)) !== 0) take(limits[index] as RateLimitOptions, request);
      return undefined;
    },
    foresee(request) {
      if (isCountedElsewhere) return { verdict: "unknown", why: "the workers have the counts" };
      const empty = limits.find((limit) => !limit.isDryRun && waitOf(limit, request) > 0);
      if (!empty) return { verdict: "passes", why: "it is within the limits; nothing was taken" };
      const { name } = empty.identity;
      const waitMs = waitOf(empty, request);
      const why =
        waitMs === forever
          ? `it lacks what the limit ${name} counts by`
          : `the limit ${name} has no request left for ${Math.max(1, Math.ceil(waitMs / 1_000))} s`;
      return { verdict: "answers", refusal: "rate_limited", why };
    },
  };
}

/** Of a request without a key, which no time gives one. */
const forever = Infinity;

/** @returns milliseconds; 0 for a request within the limit */
function waitOf({ keyOf, limiter }: RateLimitOptions, request: FilteredRequest): number {
  const key = keyOf(request);
  return key === undefined ? forever : limiter.waitMs(key);
}

function refused(limit: RateLimitOptions, request: FilteredRequest, waitMs: number): FilterVerdict {
  if (waitMs === forever)
    return { ...refusal("rate_limited"), violation: "it lacks what the limit counts by" };
  const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
  request.setResponseField("Retry-After", String(seconds));
  if (limit.headers !== "none") addFields(limit, request, { left: 0, seconds });
  return refusal("rate_limited");
}

function take(limit: RateLimitOptions, request: FilteredRequest): void {
  const { limiter, headers } = limit;
  limiter.take();
  if (headers === "always") addFields(limit, request, { left: limiter.left, seconds: limiter.fullInSeconds });
}

/** draft-ietf-httpapi-ratelimit-headers-11: quota and window of the policy; what is left of it, and until when. */
function addFields(
  { identity, quota, windowSeconds }: RateLimitOptions,
  request: FilteredRequest,
  { left, seconds }: { readonly left: number; readonly seconds: number },
): void {
  const name = `"${identity.name}"`;
  request.addResponseField("RateLimit-Policy", `${name};q=${quota};w=${windowSeconds}`);
  request.addResponseField("RateLimit", `${name};r=${left};t=${seconds}`);
}
