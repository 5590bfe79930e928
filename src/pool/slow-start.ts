/** Ramps an upstream's weight up after a recovery: its caches are cold, and a full share could overload it again. */

/** Start of the ramp and size of its steps. Each step rebuilds the list of available upstreams, so there are few. */
const step = 0.1;

/**
 * A share of the weight that grows linearly from 10 % to 100 %.
 * Sources: HAProxy's slowstart; Envoy's slow start with its minimum of 10 %.
 */
export class SlowStart {
  #durationMs: number;
  #startedAt: number | undefined;
  /** Share of the weight, 0.1–1, as of the last `advance`. */
  share = 1;

  /** @param durationMs length of the ramp; 0 for no slow start */
  constructor(durationMs: number) {
    this.#durationMs = durationMs;
  }

  /** Sets a new length from the next step on. */
  adjust(durationMs: number): void {
    this.#durationMs = durationMs;
  }

  begin(now: number): void {
    this.#startedAt = now;
    this.advance(now);
  }

  /** Progress of the ramp, 0–1; undefined while no ramp is active. */
  progress(now: number): number | undefined {
    return this.#startedAt === undefined
      ? undefined
      : Math.min(1, (now - this.#startedAt) / this.#durationMs);
  }

  /** Updates the share to the steps that are due. */
  advance(now: number): void {
    if (this.#startedAt === undefined) return;
    const elapsedMs = now - this.#startedAt;
    if (elapsedMs >= this.#durationMs) {
      this.#startedAt = undefined;
      this.share = 1;
      return;
    }
    // The epsilon is for sums such as 0.1 + 0.2, which lie just below the step.
    const steps = Math.floor((step + (1 - step) * (elapsedMs / this.#durationMs)) / step + 1e-9);
    this.share = steps / Math.round(1 / step);
  }

  /**
   * Clock time of the next step; Infinity while no ramp is active. All ramps of one length step at the same times, so that
   * a thousand recovering upstreams do not rebuild the list a thousand times as often.
   */
  dueAt(now: number): number {
    if (this.#startedAt === undefined) return Infinity;
    const everyMs = this.#durationMs * step;
    return (Math.floor(now / everyMs) + 1) * everyMs;
  }
}
