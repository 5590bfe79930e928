/** A fault that an operator plays on one upstream for a while: what it does to an attempt, and when it is over. */

import type { Random } from "../lib/random.ts";
import { failure, type Failure, type FailureReason } from "../pool/outcome.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";

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

export type InjectedError = keyof typeof failures | keyof typeof statuses;

export const injectedErrors: readonly InjectedError[] = [
  ...(Object.keys(failures) as (keyof typeof failures)[]),
  ...(Object.keys(statuses) as (keyof typeof statuses)[]),
];

/** Limits on what can be played: longer than this is an outage, not a rehearsal. */
export const maxFaultLatencyMs = 30_000;
export const maxFaultMs = 600_000;
export const defaultFaultMs = 30_000;

/** What is played: the same in every process. */
export interface FaultSpec {
  /** Added to each attempt before anything is sent, milliseconds. */
  readonly latencyMs: number;
  /** Of the attempts that fail, 0–1. */
  readonly errorShare: number;
  readonly error: InjectedError;
  /** Whether active checks fail too. */
  readonly probes: boolean;
  /** Clock time at which it ends by itself. */
  readonly until: number;
  readonly by: string;
  readonly why: string;
}

/** What befalls one attempt: a delay before anything is sent, then its end or, without one, the real upstream. */
export interface Interception {
  readonly delayMs: number;
  readonly end: Failure | { readonly kind: "answer"; readonly status: number } | undefined;
}

/** Marks a failure in logs, so that nobody looks for its cause on the upstream. */
export const faultDetail = "rehearsal";

/** `running ──(time)──▶ over`: it ends when read, also where no timer ends it. */
export class FaultInjection {
  readonly plan: FaultSpec;
  readonly #random: Random;

  constructor(plan: FaultSpec, random: Random) {
    this.plan = plan;
    this.#random = random;
  }

  isOver(now: number): boolean {
    return now >= this.plan.until;
  }

  /** For an attempt that begins now; undefined if it is spared. */
  intercept(now: number): Interception | undefined {
    if (this.isOver(now)) return undefined;
    const { latencyMs: delayMs, errorShare, error } = this.plan;
    const end = this.#random() < errorShare ? endOf(error) : undefined;
    return delayMs > 0 || end ? { delayMs, end } : undefined;
  }
}

function endOf(error: InjectedError): Interception["end"] {
  if (isStatus(error)) return { kind: "answer", status: statuses[error] };
  return failure(failures[error], error, faultDetail);
}

function isStatus(error: InjectedError): error is keyof typeof statuses {
  return error in statuses;
}

/** @param headMs how long an answer's head may take: a delay beyond that is a timeout, as it would be of a slow upstream */
export function capDelay(staged: Interception, headMs: number): Interception {
  if (staged.delayMs < headMs) return staged;
  return { delayMs: headMs, end: failure("head", "head_timeout", faultDetail) };
}

/** "+2000 ms, 30 % connect_refused, failing probes" */
export function describeFault({
  latencyMs,
  errorShare,
  error,
  probes,
}: Pick<FaultSpec, "latencyMs" | "errorShare" | "error" | "probes">): string {
  const parts = [
    ...(latencyMs > 0 ? [`+${latencyMs} ms`] : []),
    ...(errorShare > 0 ? [`${Math.round(errorShare * 1_000) / 10} % ${error}`] : []),
    ...(probes ? ["failing probes"] : []),
  ];
  return parts.join(", ");
}

// Whether a pool can bear a rehearsal: what is played must leave it able to serve.

/** A sentence's end that says why not; undefined if nothing speaks against it. */
export function reasonNotToInject(pool: Pool, upstream: Upstream): string | undefined {
  const { available: fit } = pool;
  const isPlayed = (other: Upstream) => other === upstream || other.fault !== undefined;
  // Those that a rehearsal has got ejected count still: they are what the pool will have again.
  const able = pool.upstreams.filter((other) => fit.includes(other) || isPlayed(other));
  const played = able.filter(isPlayed);
  if (!fit.some((other) => !isPlayed(other))) return "no other upstream of its pool is fit to serve";
  if (played.length * 2 > able.length) {
    return `${played.length} of ${able.length} fit upstreams would be under rehearsal, more than half`;
  }
  return undefined;
}
