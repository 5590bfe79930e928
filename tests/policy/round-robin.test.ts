import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { create, subsetsOf } from "../laws/policy-laws.ts";
import { countsOf, upstreamsOf } from "../support/upstreams.ts";

const weightSets = [[1, 1, 1], [3, 1, 2], [5, 1, 1], [8, 1, 1], [1, 1, 8], [7, 3, 2, 5], [256, 1, 100], [1]];

function picks(policy: ReturnType<typeof create>, available: ReturnType<typeof upstreamsOf>, count: number) {
  return Array.from({ length: count }, () => policy.pick(available, ""));
}

const sumOf = (available: ReturnType<typeof upstreamsOf>) =>
  available.reduce((sum, { weight }) => sum + weight, 0);
const exact = (available: ReturnType<typeof upstreamsOf>, rounds = 1) =>
  Object.fromEntries(available.map(({ id, weight }) => [id, weight * rounds]));

describe("round robin", () => {
  test("rotates strictly when weights are equal", () => {
    const available = upstreamsOf([1, 1, 1]);
    const order = picks(create("round-robin"), available, 9).map(({ id }) => id);
    expect(order.join("")).toBe("abcabcabc");
  });

  for (const weights of weightSets) {
    test(`is exact in every window of one cycle with weights ${weights.join("/")}`, () => {
      const available = upstreamsOf(weights);
      const cycle = sumOf(available);
      const order = picks(create("round-robin"), available, 4 * cycle);
      for (let start = 0; start <= 3 * cycle; start++) {
        expect(countsOf(order.slice(start, start + cycle))).toEqual(exact(available));
      }
    });
  }

  test("is exact with fractional weights, as in a slow start", () => {
    for (let tenths = 1; tenths <= 9; tenths++) {
      const available = upstreamsOf([tenths / 10, 1, 3]);
      const cycle = tenths + 40;
      const order = picks(create("round-robin"), available, 6 * cycle);
      for (let start = 0; start <= 5 * cycle; start++) {
        expect(countsOf(order.slice(start, start + cycle))).toEqual({ a: tenths, b: 10, c: 30 });
      }
    }
  });

  test("is exact for every available subset, also if it starts within another's cycle", () => {
    const all = upstreamsOf([8, 1, 1, 3, 5]);
    const policy = create("round-robin");
    const dice = seededRandom(11);
    for (let round = 0; round < 40; round++) {
      for (const available of subsetsOf(all)) {
        picks(policy, all, Math.floor(dice() * 20));
        expect(countsOf(picks(policy, available, 2 * sumOf(available)))).toEqual(exact(available, 2));
      }
    }
  });

  test("spreads the turns of a heavy upstream: never further than one turn from its share", () => {
    for (const weights of weightSets) {
      const available = upstreamsOf(weights);
      const cycle = sumOf(available);
      const taken = new Map(available.map(({ id }) => [id, 0]));
      picks(create("round-robin"), available, cycle).forEach(({ id }, index) => {
        taken.set(id, (taken.get(id) ?? 0) + 1);
        for (const upstream of available) {
          const share = ((index + 1) * upstream.weight) / cycle;
          expect(Math.abs((taken.get(upstream.id) ?? 0) - share)).toBeLessThanOrEqual(
            available.length / 2 + 0.5,
          );
        }
      });
    }
  });

  test("favours no upstream when the list changes after every request", () => {
    const all = upstreamsOf([1, 1, 1]);
    const policy = create("round-robin");
    const order = Array.from({ length: 300 }, () => policy.pick([...all], ""));
    expect(countsOf(order)).toEqual({ a: 100, b: 100, c: 100 });
  });

  test("keeps weights when the list changes after every request", () => {
    const all = upstreamsOf([3, 1]);
    const policy = create("round-robin");
    const counts = countsOf(Array.from({ length: 400 }, () => policy.pick([...all], "")));
    expect(Math.abs((counts["a"] ?? 0) - 300)).toBeLessThanOrEqual(2);
  });

  test("with 1/1/8 and the middle upstream down, the heavy one gets 8 of 9", () => {
    const [a, , c] = upstreamsOf([1, 1, 8]);
    if (!a || !c) throw new Error("three upstreams are expected");
    expect(countsOf(picks(create("round-robin"), [a, c], 90))).toEqual({ a: 10, c: 80 });
  });
});
