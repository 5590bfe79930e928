/** Formats numbers, times, uptimes and faults. Texts are short and of nearly constant width, so tables do not jump. */

import type { FaultSnapshot, UpstreamSnapshot, UptimeSnapshot } from "../snapshot/snapshot.ts";

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const shortest = new Intl.NumberFormat("en-US", { notation: "compact" });

/** Shown in place of a missing value. */
export const nothing = "–";

/** Keeps a number and its unit on one line. */
export const unitSpace = "\u00a0";

/** 0, 12,345, 12.3M */
export function formatCount(count: number): string {
  return count < 10_000_000 ? grouped.format(count) : compact.format(count);
}

/** A count with its noun: "1 problem", "1,234 problems" */
export function countWithNoun(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** A count where there is little room: 9,876, 45.2K, 2.4M */
export function formatBrief(count: number): string {
  return count < 10_000 ? grouped.format(count) : compact.format(count);
}

/** A count in a narrow column, never longer than four characters: 987, 1.3K, 452K, 2.4M */
export function formatShort(count: number): string {
  return shortest.format(count);
}

/** A rate per second: 0, <0.1, 0.3, 87.5, 1,234 */
export function formatRate(rate: number): string {
  if (rate === 0) return "0";
  if (rate > 0 && rate < 0.05) return "<0.1";
  return rate < 100 ? oneDigit.format(rate) : formatCount(rate);
}

/** A number of percent: "2.5 %" */
export function inPercent(digits: string): string {
  return `${digits}${unitSpace}%`;
}

/** A ratio as percent, as in the titles of problems: 0 %, <0.1 %, 2.5 %, 37 %. Only 1 is shown as 100 %. */
export function formatShare(share: number): string {
  if (share <= 0) return inPercent("0");
  if (share < 0.001) return inPercent("<0.1");
  if (share < 0.0995) return inPercent(oneDigit.format(share * 100));
  if (share < 1) return inPercent(grouped.format(Math.min(99, share * 100)));
  return inPercent("100");
}

/** Milliseconds: 0.4 ms, 128 ms, 1.2 s; a dash for null. */
export function formatMs(durationMs: number | null): string {
  if (durationMs === null) return nothing;
  if (durationMs < 9.95) return `${oneDigit.format(durationMs)}${unitSpace}ms`;
  if (durationMs < 999.5) return `${grouped.format(durationMs)}${unitSpace}ms`;
  return `${oneDigit.format(durationMs / 1000)}${unitSpace}s`;
}

/** A duration in its largest whole unit: 0 s, 14 s, 3 min, 5 h, 2 d */
export function formatSpan(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1000));
  if (seconds < 60) return `${seconds}${unitSpace}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}${unitSpace}min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}${unitSpace}h`;
  return `${Math.floor(seconds / 86_400)}${unitSpace}d`;
}

/** now, 14 s ago, 3 min ago */
export function formatAgo(durationMs: number): string {
  return durationMs < 1_000 ? "now" : `${formatSpan(durationMs)}${unitSpace}ago`;
}

/** Epoch milliseconds as a time of day in UTC: 14:03:12 UTC */
export function formatTime(at: number): string {
  return `${isoTime(at).slice(11, 19)}${unitSpace}UTC`;
}

/** With its date where the time of day alone could be read as another day's: 14:03:12 UTC, 2026-12-03 14:03:12 UTC */
export function formatDatedTime(at: number, now: number): string {
  const time = formatTime(at);
  return Math.abs(now - at) < unmistakableMs ? time : `${isoTime(at).slice(0, 10)}${unitSpace}${time}`;
}

const unmistakableMs = 20 * 3_600_000;

/** Epoch milliseconds as ISO 8601; the epoch itself for an invalid time. */
export function isoTime(at: number): string {
  return new Date(Math.abs(at) <= 8.64e15 ? at : 0).toISOString();
}

/** The time until the deadline of a drain: "22 s left", "5 s overdue"; undefined without a deadline. */
export function timeLeft({ drain }: Pick<UpstreamSnapshot, "drain">, now: number): string | undefined {
  if (!drain || drain.deadline === null) return undefined;
  const leftMs = drain.deadline - now;
  // Rounded up, so that the last second is not shown as 0.
  return leftMs > 0 ? `${formatSpan(leftMs + 999)} left` : `${formatSpan(-leftMs)} overdue`;
}

const dayMs = 86_400_000;
const minuteMs = 60_000;

/**
 * How long an upstream has been in its present state: "3 h", "down 14 s", "out 5 min".
 * @param now epoch milliseconds by the balancer's clock
 */
export function uptimeSpan({ state, since }: UptimeSnapshot, now: number): string {
  if (state === "unknown") return nothing;
  const span = formatSpan(now - since);
  return state === "up" ? span : `${state} ${span}`;
}

/** The share of the observed time: "99.98 % of 24 h"; empty before the first observation. */
export function uptimeShare({ share, countedMs }: UptimeSnapshot): string {
  if (share === null) return "";
  // Close to a full day counts as one; otherwise it would show 23 hours forever.
  const span = countedMs > dayMs - 90 * minuteMs ? formatSpan(dayMs) : formatSpan(countedMs);
  return `${formatUptime(share)} of ${span}`;
}

/** Rounded down, so that a second of outage is still visible: 100 %, 99.98 %, 97.2 %, 38 %. */
export function formatUptime(share: number): string {
  if (share >= 1) return inPercent("100");
  const digits = share >= 0.99 ? 2 : share >= 0.95 ? 1 : 0;
  return inPercent((Math.floor(share * 100 * 10 ** digits) / 10 ** digits).toFixed(digits));
}

/** The fault injected on an upstream; undefined if there is no fault, and for older balancers, which lack the key. */
export function faultProgress(upstream: UpstreamSnapshot): FaultSnapshot | undefined {
  return upstream.rehearsal ?? undefined;
}

/** The time until an injected fault ends: "20 s left". */
export function leftOf({ until }: FaultSnapshot, now: number): string {
  return `${formatSpan(until - now)} left`;
}
