/** What every policy must do. */

import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { type BuiltInPolicy, policyEntry } from "../../src/policy/policies.ts";
import type { Policy } from "../../src/pool/selection.ts";
import type { Upstream } from "../../src/pool/upstream.ts";
import { countsOf, upstreamsOf } from "../support/upstreams.ts";

/** Every non-empty subset of a list. */
export function subsetsOf<T>(items: readonly T[]): T[][] {
  return Array.from({ length: 2 ** items.length - 1 }, (_, bits) =>
    items.filter((_, i) => ((bits + 1) >> i) & 1),
  );
}

export function create(name: BuiltInPolicy, now: { ms: number } = { ms: 0 }, seed = 7): Policy {
  return policyEntry(name).create({ random: seededRandom(seed), clock: () => now.ms });
}

export function policyLaws(name: BuiltInPolicy): void {
  describe(`policy ${name}`, () => {
    const weights = [3, 1, 2, 5, 1];

    test("returns an upstream of the list, for every available subset and any load", () => {
      const all = upstreamsOf(weights);
      const policy = create(name);
      const dice = seededRandom(3);
      for (const available of subsetsOf(all)) {
        for (let i = 0; i < 20; i++) {
          for (const upstream of all) upstream.inFlight = Math.floor(dice() * 4);
          expect(available).toContain(policy.pick(available, `key-${i}`));
        }
      }
    });

    test("chooses for a retry what it would pick without the tried ones, if it minds the key", () => {
      const available = upstreamsOf(weights);
      const policy = create(name);
      const keyed = policyEntry(name).keyed === true;
      expect(policy.next !== undefined).toBe(keyed);
      for (let i = 0; policy.next && i < 200; i++) {
        const tried: Upstream[] = [];
        while (tried.length < available.length) {
          const rest = available.filter((upstream) => !tried.includes(upstream));
          const next = policy.next(available, `key-${i}`, (upstream) => rest.includes(upstream));
          expect(next).toBe(policy.pick(rest, `key-${i}`));
          if (next) tried.push(next);
        }
        expect(policy.next(available, `key-${i}`, () => false)).toBeUndefined();
      }
    });

    test("peeks at the next pick without taking the turn, unless the pick is random", () => {
      const available = upstreamsOf(weights);
      const policy = create(name);
      if (!policy.peek) return expect(["random", "p2c", "hash", "first"]).toContain(name);
      for (let i = 0; i < 50; i++) {
        const peeked = policy.peek(available, `key-${i}`);
        expect(policy.peek(available, `key-${i}`)).toBe(peeked);
        expect(policy.pick(available, `key-${i}`)).toBe(peeked);
      }
    });

    test("returns the only upstream of a list", () => {
      const [only] = upstreamsOf([1]) as [Upstream];
      expect(create(name).pick([only], "any")).toBe(only);
    });

    test("changes neither an upstream nor the list", () => {
      const available = Object.freeze(upstreamsOf(weights));
      const before = JSON.stringify(available);
      const policy = create(name);
      for (let i = 0; i < 50; i++) policy.pick(available, `key-${i}`);
      expect(JSON.stringify(available)).toBe(before);
    });

    test("makes the same picks from the same seed, clock and load", () => {
      const available = upstreamsOf(weights);
      const [one, other] = [create(name), create(name)];
      for (let i = 0; i < 50; i++)
        expect(one.pick(available, `key-${i}`)).toBe(other.pick(available, `key-${i}`));
    });

    test("uses new effective weights when the list changes", () => {
      const all = upstreamsOf([1, 1, 1], { rise: 2, fall: 3, slowStartMs: 30_000 });
      const policy = create(name);
      for (let i = 0; i < 30; i++) policy.pick(all, `key-${i}`);
      all[2]?.slowStart.begin(0);
      const available = [...all];
      const picked = Array.from({ length: 2_100 }, (_, i) => policy.pick(available, `key-${i}`));
      const share = (countsOf(picked)["c"] ?? 0) / picked.length;
      // 0.1 of 2.1. Without load and latency these two do not see the weight; `first` always takes the first.
      if (name === "least-connections" || name === "p2c") expect(share).toBeWithin(0.2, 0.5);
      else if (name === "first") expect(share).toBe(0);
      else expect(share).toBeWithin(0.035, 0.065);
    });

    test("picks only from the new list when the list changes", () => {
      const all = upstreamsOf(weights);
      const policy = create(name);
      for (let i = 0; i < 10; i++) policy.pick(all, "key");
      const fewer = all.slice(3);
      for (let i = 0; i < 10; i++) expect(fewer).toContain(policy.pick(fewer, "key"));
    });
  });
}
