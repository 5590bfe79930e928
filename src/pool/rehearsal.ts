/** A fault that an operator plays on one upstream for a while: what it does to an attempt, and when it is over. */

import type { Random } from "../lib/random.ts";
import { type Failure, failure, type FailureReason } from "./outcome.ts";

/** Failures that can be played, with how far each lets an attempt come. */
const failures = {
  connect_refused: "connect",
  connect_timeout: "connect",
  connect_reset: "connect",
  head_timeout: "head",
  head_invalid: "head",
  upstream_reset: "head",
} as const satisfies Partial<Readonly<Record<FailureReason, Failure["phase"]>>>;

/** Answers that can be played. */
const statuses = { status_500: 500, status_502: 502, status_503: 503, status_504: 504 } as const;

export type RehearsedError = keyof typeof failures | keyof typeof statuses;

export const rehearsedErrors: readonly RehearsedError[] = [
  ...(Object.keys(failures) as (keyof typeof failures)[]),
  ...(Object.keys(statuses) as (keyof typeof statuses)[]),
];

/** Limits on what can be played: longer than this is an outage, not a rehearsal. */
export const mostLatencyMs = 30_000;
export const mostRehearsalMs = 600_000;
export const usualRehearsalMs = 30_000;

/** What is played: the same in every process. */
export interface RehearsalPlan {
  /** Added to each attempt before anything is sent, milliseconds. */
  readonly latencyMs: number;
  /** Of the attempts that fail, 0–1. */
  readonly errorShare: number;
  readonly error: RehearsedError;
  /** Whether active checks fail too. */
  readonly probes: boolean;
  /** Clock time at which it ends by itself. */
  readonly until: number;
  readonly by: string;
  readonly why: string;
}

/** What befalls one attempt: a delay before anything is sent, then its end or, without one, the real upstream. */
export interface Staged {
  readonly delayMs: number;
  readonly end: Failure | { readonly kind: "answer"; readonly status: number } | undefined;
}

/** Marks a failure in logs, so that nobody looks for its cause on the upstream. */
export const rehearsalDetail = "rehearsal";

/** `running ──(time)──▶ over`: it ends when read, also where no timer ends it. */
export class Rehearsal {
  readonly plan: RehearsalPlan;
  readonly #random: Random;

  constructor(plan: RehearsalPlan, random: Random) {
    this.plan = plan;
    this.#random = random;
  }

  isOver(now: number): boolean {
    return now >= this.plan.until;
  }

  /** For an attempt that begins now; undefined if it is spared. */
  stage(now: number): Staged | undefined {
    if (this.isOver(now)) return undefined;
    const { latencyMs: delayMs, errorShare, error } = this.plan;
    const end = this.#random() < errorShare ? endOf(error) : undefined;
    return delayMs > 0 || end ? { delayMs, end } : undefined;
  }
}

function endOf(error: RehearsedError): Staged["end"] {
  if (isStatus(error)) return { kind: "answer", status: statuses[error] };
  return failure(failures[error], error, rehearsalDetail);
}

function isStatus(error: RehearsedError): error is keyof typeof statuses {
  return error in statuses;
}

/** @param headMs how long an answer's head may take: a delay beyond that is a timeout, as it would be of a slow upstream */
export function withinTime(staged: Staged, headMs: number): Staged {
  if (staged.delayMs < headMs) return staged;
  return { delayMs: headMs, end: failure("head", "head_timeout", rehearsalDetail) };
}

/** "+2000 ms, 30 % connect_refused, failing probes" */
export function describeRehearsal({
  latencyMs,
  errorShare,
  error,
  probes,
}: Pick<RehearsalPlan, "latencyMs" | "errorShare" | "error" | "probes">): string {
  const parts = [
    ...(latencyMs > 0 ? [`+${latencyMs} ms`] : []),
    ...(errorShare > 0 ? [`${Math.round(errorShare * 1_000) / 10} % ${error}`] : []),
    ...(probes ? ["failing probes"] : []),
  ];
  return parts.join(", ");
}
