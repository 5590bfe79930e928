/** A peak-sensitive exponentially weighted moving average: it rises at once and falls slowly. */

/**
 * Peak-sensitive, time-decaying average. A value above the average replaces it; a lower value pulls it down with
 * weight 1 − e^(−Δt/τ). A read after the last write decays the value towards zero by the same law, so a score
 * without new measurements fades instead of staying high forever.
 * Source: Finagle's peak EWMA load metric (Twitter, 2016).
 */
export class PeakEwma {
  readonly #tauMs: number;
  #value = 0;
  #writtenAt = -1;

  /** @param tauMs time constant τ in milliseconds: after it about 63 % of an old value has decayed */
  constructor(tauMs: number) {
    this.#tauMs = tauMs;
  }

  /** Whether a value was recorded. */
  get measured(): boolean {
    return this.#writtenAt >= 0;
  }

  record(value: number, now: number): void {
    const remaining = this.measured ? this.#remaining(now) : 0;
    const decayed = this.#value * remaining;
    this.#value = value >= decayed ? value : decayed + value * (1 - remaining);
    this.#writtenAt = now;
  }

  /** The decayed average; 0 if no value was recorded. */
  read(now: number): number {
    if (!this.measured) return 0;
    return this.#value * this.#remaining(now);
  }

  /** Share of the value that has not decayed, 0–1. */
  #remaining(now: number): number {
    return Math.exp(-Math.max(0, now - this.#writtenAt) / this.#tauMs);
  }
}
