/** Causes with evidence: an event right before a problem began, and what its peers do. */

import type { BalancerEvent } from "../state/event.ts";
import { type ProblemCause, unknownCause } from "./problem.ts";
import { clockText } from "./wording.ts";

/** An event this long before a problem may be its cause. */
const beforeMs = 2 * 60_000;

/** Samples come once a second, and a condition is seen a little after it began. */
const afterMs = 1_000;

/** One reason to think that something is the cause: a sentence without its full stop. It may begin with a name. */
export interface Evidence {
  readonly words: string;
  readonly code: string;
  readonly event?: number;
}

/** The pieces of evidence as sentences; the first one with a code names the cause. */
export function causeFrom(evidence: readonly (Evidence | undefined)[]): ProblemCause {
  const found = evidence.filter((one) => one !== undefined);
  const [first] = found;
  if (!first) return unknownCause;
  const words = found.map((one) => `${one.words}.`).join(" ");
  const event = found.find((one) => one.event !== undefined)?.event ?? null;
  return { words, code: first.code, event };
}

interface Occasion {
  readonly events: readonly BalancerEvent[];
  /** Epoch milliseconds. */
  readonly at: number;
  readonly since: number;
  readonly pool: string | null;
  readonly upstream: string | null;
}

/** The last change of the configuration, of the pool or of the upstream right before a problem began. */
export function changeBefore({ events, since, at, pool, upstream }: Occasion): Evidence | undefined {
  const event = events.findLast(
    (one) =>
      one.at >= since - beforeMs &&
      one.at <= since + afterMs &&
      (one.pool === null || one.pool === pool) &&
      (upstream === null || one.upstream === null || one.upstream === upstream) &&
      changeText(one) !== undefined,
  );
  const change = event && changeText(event);
  if (!event || !change) return undefined;
  const [what, code] = change;
  const by = event.by === "" || event.by === "balancer" ? "" : ` by ${event.by}`;
  return { words: `It began after ${what} at ${clockText(event.at, at)}${by}`, code, event: event.seq };
}

/** "since the reload at 14:02 UTC", the end of a title; empty without such an event. */
export function sinceReload({ events, since, at }: Pick<Occasion, "events" | "since" | "at">): string {
  const event = events.findLast(
    (one) =>
      one.kind === "reload" &&
      one.to === "applied" &&
      one.at >= since - beforeMs &&
      one.at <= since + afterMs,
  );
  return event ? ` since the reload at ${clockText(event.at, at)}` : "";
}

function changeText({
  kind,
  upstream,
  from,
  to,
  reason,
}: BalancerEvent): readonly [what: string, code: string] | undefined {
  switch (kind) {
    case "reload":
      return to === "applied" ? ["the reload", "after_reload"] : undefined;
    case "weight":
      return [`the weight of ${upstream} went from ${from} to ${to}`, "after_weight"];
    case "member":
      return [`${upstream} was ${to}`, "after_member"];
    case "backup":
      return [`the backup role of ${upstream} changed`, "after_backup"];
    case "mode":
      return [`${upstream} went from ${from} to ${to}`, "after_mode"];
    case "phase":
      return to === "ready" ? ["the start of the balancer", "after_start"] : undefined;
    case "probe":
      return to === "passing" && reason === "probe_passed"
        ? [`${upstream} came back`, "after_restart"]
        : undefined;
    default:
      return undefined;
  }
}
