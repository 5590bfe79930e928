/** The active verdict: what a run of probe results says about an upstream. Separate from the prober, which only looks. */

export type ActiveHealthState = "checking" | "passing" | "failing";

export interface RiseFall {
  /** Successes in a row that bring a failing upstream back. */
  readonly rise: number;
  /** Failures in a row that take a passing upstream out. */
  readonly fall: number;
}

/**
 * ```
 *            any success                fall failures in a row
 *  checking ─────────────▶ passing ───────────────────────────▶ failing
 *      │                      ▲                                    │ ▲
 *      │                      └──────── rise successes in a row ───┘ │
 *      └──────────────────────── any failure ────────────────────────┘
 * ```
 * The first result decides alone: before it nothing is known, and a start must not wait for a streak.
 */
export class ActiveHealth {
  #limits: RiseFall;
  #state: ActiveHealthState = "checking";
  #against = 0;

  constructor(limits: RiseFall) {
    this.#limits = limits;
  }

  get state(): ActiveHealthState {
    return this.#state;
  }

  /** Whether the last results speak against the present verdict, so that looking more often is worth it. */
  get isChanging(): boolean {
    return this.#state === "checking" || this.#against > 0;
  }

  /** From the next result on; the verdict and the present run stay. */
  adjust(limits: RiseFall): void {
    this.#limits = limits;
  }

  /** Takes a verdict over that probes reached elsewhere; true if it is another one. */
  adopt(state: ActiveHealthState): boolean {
    if (this.#state === state) return false;
    this.#state = state;
    this.#against = 0;
    return true;
  }

  /**
   * Takes one probe result in; true if the verdict changed.
   * @param isDecisive whether requests have said the same before, so that one failure is enough
   */
  record(success: boolean, isDecisive = false): boolean {
    const agreed = success ? "passing" : "failing";
    if (this.#state === agreed) {
      this.#against = 0;
      return false;
    }
    this.#against += 1;
    const fall = isDecisive ? 1 : this.#limits.fall;
    const needed = this.#state === "checking" ? 1 : success ? this.#limits.rise : fall;
    if (this.#against < needed) return false;
    this.#state = agreed;
    this.#against = 0;
    return true;
  }
}
