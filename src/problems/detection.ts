/** What every detector gets: the sample, what is open already, and a place for its findings. */

import type { Finding } from "./finding.ts";
import type { ProblemKind } from "./problem.ts";
import type { BalancerSample } from "./sample.ts";
import type { PoolTraffic } from "./traffic.ts";
import type { UpstreamPast } from "./upstream-past.ts";

export interface Detection {
  readonly sample: BalancerSample;
  /** Whether a problem of this kind and subject is open. Only then a finding that is not `enter` matters. */
  readonly isOpen: (kind: ProblemKind, key: string) => boolean;
  /** Keys of the open problems of a kind. */
  readonly openKeys: (kind: ProblemKind) => readonly string[];
  readonly report: (finding: Finding) => void;
  readonly pastOf: (upstream: string) => UpstreamPast;
  /** Upstreams that stand out in this sample: their failures do not count against their pool. Detectors of upstreams add to it. */
  readonly suspects: Set<string>;
  /** Lines of the access log and spans that were lost in the last 60 s. */
  readonly lost60: number;
}

/** Finds the problems of one family in a pool. */
export type PoolDetector = (pool: PoolTraffic, detection: Detection) => void;

/** Finds the problems of one family in the balancer as a whole. */
export type BalancerDetector = (detection: Detection) => void;
