/** Who wants the record of one exchange: each taker gets only what it asked for, and the record is made once for all. */

import type { RecordTaker, RequestRecord } from "./record.ts";

export class Wishes {
  readonly #takers: readonly RecordTaker[];
  /** One bit for each taker. */
  #wanted = 0;

  /** @param takers at most 31 */
  constructor(takers: readonly RecordTaker[]) {
    this.#takers = takers;
  }

  /** Whether somebody wants it, as far as is known. */
  get isWanted(): boolean {
    return this.#wanted !== 0;
  }

  forget(): void {
    this.#wanted = 0;
  }

  /** Asks everybody, since some of them draw lots. */
  open(): void {
    let wanted = 0;
    for (let i = 0; i < this.#takers.length; i++) {
      if ((this.#takers[i] as RecordTaker).wants()) wanted |= 1 << i;
    }
    this.#wanted = wanted;
  }

  /** Asks those that did not want it so far. A loop and no object: this runs for every request. */
  end(durationMs: number, hasFailed: boolean, isTraced: boolean): void {
    for (let i = 0; i < this.#takers.length; i++) {
      if ((this.#wanted & (1 << i)) !== 0) continue;
      const taker = this.#takers[i] as RecordTaker;
      const isWanted =
        (isTraced && taker.wantsTraced === true) ||
        taker.wantsSlow(durationMs) ||
        (hasFailed && taker.wantsFailed());
      if (isWanted) this.#wanted |= 1 << i;
    }
  }

  give(record: RequestRecord): void {
    this.#takers.forEach((taker, i) => {
      if ((this.#wanted & (1 << i)) !== 0) taker.take(record);
    });
  }
}
