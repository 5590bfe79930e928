/** A weighted throw of the dice. */

import type { Random } from "../lib/random.ts";
import type { Policy } from "../pool/selection.ts";
import type { Upstream } from "../pool/upstream.ts";

/** Each upstream with probability weight ÷ Σweight; a binary search in the running sums, made anew with the fit list. */
export function random(dice: Random): Policy {
  let known: readonly Upstream[] = [];
  let sums: number[] = [];
  return {
    pick(fit) {
      if (fit !== known) {
        let sum = 0;
        sums = fit.map((upstream) => (sum += upstream.effectiveWeight));
        known = fit;
      }
      const thrown = dice() * (sums.at(-1) ?? 0);
      let [low, high] = [0, fit.length - 1];
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (thrown < (sums[middle] ?? 0)) high = middle;
        else low = middle + 1;
      }
      return fit[low] as Upstream;
    },
  };
}
