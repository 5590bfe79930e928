/** What a status means for traffic, and for how long it has been so, in a few words. */

import type { UpstreamSnapshot } from "../snapshot.ts";
import { formatCount, formatShare, formatSpan } from "./format.ts";
import { standsBy } from "./verdict.ts";

/** @param now epoch milliseconds by the balancer's clock */
export function statusNote(upstream: UpstreamSnapshot, now: number): string {
  const { status, inFlight, fit, statusSince } = upstream;
  const span = formatSpan(now - statusSince);
  if (status === "draining" || status === "maintenance") {
    if (inFlight === 0) return upstream.drain?.leaving ? "leaves now" : "safe to stop";
    return `${formatCount(inFlight)} to finish, ${timeLeft(upstream, now) ?? span}`;
  }
  if (standsBy(upstream)) return `stands by for ${span}`;
  return fit ? `serves for ${span}` : `out for ${span}`;
}

/** "22 s left", "5 s late"; undefined where no time was named. */
export function timeLeft({ drain }: UpstreamSnapshot, now: number): string | undefined {
  if (!drain || drain.deadline === null) return undefined;
  const leftMs = drain.deadline - now;
  // Rounded up, so that the last second is not called none.
  return leftMs > 0 ? `${formatSpan(leftMs + 999)} left` : `${formatSpan(-leftMs)} late`;
}

/** What is special about it. */
export function traitsOf({ backup, slowStart, added }: UpstreamSnapshot): readonly string[] {
  return [
    ...(backup ? ["backup"] : []),
    ...(added ? ["added"] : []),
    ...(slowStart === null ? [] : [`slow start ${formatShare(slowStart)}`]),
  ];
}

/** Who set the mode, where it is not as configured: "by ann". */
export function setBy({ mode, modeSet }: UpstreamSnapshot): string {
  return mode !== "ready" && modeSet ? `by ${modeSet.by}` : "";
}
