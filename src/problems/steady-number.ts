/** Rounded numbers for titles: they change only when the value has been off for a while, so that sentences do not flicker. */

/** How far a value may be from the shown one, as a share of it, and for how long. */
const tolerance = 0.2;
const patienceMs = 10_000;

interface ShownNumber {
  shown: number;
  /** Clock time since when the value has been off; undefined while it is near. */
  offSince: number | undefined;
}

/** The numbers in the title of one problem, by name. */
export class SteadyNumbers {
  readonly #numbers = new Map<string, ShownNumber>();
  #now = 0;

  /** @param now clock time, milliseconds */
  tick(now: number): void {
    this.#now = now;
  }

  /** The rounded value, or the one shown before while this one is near to it. */
  show(name: string, value: number, round: (value: number) => number): number {
    const known = this.#numbers.get(name);
    if (!known) {
      const shown = round(value);
      this.#numbers.set(name, { shown, offSince: undefined });
      return shown;
    }
    if (Math.abs(value - known.shown) <= tolerance * Math.abs(known.shown)) known.offSince = undefined;
    else known.offSince ??= this.#now;
    if (known.offSince !== undefined && this.#now - known.offSince >= patienceMs) {
      known.shown = round(value);
      known.offSince = undefined;
    }
    return known.shown;
  }

  /** For a problem that opens again with other numbers. */
  clear(): void {
    this.#numbers.clear();
  }
}

/** A share as one of few: 0.001, 0.002, 0.005 … 0.05, then whole tenths. */
export function roundShare(share: number): number {
  if (share >= 0.075) return Math.min(1, Math.round(share * 10) / 10);
  if (share <= 0) return 0;
  const magnitude = 10 ** Math.floor(Math.log10(share));
  const digit = share / magnitude;
  return Number(((digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10) * magnitude).toPrecision(1));
}

/** A whole multiple from 2 on: "8 times". */
export function roundMultiple(multiple: number): number {
  return Math.max(2, Math.round(multiple));
}

/** Two digits are enough to act on: 614 → 610. */
export function roundCount(count: number): number {
  if (count < 20) return Math.round(count);
  const magnitude = 10 ** (Math.floor(Math.log10(count)) - 1);
  return Math.round(count / magnitude) * magnitude;
}
