/** Where values stand on a line that ends at a round number, and the dots of many values side by side. */

/** 1, 2, 4, 6 or 8 times a power of ten: its quarter is round too. */
const steps = [1, 2, 4, 6, 8, 10];

/** The end of the scale. @param least it ends here or later: little does not look like much */
export function topOf(highest: number, least: number): number {
  const wanted = Math.max(highest, least);
  if (!Number.isFinite(wanted) || wanted <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = steps.find((each) => each * power >= wanted * 0.999) ?? 10;
  return step * power;
}

/** The place of a value on the scale, 0–1. */
export function placeOn(value: number, top: number): number {
  return Number.isFinite(value) ? Math.min(1, Math.max(0, value / top)) : 0;
}

export interface Dot {
  /** 0–1 */
  readonly place: number;
  /** 0 on the line, 1 and 2 above it. */
  readonly row: number;
}

/** Dots nearer than this would cover each other, as a share of the line. */
const dotWidth = 0.015;

const maxRows = 3;

/** Dots for values, so that as many as possible are seen; of a thousand upstreams no more are drawn than have room. */
export function dotsOf(values: readonly number[], top: number): readonly Dot[] {
  const rows: number[] = [];
  return values
    .toSorted((one, other) => one - other)
    .flatMap((value) => {
      const place = placeOn(value, top);
      const free = Array.from({ length: maxRows }, (_, row) => row).find(
        (row) => place - (rows[row] ?? Number.NEGATIVE_INFINITY) >= dotWidth,
      );
      if (free === undefined) return [];
      rows[free] = place;
      return [{ place, row: free }];
    });
}
