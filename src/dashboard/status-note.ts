/** What an upstream's status means for traffic, and for how long it has been so, in a few words. */

import type { UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { formatCount, formatSpan } from "../wording/format.ts";
import { isEjected } from "../wording/reasons.ts";
import { isStandbyBackup } from "../wording/verdict.ts";

/** @param now epoch milliseconds by the balancer's clock */
export function statusNote(upstream: UpstreamSnapshot, now: number): string {
  const { status, fit, statusSince } = upstream;
  const span = formatSpan(now - statusSince);
  if (status === "draining" || status === "maintenance") return outNote(upstream, now);
  if (isStandbyBackup(upstream)) return `stands by for ${span}`;
  return fit ? `serves for ${span}` : `out for ${span}`;
}

/**
 * The same where the time it is up stands beside it: only what is not a matter of course, and what comes next.
 * @param isPanicking whether its pool panics
 */
export function rowNote(upstream: UpstreamSnapshot, now: number, isPanicking: boolean): string {
  const { status, outlier } = upstream;
  if (status === "draining" || status === "maintenance") return outNote(upstream, now);
  if (isEjected(upstream)) {
    if (isPanicking) return "serves for want of others";
    if (status === "probation") return "one request on trial";
    return outlier.until === null ? "" : `tried again in ${formatSpan(outlier.until - now + 999)}`;
  }
  return isStandbyBackup(upstream) ? "stands by" : "";
}

function outNote(upstream: UpstreamSnapshot, now: number): string {
  const { drain, inFlight, statusSince } = upstream;
  if (inFlight === 0) return drain?.leaving ? "leaves now" : "safe to stop";
  return `${formatCount(inFlight)} to finish, ${timeLeft(upstream, now) ?? formatSpan(now - statusSince)}`;
}

/** "22 s left", "5 s late"; undefined where no time was named. */
export function timeLeft({ drain }: UpstreamSnapshot, now: number): string | undefined {
  if (!drain || drain.deadline === null) return undefined;
  const leftMs = drain.deadline - now;
  // Rounded up, so that the last second is not called none.
  return leftMs > 0 ? `${formatSpan(leftMs + 999)} left` : `${formatSpan(-leftMs)} late`;
}

/** What is special about it. */
export function badgesOf({ backup, added }: UpstreamSnapshot): readonly string[] {
  return [...(backup ? ["backup"] : []), ...(added ? ["added"] : [])];
}
