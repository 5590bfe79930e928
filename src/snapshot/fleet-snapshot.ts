/** Types of the fleet in a snapshot: who is there, what each says, and what is not shared yet. */

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
  /** Whether it follows the same commit as this balancer. */
  readonly isCurrent: boolean;
  /** Epoch milliseconds, by its own clock. */
  readonly startedAt: number;
  /** Address of its dashboard; null if it has not said. */
  readonly url: string | null;
  readonly inFlight: number;
  readonly requestsPerSecond: number;
  readonly errorShare: number;
  /** As it sees them: the ones that are not passing, or have requests in flight. At most 500. */
  readonly upstreams: readonly SeenUpstreamSnapshot[];
}

export interface SeenUpstreamSnapshot {
  readonly id: string;
  readonly status: string;
  readonly inFlight: number;
}
