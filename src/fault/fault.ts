/** A fault that an operator injects on one upstream for a limited time, and the check that a pool can bear it. */

import type { Random } from "../lib/random.ts";
import { failure, type Failure, type FailureReason } from "../pool/outcome.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Interception } from "../proxy/interception.ts";

/** Failures that can be injected, with the phase in which each fails an attempt. */
const failures = {
  connect_refused: "connect",
  connect_timeout: "connect",
  connect_reset: "connect",
  head_timeout: "head",
  head_invalid: "head",
  upstream_reset: "head",
} as const satisfies Partial<Readonly<Record<FailureReason, Failure["phase"]>>>;

/** Responses that can be injected. */
const statuses = { status_500: 500, status_502: 502, status_503: 503, status_504: 504 } as const;

export type InjectedError = keyof typeof failures | keyof typeof statuses;

export const injectedErrors: readonly InjectedError[] = [
  ...(Object.keys(failures) as (keyof typeof failures)[]),
  ...(Object.keys(statuses) as (keyof typeof statuses)[]),
];

/** Limits of a fault, milliseconds: a longer one is an outage. */
export const maxFaultLatencyMs = 30_000;
export const maxFaultMs = 600_000;
export const defaultFaultMs = 30_000;

/** What is injected; the same in every process. */
export interface FaultSpec {
  /** Added to each attempt before anything is sent, milliseconds. */
  readonly latencyMs: number;
  /** Share of the attempts that fail, 0–1. */
  readonly errorShare: number;
  readonly error: InjectedError;
  /** Whether probes fail too. */
  readonly probes: boolean;
  /** Clock time at which the fault ends by itself. */
  readonly until: number;
  readonly by: string;
  readonly why: string;
}

/** Marks injected failures in log and events, so that their cause is not sought on the upstream. */
export const faultDetail = "rehearsal";

/** `active ──(time)──▶ over`: it ends when it is read, so no timer is needed. */
export class FaultInjection {
  readonly spec: FaultSpec;
  readonly #random: Random;

  constructor(spec: FaultSpec, random: Random) {
    this.spec = spec;
    this.#random = random;
  }

  isOver(now: number): boolean {
    return now >= this.spec.until;
  }

  /** For an attempt that starts now; undefined if it is spared. */
  intercept(now: number): Interception | undefined {
    if (this.isOver(now)) return undefined;
    const { latencyMs: delayMs, errorShare, error } = this.spec;
    const then = this.#random() < errorShare ? injected(error) : "send";
    return delayMs > 0 || then !== "send" ? { delayMs, then, detail: faultDetail } : undefined;
  }
}

function injected(error: InjectedError): Exclude<Interception["then"], "send"> {
  if (isStatus(error))
    return { kind: "response", status: statuses[error], reason: "rehearsal", detail: faultDetail };
  return failure(failures[error], error, faultDetail);
}

function isStatus(error: InjectedError): error is keyof typeof statuses {
  return error in statuses;
}

/** Latency, share of errors and probes: "+2 s, 30% connect_refused, failing probes". */
export function describeFault({
  latencyMs,
  errorShare,
  error,
  probes,
}: Pick<FaultSpec, "latencyMs" | "errorShare" | "error" | "probes">): string {
  const isWholeSeconds = latencyMs >= 1_000 && latencyMs % 1_000 === 0;
  const delay = isWholeSeconds ? `${latencyMs / 1_000} s` : `${latencyMs} ms`;
  const parts = [
    ...(latencyMs > 0 ? [`+${delay}`] : []),
    ...(errorShare > 0 ? [`${Math.round(errorShare * 1_000) / 10}% ${error}`] : []),
    ...(probes ? ["failing probes"] : []),
  ];
  return parts.join(", ");
}

/**
 * Whether a pool stays able to serve with a fault on this upstream.
 * @param hasFault whether a fault is active on an upstream
 * @returns the end of a sentence that says why not; undefined if it does
 */
export function reasonNotToInject(
  pool: Pool,
  upstream: Upstream,
  hasFault: (upstream: Upstream) => boolean,
): string | undefined {
  const { available } = pool;
  const isFaulty = (other: Upstream) => other === upstream || hasFault(other);
  // An upstream that its fault got ejected still counts: the pool has it back when the fault ends.
  const able = pool.upstreams.filter((other) => available.includes(other) || isFaulty(other));
  const faulty = able.filter(isFaulty);
  if (!available.some((other) => !isFaulty(other))) return "no other upstream of its pool is available";
  if (faulty.length * 2 > able.length) {
    return `${faulty.length} of ${able.length} available upstreams would have a fault, more than half`;
  }
  return undefined;
}
