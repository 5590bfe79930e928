/** The few statistics that thresholds need: a confidence bound for shares, and the median of the others. */

/** 95 %, one-sided enough for a warning. */
const z = 1.96;

/**
 * Lower bound of the share that stands behind `errors` of `requests`, with 95 % confidence: 3 of 20 may well be 5 %.
 * Source: E. B. Wilson 1927, "Probable inference, the law of succession, and statistical inference".
 */
export function wilsonLowerBound(errors: number, requests: number): number {
  if (requests <= 0) return 0;
  const share = Math.min(1, errors / requests);
  const square = z * z;
  const centre = share + square / (2 * requests);
  const margin = z * Math.sqrt((share * (1 - share)) / requests + square / (4 * requests * requests));
  return Math.max(0, (centre - margin) / (1 + square / requests));
}

/** Values of all upstreams of a pool, sorted once, so that the median of each one's peers costs a look-up. */
export class PeerValues {
  readonly #sorted: Float64Array;

  constructor(values: readonly number[]) {
    this.#sorted = Float64Array.from(values).sort();
  }

  get count(): number {
    return this.#sorted.length;
  }

  /** Undefined without values. */
  get median(): number | undefined {
    const { length } = this.#sorted;
    if (length === 0) return undefined;
    const middle = length >> 1;
    const upper = this.#sorted[middle] ?? 0;
    return length % 2 === 1 ? upper : ((this.#sorted[middle - 1] ?? 0) + upper) / 2;
  }

  /** Median of the values without one occurrence of `own`, which must be among them; undefined if nothing is left. */
  medianWithout(own: number): number | undefined {
    const count = this.#sorted.length - 1;
    if (count < 1) return undefined;
    const position = this.#positionOf(own);
    const at = (index: number) => this.#sorted[index < position ? index : index + 1] ?? 0;
    const middle = Math.floor(count / 2);
    return count % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  }

  #positionOf(value: number): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
