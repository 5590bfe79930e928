/** How long to wait after a failure: longer each time, with jitter, and at least as long as the server asked for. */

import type { Random } from "./random.ts";

const firstMs = 1_000;

/** A server that asks for more is asked again anyway. */
const maxRetryAfterMs = 300_000;

export class RetryPace {
  readonly #random: Random;
  readonly #maxMs: number;
  #failures = 0;

  constructor(random: Random, maxMs: number) {
    this.#random = random;
    this.#maxMs = maxMs;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Milliseconds until the next try. The random half keeps many balancers from returning together. */
  failed(retryAfterMs = 0): number {
    const fullMs = Math.min(firstMs * 2 ** this.#failures, this.#maxMs);
    this.#failures += 1;
    return Math.max(fullMs * (1 - this.#random() / 2), Math.min(retryAfterMs, maxRetryAfterMs));
  }
}
