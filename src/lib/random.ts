/** Randomness as a plain function, so that tests and simulations can pass a seeded source. */

/** A number in [0, 1): the shape of `Math.random`. */
export type Random = () => number;

export const systemRandom: Random = () => Math.random();

/**
 * A repeatable source: the same seed returns the same numbers.
 * Source: mulberry32, Tommy Ettinger 2017, public domain. Not for secrets.
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** An integer in [0, below). */
export function randomIndex(random: Random, below: number): number {
  return Math.floor(random() * below);
}
