/** Which events somebody asks for, beyond those of one upstream or pool: by kind, by who, by words, or by operators alone. */

import type { BalancerEvent } from "../state/event.ts";

export interface EventFilter {
  /** One of these; all kinds without it. */
  readonly kinds?: ReadonlySet<string>;
  readonly by?: string;
  /** Somewhere in what the event says, in whatever case. */
  readonly text?: string;
  /** Only what somebody did, not what the balancer found out or did itself. */
  readonly byOperators?: boolean;
}

/** Who acts without having been asked. A configuration file that is watched was changed by somebody, but nobody knows by whom. */
const machines: ReadonlySet<string> = new Set(["prober", "balancer", "watch"]);

export function matchesEvent(
  event: BalancerEvent,
  { kinds, by, text, byOperators = false }: EventFilter,
): boolean {
  if (kinds && !kinds.has(event.kind)) return false;
  if (by !== undefined && event.by !== by) return false;
  if (byOperators && machines.has(event.by)) return false;
  return text === undefined || haystackOf(event).includes(text.toLowerCase());
}

function haystackOf({ kind, pool, upstream, from, to, reason, by, detail }: BalancerEvent): string {
  return [kind, pool, upstream, from, to, reason, by, detail].join(" ").toLowerCase();
}
