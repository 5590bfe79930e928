/** Which clients are too slow to keep a slot that others wait for: in sending their request, or in reading their response. */

import type { Attempt } from "../pool/attempt.ts";

/** Every client has this long before it counts as slow. */
const graceMs = 2_000;

/** About a kilobyte a second: below any line in use, above what many attackers at once like to send. */
const minBytesPerMs = 1;

/** A response that gave up its slot and is still read too slowly after this long ends, if others still wait. */
const lastGraceMs = 10_000;

/**
 * Whether a client uploads too slowly to keep a slot that others wait for. Alone it is no reason to end a request: a stream
 * of rare events is as slow. @param bytes received so far  @param ms since the attempt's start
 */
export function isSlowUpload(bytes: number, ms: number): boolean {
  return ms >= graceMs && bytes < ms * minBytesPerMs;
}

/** How far a client has read its response. */
export interface ReadingProgress {
  /** Bytes of its connection that the system has taken so far. */
  readonly takenBytes: number;
  /** Whether more is ready than the client takes. If not, the upstream sets the pace. */
  readonly isBehind: boolean;
}

/**
 * The pace at which a client reads its response, measured between two calls and only while others wait for a slot: the
 * buffers of the system take the first megabytes at once, so that an average since the start would say nothing.
 * ```
 *  unknown ──first call──▶ measured ──two seconds, too little taken──▶ slow
 *     ▲                        ▲──────────enough taken──────────────────┘ │
 *     └─────────────────────────client not behind────────────────────────┘
 * ```
 */
export class ReadingPace {
  #attempt: Attempt | undefined;
  #generation = 0;
  /** Start of the measured time, and the bytes taken until then. */
  #since = 0;
  #taken = 0;
  /** Since when the client has been slow; infinite while it is not. */
  #slowSince = Infinity;

  /** For how long the client has been too slow, milliseconds; 0 if it is not. @param now clock time */
  slowMs(attempt: Attempt, { takenBytes, isBehind }: ReadingProgress, now: number): number {
    const isKnown = attempt === this.#attempt && attempt.generation === this.#generation;
    if (!isKnown || !isBehind) {
      this.#attempt = attempt;
      this.#generation = attempt.generation;
      this.#slowSince = Infinity;
      this.#mark(takenBytes, now);
      return 0;
    }
    const ms = now - this.#since;
    if (ms >= graceMs) {
      const isSlow = takenBytes - this.#taken < ms * minBytesPerMs;
      this.#slowSince = isSlow ? Math.min(this.#slowSince, this.#since) : Infinity;
      this.#mark(takenBytes, now);
    }
    return Math.max(0, now - this.#slowSince);
  }

  #mark(takenBytes: number, now: number): void {
    this.#since = now;
    this.#taken = takenBytes;
  }
}

/**
 * What follows for a response whose client has been too slow for so long. First it gives up its slot and continues, which
 * does no harm if the upstream only waits for its socket. If others wait all the same, the response itself occupies the
 * upstream, as where each holds a thread, and it ends.
 * @returns `freed`: its slot is free; `end`: the engine has to end the response; `keep`: nothing follows
 */
export function yieldResponse(attempt: Attempt, slowMs: number): "freed" | "end" | "keep" {
  if (slowMs === 0) return "keep";
  if (!attempt.isStream) {
    attempt.freeSlot();
    return "freed";
  }
  return slowMs >= lastGraceMs ? "end" : "keep";
}
