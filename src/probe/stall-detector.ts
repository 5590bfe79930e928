/** Watches who waits: whom to suspect of having stopped, and whose waiting requests to move. Apart from the prober, which checks. */

import { type Cancel, type Clock, repeat, type Schedule } from "../lib/clock.ts";
import type { Attempt } from "../pool/attempt.ts";
import { rescueWaiting } from "../pool/attempt-control.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";

/** Between two looks at who waits: costs next to nothing for each upstream, and is soon enough for people. */
const checkIntervalMs = 100;

/** A shorter wait is never suspicious, however fast the upstream usually is. */
const minStallThresholdMs = 1_000;

/** So many waiting attempts are enough to eject an upstream that a TCP check cannot judge. */
const silentAttempts = 3;

/** What one process sees of an upstream; clock times, 0 for what never was. */
export interface StallEvidence {
  /** How long an attempt may wait for its head before its upstream is suspected, milliseconds. */
  readonly thresholdMs: number;
  /** Since when the first attempts wait that began after its last answer: as many as silence takes, at most. */
  readonly waits: readonly number[];
  readonly lastResponseAt: number;
  /** That of whoever else of its pool answered last. */
  readonly othersLastResponseAt: number;
}

/** An upstream on which attempts wait for too long. */
export interface StallSuspicion {
  readonly upstream: Upstream;
  /** One of each process that serves clients; none while not all have told. */
  readonly evidence: readonly StallEvidence[];
}

export interface StallDetectorOptions {
  readonly pools: () => readonly Pool[];
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** The latency that 99 of 100 answers of this upstream stay below, milliseconds; undefined while unknown. */
  readonly p99Ms: (upstream: Upstream) => number | undefined;
  /** Hears, at every look, of all who are suspected then. */
  readonly onSuspicion: (suspicions: readonly StallSuspicion[]) => void;
}

/** How long an attempt may wait for its head before its upstream is suspected, milliseconds. */
export function stallThresholdMs(p99Ms = 0): number {
  return Math.max(minStallThresholdMs, 3 * p99Ms);
}

/**
 * ```
 *  waits too long ─▶ suspected ──check fails───────────────────────────▶ failing ──┐
 *                        └──TCP only: silent, while others answer──────▶ ejected ──┴─▶ waiting attempts are rescued
 * ```
 * It belongs to whoever serves clients; what follows from a suspicion is the prober's. One look goes over upstreams, never
 * over attempts: the longest waiting one speaks for all.
 */
export class StallDetector {
  readonly #options: StallDetectorOptions;
  #cancel: Cancel | undefined;

  constructor(options: StallDetectorOptions) {
    this.#options = options;
  }

  /** Looks again and again until it is stopped. */
  start(): void {
    this.#cancel = repeat(this.#options.schedule, checkIntervalMs, () => this.check());
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Looks at everybody once: tells of whom to suspect, and moves what waits on those that are down. */
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

  /** @param since no wait counts that began before: it has answered others then */
  evidenceFor(pool: Pool, upstream: Upstream, since = 0): StallEvidence {
    const respondedAt = Math.max(0, upstream.lastResponseAt);
    let othersLastResponseAt = 0;
    for (const other of pool.upstreams) {
      if (other !== upstream) othersLastResponseAt = Math.max(othersLastResponseAt, other.lastResponseAt);
    }
    return {
      thresholdMs: this.#stallThresholdFor(upstream),
      // Those that began before its last answer are slow, perhaps; those that began after it speak of silence.
      waits: waitsSince(upstream, Math.max(respondedAt, since)),
      ...{ lastResponseAt: respondedAt, othersLastResponseAt },
    };
  }

  #isSuspicious(upstream: Upstream): boolean {
    const { oldest } = upstream.waiting;
    if (!oldest) return false;
    const waitedMs = this.#options.clock() - oldest.waitingSince;
    // The cheap question first: percentiles are worth it only for those who wait long.
    return waitedMs >= minStallThresholdMs && waitedMs >= this.#stallThresholdFor(upstream);
  }

  #stallThresholdFor(upstream: Upstream): number {
    return stallThresholdMs(this.#options.p99Ms(upstream));
  }
}

/**
 * Whether several attempts have waited for too long that all began after its last answer, though others of the pool have
 * answered since: slow requests among answered ones make nobody silent.
 * @param evidence of all processes that serve clients: each of them may have had the answer that the others miss
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
