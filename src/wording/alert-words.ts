/** Words about receivers of alerts and silences, for pages and the terminal. */

import type { AlertsSnapshot, ReceiverSnapshot, SentAlert } from "../alerts/alerts-snapshot.ts";
import { countWithNoun, formatMs, formatSpan, formatDatedTime } from "./format.ts";

type Silence = AlertsSnapshot["silences"][number];

const levelTexts = {
  critical: "Problems that clients notice",
  warning: "Problems",
  notice: "Problems and notices",
} as const;

/** "Problems that clients notice of checkout, search" */
export function receivesText({
  kinds,
  level,
  pools,
}: Pick<ReceiverSnapshot, "kinds" | "level" | "pools">): string {
  const what = kinds === null ? (levelTexts[level] ?? level) : kinds.join(", ");
  const lowest =
    kinds !== null && level !== "notice" ? `, ${level === "critical" ? "critical" : "no notices"}` : "";
  return `${what}${lowest}${pools === null ? "" : ` of ${pools.join(", ")}`}`;
}

/** "Answered 202 in 91 ms", "Status 503, tries again in 4 min", "Nothing sent yet" @param now epoch milliseconds */
export function lastTryText({ last, nextTryAt, waiting }: ReceiverSnapshot, now: number): string {
  if (!last) return waiting > 0 ? "Is being tried" : "Nothing sent since the start";
  if (last.kind === "sent") return `Answered ${last.status ?? ""} in ${formatMs(last.tookMs)}`;
  const next =
    waiting === 0
      ? ""
      : nextTryAt === null || nextTryAt - now < 1_000
        ? ", tries again now"
        : `, tries again in ${formatSpan(nextTryAt - now)}`;
  return `${last.answer.charAt(0).toUpperCase()}${last.answer.slice(1)}${next}`;
}

/** "2 of 3 receivers take alerts. Ticket robot has failed for 12 min." @param now epoch milliseconds */
export function receiversSentence(receivers: readonly ReceiverSnapshot[], now: number): string {
  if (receivers.length === 0)
    return "No receiver is configured: the list of problems reaches only who looks.";
  const failing = receivers.filter((receiver) => receiver.failing !== null);
  const [first] = failing;
  if (!first?.failing) return `${countWithNoun(receivers.length, "receiver")}, none fails.`;
  const others =
    failing.length > 1
      ? ` So ${failing.length > 2 ? "have" : "has"} ${countWithNoun(failing.length - 1, "other")}.`
      : "";
  return `${first.name} has failed for ${formatSpan(now - first.failing.since)}.${others}`;
}

const verbs: Readonly<Record<SentAlert["type"], string>> = {
  "problem.opened": "Opened",
  "problem.worse": "Worse",
  "problem.closed": "Closed",
  test: "Test",
};

/** "Opened", "Closed after 9 min" */
export function changeText({ type, problem }: Pick<SentAlert, "type" | "problem">): string {
  return type === "problem.closed" ? (problem.end ?? verbs[type]) : (verbs[type] ?? type);
}

/** What became of an alert at one receiver: "On-call", "Ticket robot: not delivered, 4 tries" */
export function deliveryText({ receiver, state, tries, answer }: SentAlert): string {
  const count = countWithNoun(tries, "try").replace("trys", "tries");
  switch (state) {
    case "sent":
      return tries > 1 ? `${receiver}: ${count}` : receiver;
    case "waiting":
      return tries === 0 ? `${receiver}: waits` : `${receiver}: not delivered yet, ${count}`;
    case "refused":
      return `${receiver}: refused, ${answer}`;
    case "expired":
      return `${receiver}: given up after 24 h, ${count}`;
    case "dropped":
      return `${receiver}: given up, ${answer === "" ? "too many waited" : answer}`;
    default:
      // A state of a later version.
      return receiver;
  }
}

/** "upstream web-11", "upstream_slow of pool search" */
export function silencedText({ kind, pool, upstream }: Pick<Silence, "kind" | "pool" | "upstream">): string {
  const parts = [
    ...(kind === null ? [] : [kind]),
    ...(upstream === null ? [] : [`upstream ${upstream}`]),
    ...(pool === null ? [] : [`pool ${pool}`]),
  ];
  return parts.join(" of ");
}

/** "until 16:00:00 UTC, by ann: kernel update"; with the date if that is another day */
export function silenceDetails(
  { until, by, why }: Pick<Silence, "until" | "by" | "why">,
  now: number,
): string {
  return `until ${formatDatedTime(until, now)}, by ${by}: ${why}`;
}
