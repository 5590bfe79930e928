/** Brings a recovered upstream back step by step: its caches and pools are cold, and a full share could fell it again. */

/** Where a ramp begins, and the size of its steps: each step is a new fit list, so there are few. */
const step = 0.1;

/**
 * A share of the weight that grows linearly from 10 % to all of it.
 * Sources: HAProxy's slowstart; Envoy's slow start with its least share of 10 %.
 */
export class SlowStart {
  #durationMs: number;
  #begunAt: number | undefined;
  /** Of the weight, 0.1–1, as of the last `settle`. */
  share = 1;

  /** @param durationMs 0 for none */
  constructor(durationMs: number) {
    this.#durationMs = durationMs;
  }

  /** From the next step on. */
  adjust(durationMs: number): void {
    this.#durationMs = durationMs;
  }

  begin(now: number): void {
    this.#begunAt = now;
    this.advance(now);
  }

  /** How far it has come, 0–1; undefined while none is under way. */
  progress(now: number): number | undefined {
    return this.#begunAt === undefined ? undefined : Math.min(1, (now - this.#begunAt) / this.#durationMs);
  }

  /** Takes the steps that are due. */
  advance(now: number): void {
    if (this.#begunAt === undefined) return;
    const elapsedMs = now - this.#begunAt;
    if (elapsedMs >= this.#durationMs) {
      this.#begunAt = undefined;
      this.share = 1;
      return;
    }
    // The tiny amount is for sums such as 0.1 + 0.2, which lie just below the step they mean.
    const steps = Math.floor((step + (1 - step) * (elapsedMs / this.#durationMs)) / step + 1e-9);
    this.share = steps / Math.round(1 / step);
  }

  /**
   * When to settle again; Infinity while none is under way. All ramps of one length step at the same moments, so that a
   * thousand recovering upstreams do not make a thousand times as many new fit lists.
   */
  dueAt(now: number): number {
    if (this.#begunAt === undefined) return Infinity;
    const everyMs = this.#durationMs * step;
    return (Math.floor(now / everyMs) + 1) * everyMs;
  }
}
