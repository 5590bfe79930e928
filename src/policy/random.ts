/** Policy `random`: weighted random selection. */

import type { Random } from "../lib/random.ts";
import type { Policy } from "../pool/selection.ts";
import type { Upstream } from "../pool/upstream.ts";

/** Each upstream with probability weight ÷ Σweight: a binary search in running sums, which are rebuilt with the list. */
export function random(dice: Random): Policy {
  let previous: readonly Upstream[] = [];
  let sums: number[] = [];
  return {
    pick(available) {
      if (available !== previous) {
        let sum = 0;
        sums = available.map((upstream) => (sum += upstream.effectiveWeight));
        previous = available;
      }
      const point = dice() * (sums.at(-1) ?? 0);
      let [low, high] = [0, available.length - 1];
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (point < (sums[middle] ?? 0)) high = middle;
        else low = middle + 1;
      }
      return available[low] as Upstream;
    },
  };
}
