/** A fault that is played on an upstream, in words for page and terminal. */

import type { RehearsalSnapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { formatMs, formatShare, formatSpan } from "../wording/format.ts";

/** Balancers of an earlier version say nothing of it. */
export function faultProgress(upstream: UpstreamSnapshot): RehearsalSnapshot | undefined {
  return upstream.rehearsal ?? undefined;
}

/** "+2 s, 30% connect_refused, failing probes" */
export function describeInjectedFault({ latencyMs, errorShare, error, probes }: RehearsalSnapshot): string {
  const isWhole = latencyMs >= 1_000 && latencyMs % 1_000 === 0;
  const delay = isWhole ? `${latencyMs / 1_000}\u00a0s` : formatMs(latencyMs);
  const parts = [
    ...(latencyMs > 0 ? [`+${delay}`] : []),
    ...(errorShare > 0 ? [`${formatShare(errorShare)} ${error}`] : []),
    ...(probes ? ["failing probes"] : []),
  ];
  return parts.join(", ");
}

export function leftOf({ until }: RehearsalSnapshot, now: number): string {
  return `${formatSpan(until - now)} left`;
}
