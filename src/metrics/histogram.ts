/** Durations counted in buckets that grow by octaves: exact counts, percentiles within a few per cent, fixed size. */

const perOctave = 8;

/** The first bucket holds everything below 2^-6 ms, about 16 µs. */
const lowestOctave = -6;
const octaves = 28;
const buckets = perOctave * octaves;

/** A histogram as it travels between processes. */
export interface HistogramCounts {
  readonly sumMs: number;
  /** Index and count of each bucket that is not empty, in turn. */
  readonly buckets: readonly number[];
}

/** The value axis is logarithmic as in HdrHistogram (Tene), with 8 buckets an octave, each 9 % wide. */
export class Histogram {
  readonly #counts = new Uint32Array(buckets);
  /** All counts lie between these two: most durations are alike, so that few of the buckets have to be looked at. */
  #lowest = buckets;
  #highest = -1;
  count = 0;
  /** Sum of all values, milliseconds. */
  sumMs = 0;

  record(valueMs: number): void {
    const bucket = valueMs > 0 ? Math.floor((Math.log2(valueMs) - lowestOctave) * perOctave) : 0;
    this.#add(Math.min(buckets - 1, Math.max(0, bucket)), 1);
    this.sumMs += valueMs;
  }

  #add(index: number, count: number): void {
    this.#counts[index] = (this.#counts[index] ?? 0) + count;
    this.count += count;
    if (index < this.#lowest) this.#lowest = index;
    if (index > this.#highest) this.#highest = index;
  }

  clear(): void {
    if (this.count > 0) this.#counts.fill(0, this.#lowest, this.#highest + 1);
    this.#lowest = buckets;
    this.#highest = -1;
    this.count = 0;
    this.sumMs = 0;
  }

  get counts(): HistogramCounts {
    const buckets: number[] = [];
    for (let i = this.#lowest; i <= this.#highest; i++) {
      const count = this.#counts[i] ?? 0;
      if (count > 0) buckets.push(i, count);
    }
    return { sumMs: this.sumMs, buckets };
  }

  addCounts({ sumMs, buckets }: HistogramCounts): void {
    for (let i = 0; i + 1 < buckets.length; i += 2) {
      this.#add(buckets[i] ?? 0, buckets[i + 1] ?? 0);
    }
    this.sumMs += sumMs;
  }

  add(other: Histogram): void {
    for (let i = other.#lowest; i <= other.#highest; i++) this.#add(i, other.#counts[i] ?? 0);
    this.sumMs += other.sumMs;
  }

  /**
   * Adds what `other` got since `mark` was equal to it; `mark` is equal to it again then. Should it have lost some, as
   * with the last words of a worker that died, nothing is taken away.
   */
  addSince(mark: Histogram, other: Histogram): void {
    if (other.count === mark.count) return;
    const lowest = Math.min(other.#lowest, mark.#lowest);
    const highest = Math.max(other.#highest, mark.#highest);
    for (let i = lowest; i <= highest; i++) {
      const now = other.#counts[i] ?? 0;
      const more = now - (mark.#counts[i] ?? 0);
      if (more > 0) this.#add(i, more);
      mark.#counts[i] = now;
    }
    this.sumMs += Math.max(0, other.sumMs - mark.sumMs);
    mark.#lowest = lowest;
    mark.#highest = highest;
    mark.count = other.count;
    mark.sumMs = other.sumMs;
  }

  /**
   * The value below which this share of the values lies (0–1), milliseconds; undefined if there are none. Within a
   * bucket the values are taken to lie evenly.
   */
  percentile(share: number): number | undefined {
    if (this.count === 0) return undefined;
    let left = Math.max(1, Math.ceil(this.count * share));
    for (let i = this.#lowest; i <= this.#highest; i++) {
      const inBucket = this.#counts[i] ?? 0;
      if (left <= inBucket) return 2 ** ((i + (left - 0.5) / inBucket) / perOctave + lowestOctave);
      left -= inBucket;
    }
    return undefined;
  }

  /** How many values lie below 2^octave milliseconds: exact, because that is a bucket's edge. */
  below(octave: number): number {
    let sum = 0;
    const end = Math.min(this.#highest + 1, (octave - lowestOctave) * perOctave);
    for (let i = this.#lowest; i < end; i++) sum += this.#counts[i] ?? 0;
    return sum;
  }

  /** The same for each whole octave from one to another, all at once. */
  belowEach(from: number, to: number): readonly number[] {
    const found: number[] = [];
    let sum = 0;
    for (let i = 0, octave = from; octave <= to; octave++) {
      for (; i < (octave - lowestOctave) * perOctave; i++) sum += this.#counts[i] ?? 0;
      found.push(sum);
    }
    return found;
  }
}
