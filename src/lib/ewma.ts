/** A moving average that believes bad news at once and good news slowly; it knows nothing of what it averages. */

/**
 * Peak-sensitive, time-decaying average. A value above the average replaces it; a lower one pulls it down with
 * weight 1 − e^(−Δt/τ). Reading it later than it was written decays it towards zero by the same law, so that a
 * score that nobody renews is forgotten instead of held against its owner for ever.
 * Source: Finagle's peak EWMA load metric (Twitter, 2016).
 */
export class PeakEwma {
  readonly #tauMs: number;
  #value = 0;
  #writtenAt = -1;

  /** @param tauMs after this many milliseconds about 63 % of an old value is forgotten */
  constructor(tauMs: number) {
    this.#tauMs = tauMs;
  }

  /** Whether anything was recorded yet. */
  get measured(): boolean {
    return this.#writtenAt >= 0;
  }

  record(value: number, now: number): void {
    const keep = this.measured ? this.#kept(now) : 0;
    const decayed = this.#value * keep;
    this.#value = value >= decayed ? value : decayed + value * (1 - keep);
    this.#writtenAt = now;
  }

  read(now: number): number {
    if (!this.measured) return 0;
    return this.#value * this.#kept(now);
  }

  /** How much of the value is left, 0–1. */
  #kept(now: number): number {
    return Math.exp(-Math.max(0, now - this.#writtenAt) / this.#tauMs);
  }
}
