/** What a detector says about one possible problem in one sample; and how long each kind takes to open and to close. */

import type {
  ProblemAdvice,
  ProblemCause,
  ProblemHits,
  ProblemKind,
  ProblemLevel,
  ProblemLinks,
  ProblemMeasure,
} from "./problem.ts";
import type { SteadyNumbers } from "./steady-number.ts";

/**
 * What the thresholds say. A subject without a finding is below all of them: `clear`.
 * - `enter`: above the threshold at which the problem opens.
 * - `hold`: between the two thresholds: an open problem stays, none opens.
 * - `unknown`: too few requests to say anything.
 * - `release`: an operator has acted and it worked: an open problem closes at once.
 * - `dismiss`: an operator has called it over.
 */
export type FindingVerdict = "enter" | "hold" | "unknown" | "release" | "dismiss";

export interface Finding {
  readonly kind: ProblemKind;
  /** Identifies the subject within the kind: id of an upstream, name of a pool … Empty for the balancer. */
  readonly key: string;
  readonly pool: string | null;
  readonly upstream: string | null;
  readonly certificate?: string;
  readonly verdict: FindingVerdict;
  readonly level: ProblemLevel;
  /** Requests a second that fail at the client because of it. */
  readonly failing: number;
  /** Requests a second that wait over three times the usual because of it. */
  readonly waiting?: number;
  /** In place of the kind's own time. */
  readonly openAfterMs?: number;
  /** When the condition began, in epoch milliseconds, where something else than this module saw it begin. */
  readonly since?: number;
  readonly isRehearsed?: boolean;
  /** What several upstreams do, for the title of a group: "refuse connections". */
  readonly symptom?: string;
  /** Called only for a problem that is listed. Undefined leaves the description as it was. */
  readonly describe: (context: DescriptionContext) => Description | undefined;
}

export interface DescriptionContext {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** When the condition began, epoch milliseconds. */
  readonly since: number;
  /** Requests that have failed at the client since then. */
  readonly failed: number;
  /** For numbers in titles. */
  readonly steady: SteadyNumbers;
}

export interface Description {
  readonly title: string;
  readonly hits: ProblemHits;
  readonly cause: ProblemCause;
  readonly do: ProblemAdvice;
  readonly measure: ProblemMeasure | null;
  readonly links: Omit<ProblemLinks, "self">;
}

export interface Timing {
  /** The condition must hold for this long without a break. */
  readonly openAfterMs: number;
  /** It must be below the lower threshold for this long without a break. */
  readonly closesAfterMs: number;
}

const seconds = (openAfter: number, closesAfter: number): Timing => ({
  openAfterMs: openAfter * 1_000,
  closesAfterMs: closesAfter * 1_000,
});

export const timings: Readonly<Record<ProblemKind, Timing>> = {
  balancer_gone: seconds(3, 0),
  // Three tries take ten seconds.
  front_door: seconds(0, 0),
  peer_gone: seconds(10, 30),
  fleet_alone: seconds(10, 10),
  fleet_differs: seconds(60, 10),
  pool_empty: seconds(0, 10),
  panic: seconds(0, 30),
  queue: seconds(10, 60),
  pool_errors: seconds(20, 120),
  pool_slow: seconds(120, 180),
  retries_spent: seconds(20, 60),
  upstream_down: seconds(0, 30),
  upstream_errors: seconds(30, 120),
  upstream_slow: seconds(60, 180),
  probe_flaps: seconds(0, 0),
  start_stalled: seconds(0, 120),
  shedding: seconds(0, 60),
  exhaustion: seconds(0, 30),
  state_not_kept: seconds(5, 0),
  reload_refused: seconds(0, 0),
  upgrade_failed: seconds(0, 0),
  log_lost: seconds(60, 300),
  alert_lost: seconds(0, 0),
  certificate: seconds(0, 0),
};
