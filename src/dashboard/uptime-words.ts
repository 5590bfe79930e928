/** An upstream's uptime as people read it: for how long, and how much of the time that was watched. */

import type { UptimeSnapshot } from "../snapshot/snapshot.ts";
import { formatSpan, nothing } from "../wording/format.ts";

const dayMs = 86_400_000;
const minuteMs = 60_000;

/** "3 h", "down 14 s", "out 5 min". @param now epoch milliseconds by the balancer's clock */
export function uptimeSpan({ state, since }: UptimeSnapshot, now: number): string {
  if (state === "unknown") return nothing;
  const span = formatSpan(now - since);
  return state === "up" ? span : `${state} ${span}`;
}

/** "99.98% of 24 h"; empty before anything was counted. */
export function uptimeShare({ share, countedMs }: UptimeSnapshot): string {
  if (share === null) return "";
  // Within a minute of a whole day, or it would say 23 hours forever.
  const span = countedMs > dayMs - 90 * minuteMs ? formatSpan(dayMs) : formatSpan(countedMs);
  return `${formatUptime(share)} of ${span}`;
}

/** Rounded down, so that a second of outage is still seen: 100%, 99.98%, 97.2%, 38%. */
export function formatUptime(share: number): string {
  if (share >= 1) return "100%";
  const digits = share >= 0.99 ? 2 : share >= 0.95 ? 1 : 0;
  return `${(Math.floor(share * 100 * 10 ** digits) / 10 ** digits).toFixed(digits)}%`;
}
