/** Active health of one upstream: the verdict that follows from its probe results. */

export type ActiveHealthState = "checking" | "passing" | "failing";

export interface RiseFall {
  /** Successes in a row that make a failing upstream pass again. */
  readonly rise: number;
  /** Failures in a row that make a passing upstream fail. */
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
 * The first result decides alone: nothing is known before it, and a start must not wait for several. So does the first
 * success: a server that never passed has not come up yet, and `rise` is for one that comes and goes.
 */
export class ActiveHealth {
  #limits: RiseFall;
  #state: ActiveHealthState = "checking";
  #against = 0;
  #hasPassed = false;

  constructor(limits: RiseFall) {
    this.#limits = limits;
  }

  get state(): ActiveHealthState {
    return this.#state;
  }

  /** Whether the last result contradicts the verdict, so that probing more often is worthwhile. */
  get isChanging(): boolean {
    return this.#state === "checking" || this.#against > 0;
  }

  /** Whether it has passed once: until then the upstream has perhaps not started yet. */
  get isEstablished(): boolean {
    return this.#hasPassed;
  }

  /** Sets new limits from the next result on. The verdict and the current run of results stay. */
  adjust(limits: RiseFall): void {
    this.#limits = limits;
  }

  /** Adopts a verdict that another process reached. @returns whether it changed */
  adopt(state: ActiveHealthState): boolean {
    if (this.#state === state) return false;
    this.#setState(state);
    return true;
  }

  /**
   * Records one probe result.
   * @param isDecisive whether requests stalled too, so that one failure is enough
   * @param isTrusted whether the first success of an upstream that never passed is enough
   * @returns whether the verdict changed
   */
  record(success: boolean, isDecisive = false, isTrusted = true): boolean {
    const agreed = success ? "passing" : "failing";
    if (this.#state === agreed) {
      this.#against = 0;
      return false;
    }
    this.#against += 1;
    const rise = isTrusted && !this.#hasPassed ? 1 : this.#limits.rise;
    const fall = isDecisive ? 1 : this.#limits.fall;
    const needed = this.#state === "checking" ? 1 : success ? rise : fall;
    if (this.#against < needed) return false;
    this.#setState(agreed);
    return true;
  }

  #setState(state: ActiveHealthState): void {
    this.#state = state;
    this.#against = 0;
    if (state === "passing") this.#hasPassed = true;
  }
}
