import { describe, expect, test } from "bun:test";

import { type Random, randomIndex, seededRandom } from "../../src/lib/random.ts";
import { TurnScheduler } from "../../src/lib/turn-scheduler.ts";
import type { Upstream } from "../../src/pool/upstream.ts";
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
    expect("abcabcabcabc").toContain(order.join(""));
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

/** The picks of NGINX's smooth weighted round robin, as positions: it costs O(n) for each pick. */
function nginxPicks(weights: readonly number[], count: number): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const current = weights.map(() => 0);
  return Array.from({ length: count }, () => {
    weights.forEach((weight, i) => (current[i] = (current[i] ?? 0) + weight));
    const best = current.indexOf(Math.max(...current));
    current[best] = (current[best] ?? 0) - sum;
    return best;
  });
}

/** The positions of the first picks from a list with these weights. */
function ourPicks(weights: readonly number[], count: number, random: Random = () => 0): number[] {
  const scheduler = new TurnScheduler<{ readonly position: number; readonly weight: number }>(random);
  scheduler.reset(
    weights.map((weight, position) => ({ position, weight })),
    ({ weight }) => weight,
  );
  return Array.from({ length: count }, () => scheduler.next().position);
}

function longestRun(order: readonly number[]): number {
  let [run, longest] = [0, 0];
  order.forEach((position, i) => {
    run = position === order[i - 1] ? run + 1 : 1;
    longest = Math.max(longest, run);
  });
  return longest;
}

/** How far the count of any position ever was from its share. */
function largestDeviation(weights: readonly number[], order: readonly number[]): number {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const taken = weights.map(() => 0);
  let largest = 0;
  order.forEach((picked, i) => {
    taken[picked] = (taken[picked] ?? 0) + 1;
    weights.forEach((weight, position) => {
      const share = ((i + 1) * weight) / sum;
      largest = Math.max(largest, Math.abs((taken[position] ?? 0) - share));
    });
  });
  return largest;
}

function randomWeights(dice: Random): number[] {
  const length = 2 + randomIndex(dice, 14);
  const most = [3, 10, 100][randomIndex(dice, 3)] ?? 1;
  const isSkewed = dice() < 0.3;
  return Array.from(
    { length },
    (_, i) => 1 + randomIndex(dice, isSkewed && i > 0 ? 2 : most) + (isSkewed && i === 0 ? 20 : 0),
  );
}

const tenOnes = Array.from({ length: 10 }, () => 1);

describe("round robin is as smooth as that of NGINX", () => {
  for (const { weights, run } of [
    { weights: [10, ...tenOnes], run: 2 },
    { weights: [5, 1, 1, 1], run: 3 },
    { weights: [7, 3, 2, 5], run: 2 },
    { weights: [256, 1, 100], run: 3 },
  ]) {
    test(`weights ${weights.join("/")} run to at most ${run}, wherever it begins`, () => {
      const length = 3 * weights.reduce((sum, weight) => sum + weight, 0);
      expect(longestRun(nginxPicks(weights, length))).toBeLessThanOrEqual(run);
      const dice = seededRandom(2);
      for (let i = 0; i < 20; i++)
        expect(longestRun(ourPicks(weights, length, dice))).toBeLessThanOrEqual(run);
    });
  }

  test("with any weights: no longer runs, and never a whole turn from the share", () => {
    const dice = seededRandom(17);
    let [ours, nginx] = [0, 0];
    for (let i = 0; i < 400; i++) {
      const weights = randomWeights(dice);
      const length = 2 * weights.reduce((sum, weight) => sum + weight, 0);
      const order = ourPicks(weights, length);
      const [mine, theirs] = [longestRun(order), longestRun(nginxPicks(weights, length))];
      expect(mine).toBeLessThanOrEqual(theirs + 1);
      expect(largestDeviation(weights, order)).toBeLessThan(1);
      ours += mine;
      nginx += theirs;
    }
    expect(ours).toBeLessThan(nginx);
  });

  test("also in the middle of a slow start", () => {
    const weights = [0.3, 1, 1, 4];
    expect(longestRun(ourPicks(weights, 630))).toBeLessThanOrEqual(3);
    expect(largestDeviation(weights, ourPicks(weights, 630))).toBeLessThan(1);
  });
});

describe("round robin of several processes", () => {
  for (const weights of [
    [1, 1, 1, 1],
    [5, 1, 1, 1],
  ]) {
    test(`begins at different places with weights ${weights.join("/")}`, () => {
      const firsts = [0, 0, 0, 0];
      const sum = weights.reduce((total, weight) => total + weight, 0);
      for (let seed = 0; seed < 400; seed++) {
        const [first = 0] = ourPicks(weights, 1, seededRandom(seed));
        firsts[first] = (firsts[first] ?? 0) + 1;
      }
      firsts.forEach((count, i) => {
        const share = (400 * (weights[i] ?? 0)) / sum;
        expect(Math.abs(count - share)).toBeLessThan(30);
      });
    });
  }
});

describe("round robin under changing lists", () => {
  const changes = {
    "one member leaves and returns": (all: readonly Upstream[], i: number) =>
      i % 2 ? all : all.slice(0, -1),
    "the heaviest leaves and returns": (all: readonly Upstream[], i: number) => (i % 2 ? all : all.slice(1)),
    "any of them may be away": (all: readonly Upstream[], _: number, dice: Random) => {
      const some = all.filter(() => dice() < 0.7);
      return some.length > 0 ? some : all;
    },
    "only the identity of the list changes": (all: readonly Upstream[]) => [...all],
  };
  for (const [what, change] of Object.entries(changes)) {
    test(`gives each its share of the requests while it is there: ${what}, every few picks`, () => {
      for (const weights of [
        [3, 1],
        [5, 1, 1, 1],
        [10, ...tenOnes],
        [7, 3, 2, 5],
        [100, 1, 1, 50],
      ]) {
        for (const every of [1, 2, 3, 5, 7]) {
          const dice = seededRandom(4);
          const all = upstreamsOf(weights);
          const policy = create("round-robin");
          const lead = new Map<Upstream, number>();
          let list = all as readonly Upstream[];
          for (let i = 0; i < 3_000; i++) {
            if (i % every === 0) list = change(all, i / every, dice);
            const picked = policy.pick(list, "");
            const sum = list.reduce((total, { weight }) => total + weight, 0);
            for (const one of list) lead.set(one, (lead.get(one) ?? 0) - one.weight / sum);
            lead.set(picked, (lead.get(picked) ?? 0) + 1);
            for (const one of list) expect(Math.abs(lead.get(one) ?? 0)).toBeLessThan(4);
          }
        }
      }
    });
  }

  test("keeps the shares while weights grow, as in slow starts", () => {
    const dice = seededRandom(6);
    const all = upstreamsOf([5, 1, 2]);
    const policy = create("round-robin");
    const lead = all.map(() => 0);
    for (let i = 0; i < 3_000; i++) {
      if (i % 4 === 0) for (const { slowStart } of all) slowStart.share = (1 + randomIndex(dice, 10)) / 10;
      const list = i % 4 === 0 ? [...all] : all;
      const sum = list.reduce((total, { effectiveWeight }) => total + effectiveWeight, 0);
      all.forEach((one, j) => (lead[j] = (lead[j] ?? 0) - one.effectiveWeight / sum));
      const position = all.indexOf(policy.pick(list, ""));
      lead[position] = (lead[position] ?? 0) + 1;
      for (const one of lead) expect(Math.abs(one)).toBeLessThan(4);
    }
  });
});
