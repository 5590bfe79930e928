/** Types of the fleet in a snapshot: who is there, what each says, and what is not shared yet. */

import type { BalancerEvent } from "../state/event.ts";

export interface FleetSnapshot {
  /** The name of this balancer. */
  readonly name: string;
  /** The name of the fleet. */
  readonly group: string;
  /** Since when, and why, this balancer cannot reach the store; null while it can. */
  readonly alone: { readonly since: number; readonly why: string } | null;
  /** Random name of the commit that this balancer follows; empty before the first one. */
  readonly revision: string;
  /** Whether another process uses the name of this balancer. */
  readonly namesake: boolean;
  /** Orders that were given here and are not shared yet. They count here. */
  readonly pending: readonly FleetOrderSnapshot[];
  /** Orders about upstreams that do not run here, which are kept for when they do. */
  readonly waiting: readonly FleetOrderSnapshot[];
  /** Names of balancers whose pools or routes are configured in another way than here. */
  readonly differing: readonly string[];
  /** All that are not gone, this one first. */
  readonly peers: readonly PeerSnapshot[];
  /** Upstreams that one of them does not find well, worst first; at most 200. */
  readonly seen: readonly SeenSnapshot[];
  /** More upstreams like these. */
  readonly seenOmitted: number;
  /** The last twenty events of the fleet, oldest first: orders that were set aside, the store lost and back. */
  readonly events: readonly BalancerEvent[];
}

/** An upstream as each balancer sees it. */
export interface SeenSnapshot {
  readonly id: string;
  /** Null for an upstream that does not run here. */
  readonly pool: string | null;
  /** In the order of `peers`. */
  readonly by: readonly SeenFromSnapshot[];
  /**
   * `upstream`: no balancer that uses it finds it well. `path`: some do, so that it may be the way to it from the others. `operator`:
   * it drains or is in maintenance, everywhere or `_in_part`. `unclear`: one balancer alone tells. `none`: it is well.
   */
  readonly where: "upstream" | "path" | "operator" | "operator_in_part" | "unclear" | "none";
  /** The balancers that do not find it well, or do not use it. */
  readonly from: readonly string[];
}

export interface SeenFromSnapshot {
  readonly balancer: string;
  /** False for the last words of a silent one. */
  readonly isAlive: boolean;
  /** `absent`: it has no such upstream. `unknown`: it does not tell. */
  readonly status: string;
  readonly inFlight: number;
  /** Kind of an open problem of this upstream there. */
  readonly problem?: string;
}

export interface FleetOrderSnapshot {
  readonly upstream: string;
  /** "draining", "weight 5", "added" … */
  readonly order: string;
  readonly by: string;
  /** The balancer where it was given. */
  readonly peer: string;
  /** Epoch milliseconds, by the clock of that balancer. */
  readonly at: number;
}

export interface PeerSnapshot {
  readonly name: string;
  readonly isSelf: boolean;
  /** `silent`: no report for three seconds. After a minute of silence a balancer is gone. */
  readonly state: "alive" | "silent";
  /** Milliseconds since its last report. */
  readonly ageMs: number;
  readonly version: string;
  /** Digest of its pools and routes, as configured. */
  readonly configuration: string;
  readonly isSameConfiguration: boolean;
  /**
   * In what it differs from this one: parts of the configuration such as `pools` and `routes`; `members` for discovered upstreams;
   * `orders` when it has not taken over orders for more than three seconds; `settings` for modes and weights.
   */
  readonly differs: readonly string[];
  /** Whether it follows the same commit as this balancer. */
  readonly isCurrent: boolean;
  /** Epoch milliseconds, by its own clock. */
  readonly startedAt: number;
  /** Address of its dashboard; null if it has not said. */
  readonly url: string | null;
  readonly inFlight: number;
  readonly requestsPerSecond: number;
  readonly errorShare: number;
  /** Its open problems. */
  readonly problems: { readonly critical: number; readonly warning: number };
  /** As it sees them: the ones that are not passing or have an open problem, worst first. At most 500. */
  readonly upstreams: readonly SeenUpstreamSnapshot[];
}

export interface SeenUpstreamSnapshot {
  readonly id: string;
  readonly status: string;
  readonly inFlight: number;
  readonly problem?: string;
}
