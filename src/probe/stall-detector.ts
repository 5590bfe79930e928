/** Detects upstreams on which requests stall, and rescues the requests that wait on a failed one. */

import { type Cancel, type Clock, repeat, type Schedule } from "../lib/clock.ts";
import type { Attempt } from "../pool/attempt.ts";
import { rescueWaiting } from "../pool/attempt-control.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";

/** Interval of the checks, milliseconds: cheap for each upstream, and fast enough for people. */
const checkIntervalMs = 100;

/** A shorter wait is never suspicious, however fast the upstream is. */
const minStallThresholdMs = 1_000;

/** Number of waiting attempts that eject an upstream that a TCP probe cannot judge. */
const silentAttempts = 3;

/** What one process measured on an upstream; clock times, 0 for never. */
export interface StallEvidence {
  /** Wait for a response's head after which the upstream is suspected, milliseconds. */
  readonly thresholdMs: number;
  /** Start of the wait of the first attempts that began after its last response: at most three. */
  readonly waits: readonly number[];
  readonly lastResponseAt: number;
  /** The last response of any other upstream of its pool. */
  readonly othersLastResponseAt: number;
}

/** An upstream on which attempts stall. */
export interface StallSuspicion {
  readonly upstream: Upstream;
  /** One from each process that serves clients; empty until all have reported. */
  readonly evidence: readonly StallEvidence[];
}

export interface StallDetectorOptions {
  readonly pools: () => readonly Pool[];
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** The upstream's 99th percentile of latency, milliseconds; undefined while unknown. */
  readonly p99Ms: (upstream: Upstream) => number | undefined;
  /** Called at every check with all current suspicions. */
  readonly onSuspicion: (suspicions: readonly StallSuspicion[]) => void;
}

/** Wait for a response's head after which the upstream is suspected, milliseconds. */
export function stallThresholdMs(p99Ms = 0): number {
  return Math.max(minStallThresholdMs, 3 * p99Ms);
}

/**
 * ```
 *  waits too long ─▶ suspected ──probe fails───────────────────────────▶ failing ──┐
 *                        └──TCP only: unresponsive, others respond─────▶ ejected ──┴─▶ waiting attempts are rescued
 * ```
 * Runs in each process that serves clients; the prober acts on suspicions. A check visits upstreams, never attempts: the
 * longest wait stands for all.
 */
export class StallDetector {
  readonly #options: StallDetectorOptions;
  #cancel: Cancel | undefined;

  constructor(options: StallDetectorOptions) {
    this.#options = options;
  }

  /** Checks until it is stopped. */
  start(): void {
    this.#cancel = repeat(this.#options.schedule, checkIntervalMs, () => this.check());
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Checks every upstream once: reports suspicions, and rescues what waits on upstreams that are down. */
  check(): void {
    const suspicions: StallSuspicion[] = [];
    for (const pool of this.#options.pools()) {
      for (const upstream of pool.upstreams) {
        if (upstream.inFlight === 0) continue;
        if (upstream.isDown) rescueWaiting(upstream);
        else if (this.#isSuspicious(upstream))
          suspicions.push({ upstream, evidence: [this.evidenceFor(pool, upstream)] });
      }
    }
    if (suspicions.length > 0) this.#options.onSuspicion(suspicions);
  }

  /** @param since waits that began earlier are ignored: the upstream has responded since */
  evidenceFor(pool: Pool, upstream: Upstream, since = 0): StallEvidence {
    const respondedAt = Math.max(0, upstream.lastResponseAt);
    let othersLastResponseAt = 0;
    for (const other of pool.upstreams) {
      if (other !== upstream) othersLastResponseAt = Math.max(othersLastResponseAt, other.lastResponseAt);
    }
    return {
      thresholdMs: this.#stallThresholdFor(upstream),
      // An attempt from before its last response may just be slow; only later ones suggest that it is unresponsive.
      waits: waitsSince(upstream, Math.max(respondedAt, since)),
      lastResponseAt: respondedAt,
      othersLastResponseAt,
    };
  }

  #isSuspicious(upstream: Upstream): boolean {
    const { oldest } = upstream.waiting;
    if (!oldest) return false;
    const waitedMs = this.#options.clock() - oldest.waitingSince;
    // The cheap check first: a percentile is worth computing only for a long wait.
    return waitedMs >= minStallThresholdMs && waitedMs >= this.#stallThresholdFor(upstream);
  }

  #stallThresholdFor(upstream: Upstream): number {
    return stallThresholdMs(this.#options.p99Ms(upstream));
  }
}

/**
 * Whether several attempts that all began after the last response have waited too long, while other upstreams of the pool have
 * responded since. Slow requests among fast ones do not make an upstream unresponsive.
 * @param evidence from every process that serves clients: any of them may have had a response that the others lack
 */
export function isUnresponsive(evidence: readonly StallEvidence[], now: number): boolean {
  const latest = (timeOf: (evidence: StallEvidence) => number) => Math.max(0, ...evidence.map(timeOf));
  const respondedAt = latest((evidence) => evidence.lastResponseAt);
  const waits = evidence
    .flatMap((evidence) => evidence.waits.filter((since) => since >= respondedAt))
    .sort((left, right) => left - right);
  const last = waits[silentAttempts - 1];
  if (last === undefined || last > now - latest((evidence) => evidence.thresholdMs)) return false;
  return latest((evidence) => evidence.othersLastResponseAt) > last;
}

function waitsSince({ waiting }: Upstream, since: number): number[] {
  const waits: number[] = [];
  let attempt: Attempt | undefined = waiting.oldest;
  for (; attempt && waits.length < silentAttempts; attempt = attempt.next) {
    if (attempt.waitingSince >= since) waits.push(attempt.waitingSince);
  }
  return waits;
}
