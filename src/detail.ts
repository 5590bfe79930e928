/** Everything about one upstream: its part of the snapshot, and what would be too much of it for all at once. Types and nothing else. */

import type { PolicyName } from "./policy/policies.ts";
import type { ProbeSnapshot, UpstreamSnapshot } from "./snapshot/snapshot.ts";

/** How many answers took between `fromMs` and `toMs` to their head. */
export interface LatencyBucket {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

export interface UpstreamDetail extends UpstreamSnapshot {
  readonly pool: string;
  readonly policy: PolicyName;
  /** How it is probed, for people. */
  readonly probe: string;
  /** Oldest first, at most 60. */
  readonly probes: readonly ProbeSnapshot[];
  /** Answers since the start, by status. */
  readonly codes: Readonly<Record<string, number>>;
  /** Attempts whose client went away. */
  readonly cancelled: number;
  /** Answers of the last minute by latency, without gaps from the fastest to the slowest; empty without any. */
  readonly latencies: readonly LatencyBucket[];
}
