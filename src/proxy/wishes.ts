/** Who wants to be given one exchange when it ends: each taker gets only what it asked for. */

import type { EndedExchange, RecordSink } from "./record.ts";

export class SinkSelection {
  readonly #sinks: readonly RecordSink[];
  /** One bit for each taker, as in `#wanted`. */
  readonly #choiceSinks: number;
  #wanted = 0;

  /** @param sinks at most 31 */
  constructor(sinks: readonly RecordSink[]) {
    this.#sinks = sinks;
    this.#choiceSinks = sinks.reduce((bits, { wantsChoices }, i) => bits | (wantsChoices ? 1 << i : 0), 0);
  }

  /** Whether somebody wants it, as far as is known. */
  get isWanted(): boolean {
    return this.#wanted !== 0;
  }

  /** Whether one of those looks at choices. */
  get wantsChoices(): boolean {
    return (this.#wanted & this.#choiceSinks) !== 0;
  }

  forget(): void {
    this.#wanted = 0;
  }

  /** Asks everybody, since some of them draw lots. */
  open(): void {
    let wanted = 0;
    for (let i = 0; i < this.#sinks.length; i++) {
      if ((this.#sinks[i] as RecordSink).wants()) wanted |= 1 << i;
    }
    this.#wanted = wanted;
  }

  /** Asks those that did not want it so far. A loop and no object: this runs for every request. */
  end(durationMs: number, hasFailed: boolean, isTraced: boolean): void {
    for (let i = 0; i < this.#sinks.length; i++) {
      if ((this.#wanted & (1 << i)) !== 0) continue;
      const sink = this.#sinks[i] as RecordSink;
      const isWanted =
        (isTraced && sink.wantsTraced === true) ||
        sink.wantsSlow(durationMs) ||
        (hasFailed && sink.wantsFailed());
      if (isWanted) this.#wanted |= 1 << i;
    }
  }

  give(exchange: EndedExchange): void {
    for (let i = 0; i < this.#sinks.length; i++) {
      if ((this.#wanted & (1 << i)) !== 0) (this.#sinks[i] as RecordSink).accept(exchange);
    }
  }
}
