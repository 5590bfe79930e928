/** Medians, spreads and ratios of measured rounds. */

export function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** The ratio of each round to the same round of a reference: other load on the machine affects both alike. */
export function ratios(values: readonly number[], reference: readonly number[]): readonly number[] {
  return values.map((value, round) => value / (reference[round] ?? Number.NaN));
}

/**
 * "0.92 (0.88–0.97)": the median, and the quartiles between which half of the rounds are; of three or four rounds the
 * smallest and the largest. "–" without values.
 */
export function withSpread(values: readonly number[], digits: number): string {
  const sorted = values.filter(Number.isFinite).toSorted((left, right) => left - right);
  if (sorted.length === 0) return "–";
  const cut = Math.floor((sorted.length - 1) / 4);
  const [low = 0, high = 0] = [sorted[cut], sorted[sorted.length - 1 - cut]];
  const middle = median(sorted).toFixed(digits);
  return sorted.length < 3 ? middle : `${middle} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}
