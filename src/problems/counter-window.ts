/** Cumulative counters of the last minute, one reading a second: what was counted in the last 10, 30 or 60 seconds. */

/** A minute and the reading before it. */
const size = 64;

/** The times of the readings, shared by all windows that are read together. */
export class ReadingTimes {
  readonly #times = new Float64Array(size);
  #count = 0;

  /** @param now clock time, milliseconds */
  push(now: number): void {
    this.#times[this.#count % size] = now;
    this.#count += 1;
  }

  /**
   * How many readings back the window of this length began. Readings come about once a second, so half a second of
   * delay still belongs to it.
   */
  readingsIn(windowMs: number): number {
    const now = this.#at(0);
    const oldest = Math.min(this.#count, size) - 1;
    let back = 0;
    while (back < oldest && now - this.#at(back) < windowMs - 500) back += 1;
    return back;
  }

  /** Time between now and that many readings back, seconds; at least a tenth. */
  secondsIn(readings: number): number {
    return Math.max(0.1, (this.#at(0) - this.#at(readings)) / 1_000);
  }

  #at(back: number): number {
    return this.#times[(this.#count - 1 - back + size) % size] ?? 0;
  }
}

/** A fixed number of counters of one subject. Differences cost two reads, however long the window is. */
export class CounterWindow {
  readonly #width: number;
  readonly #readings: Float64Array;
  #count = 0;

  /** @param width number of counters */
  constructor(width: number) {
    this.#width = width;
    this.#readings = new Float64Array(size * width);
  }

  /** A counter that fell began again, as that of another server under the same name: then the window does so too. */
  push(...counters: readonly number[]): void {
    const readings = this.#readings;
    const width = this.#width;
    const last = ((this.#count - 1 + size) % size) * width;
    // Plain loops: a thousand upstreams are read each second.
    for (let index = 0; this.#count > 0 && index < width; index++)
      if ((counters[index] ?? 0) < (readings[last + index] ?? 0)) this.#count = 0;
    const first = (this.#count % size) * width;
    for (let index = 0; index < width; index++) readings[first + index] = counters[index] ?? 0;
    this.#count += 1;
  }

  /** What a counter has counted since that many readings back, or since its first reading. */
  since(index: number, readings: number): number {
    const back = Math.min(readings, this.#count - 1);
    if (back <= 0) return 0;
    return this.#at(index, 0) - this.#at(index, back);
  }

  #at(index: number, back: number): number {
    return this.#readings[((this.#count - 1 - back) % size) * this.#width + index] ?? 0;
  }
}
