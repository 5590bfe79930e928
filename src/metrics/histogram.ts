/** A log-linear histogram of durations with a fixed size: exact counts, percentiles within a few per cent. */

const perOctave = 8;

/** The first bucket holds everything below 2^-6 ms, about 16 µs. */
const lowestOctave = -6;
const octaves = 28;
const buckets = perOctave * octaves;

/** The content of a histogram, as it travels between processes. */
export interface HistogramCounts {
  readonly sumMs: number;
  /** Index and count of each non-empty bucket, alternating. */
  readonly buckets: readonly number[];
}

/** The value axis is logarithmic as in HdrHistogram (Tene), with 8 buckets per octave, each 9 % wide. */
export class Histogram {
  readonly #counts = new Uint32Array(buckets);
  /** Range of the non-empty buckets. Most durations are similar, so loops over this range visit few buckets. */
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
   * Adds what `other` recorded since `base` was equal to it, and makes `base` equal to it again. If `other` has lost
   * counts, as when a worker died before its last report, nothing is subtracted.
   */
  addSince(base: Histogram, other: Histogram): void {
    if (other.count === base.count) return;
    const lowest = Math.min(other.#lowest, base.#lowest);
    const highest = Math.max(other.#highest, base.#highest);
    for (let i = lowest; i <= highest; i++) {
      const now = other.#counts[i] ?? 0;
      const more = now - (base.#counts[i] ?? 0);
      if (more > 0) this.#add(i, more);
      base.#counts[i] = now;
    }
    this.sumMs += Math.max(0, other.sumMs - base.sumMs);
    base.#lowest = lowest;
    base.#highest = highest;
    base.count = other.count;
    base.sumMs = other.sumMs;
  }

  /**
   * The value in milliseconds below which this share (0–1) of the values lies; undefined if the histogram is empty.
   * Values are assumed to be evenly distributed within a bucket.
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

  /** Number of values below 2^octave milliseconds: exact, because that is the edge of a bucket. */
  below(octave: number): number {
    let sum = 0;
    const end = Math.min(this.#highest + 1, (octave - lowestOctave) * perOctave);
    for (let i = this.#lowest; i < end; i++) sum += this.#counts[i] ?? 0;
    return sum;
  }

  /** {@link below} for each whole octave from `from` to `to`, in one pass. */
  belowEach(from: number, to: number): readonly number[] {
    const counts: number[] = [];
    let sum = 0;
    for (let i = 0, octave = from; octave <= to; octave++) {
      for (; i < (octave - lowestOctave) * perOctave; i++) sum += this.#counts[i] ?? 0;
      counts.push(sum);
    }
    return counts;
  }
}
