/** When a certificate is renewed, and when a failed order is repeated. Pure functions. */

import { hashString } from "../lib/hash.ts";
import type { Random } from "../lib/random.ts";

/** Times are epoch milliseconds. */
export interface Validity {
  readonly validFrom: number;
  readonly expiresAt: number;
}

/** Leaves a third of the life for failed attempts, as Let's Encrypt recommends. */
const renewalShare = 2 / 3;

/** Of the life, in both directions: certificates issued together are not renewed together. */
const renewalJitter = 0.05;

/** The same for one host each time, so that restarts do not move it. */
export function renewalTime({ validFrom, expiresAt }: Validity, host: string): number {
  const jitter = ((hashString(host) / 2 ** 32) * 2 - 1) * renewalJitter;
  return Math.round(validFrom + (expiresAt - validFrom) * (renewalShare + jitter));
}

const minuteMs = 60_000;
const retryDelaysMs = [minuteMs, 5 * minuteMs, 30 * minuteMs, 360 * minuteMs] as const;
const retryJitter = 0.1;

/** No authority asks for more; a larger value is taken for a mistake of its clock. */
const maxRetryAfterMs = 7 * 24 * 60 * minuteMs;

export interface FailedOrder {
  /** Failures in a row, this one included. */
  readonly failures: number;
  /** What the authority asked for. */
  readonly retryAfterMs?: number | undefined;
}

/** Delay until a failed order is repeated. */
export function retryDelay({ failures, retryAfterMs = 0 }: FailedOrder, random: Random): number {
  const index = Math.min(Math.max(failures, 1), retryDelaysMs.length) - 1;
  const delay = (retryDelaysMs[index] ?? minuteMs) * (1 + (random() * 2 - 1) * retryJitter);
  return Math.round(Math.max(delay, Math.min(retryAfterMs, maxRetryAfterMs)));
}

/** Before a failed order is repeated after a restart: an operator may have mended the cause, and a crash loop must not use up the authority's limits. */
const restartDelayMs = minuteMs;

/** When an order that failed in an earlier process is repeated. */
export function retryTimeAfterRestart(failedAt: number, retryAfterMs = 0): number {
  return failedAt + Math.max(restartDelayMs, Math.min(retryAfterMs, maxRetryAfterMs));
}

/**
 * What the clock of this machine makes of a new certificate. `ahead`: it would be renewed at once, or is over already, so
 * that each order would cause the next. `behind`: it is not valid yet. Authorities issue certificates that begin in the past.
 */
export function clockSkew(validity: Validity, host: string, now: number): "ahead" | "behind" | undefined {
  if (now >= renewalTime(validity, host)) return "ahead";
  return now < validity.validFrom ? "behind" : undefined;
}
