import { describe, expect, test } from "bun:test";

import { type Entry, type Order, withAside } from "../../src/fleet/entry.ts";
import { carefulness, reconcile, type SharedState } from "../../src/fleet/reconcile.ts";
import { entry, idOf, local, meta, modeOrder } from "./entries.ts";

const key = "mode s1";

function shared(one: Entry | undefined, more: Partial<SharedState> = {}): SharedState {
  const entries = new Map(one ? [[key, one]] : []);
  return { epoch: "e1", nonce: "n1", isContinued: true, entries, damaged: new Set(), ...more };
}

const ready = entry("1", modeOrder("ready"));
/** Given where the first one was known. */
const later = entry("2", modeOrder("draining"), ["1"]);
/** Given where it was not. */
const other = entry("3", modeOrder("draining"));
const maintained = entry("4", modeOrder("maintenance"));

type Writes = Entry | undefined;
interface Row {
  readonly when: string;
  readonly theirs: Entry | undefined;
  readonly mine: Entry | undefined;
  /** What is written for: a pending entry; one that is not, in a store that lost something; one in a store that did not. */
  readonly writes: readonly [pending: Writes, lost: Writes, continued: Writes];
  /** What stands, in the same three cases. */
  readonly stands: readonly [Writes, Writes, Writes];
  /** What is written comes back to the store, unless it is pending. */
  readonly isRestored?: true;
}

const won = withAside(other, ready);
const wonByMaintenance = withAside(maintained, other);

const rows: readonly Row[] = [
  {
    when: "only this balancer has it",
    ...{ theirs: undefined, mine: ready },
    ...{ writes: [ready, ready, undefined], stands: [ready, ready, undefined], isRestored: true },
  },
  {
    when: "only the store has it",
    ...{ theirs: ready, mine: undefined },
    ...{ writes: [undefined, undefined, undefined], stands: [ready, ready, ready] },
  },
  {
    when: "both have the same order",
    ...{ theirs: ready, mine: ready },
    ...{ writes: [undefined, undefined, undefined], stands: [ready, ready, ready] },
  },
  {
    when: "theirs came after mine",
    ...{ theirs: later, mine: ready },
    ...{ writes: [undefined, undefined, undefined], stands: [later, later, later] },
  },
  {
    when: "mine came after theirs",
    ...{ theirs: ready, mine: later },
    ...{ writes: [later, later, later], stands: [later, later, later], isRestored: true },
  },
  {
    when: "neither knew of the other, and mine is more careful",
    ...{ theirs: ready, mine: other },
    ...{ writes: [won, won, undefined], stands: [won, won, ready] },
  },
  {
    when: "neither knew of the other, and theirs is more careful",
    ...{ theirs: maintained, mine: other },
    ...{ writes: [wonByMaintenance, wonByMaintenance, undefined] },
    ...{ stands: [wonByMaintenance, wonByMaintenance, maintained] },
  },
];

describe("an order of this balancer beside the store's", () => {
  const cases = [
    ["is pending", true, true],
    ["is shared, and the store has lost something", false, false],
    ["is shared, and the store has lost nothing", false, true],
  ] as const;
  for (const { when, theirs, mine, writes, stands, isRestored = false } of rows)
    test.each(cases.map((one, index) => [...one, index] as const))(
      `${when}; it %s`,
      (_, isPending, isContinued, index) => {
        const own = new Map(mine ? [[key, local(mine, isPending)]] : []);
        const result = reconcile(shared(theirs, { isContinued }), own);
        expect(result.writes.get(key)).toEqual(writes[index]);
        expect(result.entries.get(key)).toEqual(stands[index]);
        expect(result.dropped).toEqual(mine && !stands[index] ? [mine] : []);
        expect(result.restored).toBe(isRestored && !isPending && writes[index] ? 1 : 0);
      },
    );

  test("is put back where the store holds something that cannot be read", () => {
    const damaged = shared(undefined, { damaged: new Set([key]) });
    expect(reconcile(damaged, new Map([[key, local(later)]])).writes.get(key)).toEqual(later);
  });

  test("keeps what only one of two copies knows", () => {
    const [longer, shorter] = [
      entry("9", modeOrder("ready"), ["1", "2"]),
      entry("9", modeOrder("ready"), ["2"]),
    ];
    const result = reconcile(shared(shorter, { isContinued: false }), new Map([[key, local(longer)]]));
    expect(new Set(result.writes.get(key)?.past)).toEqual(new Set(longer.past));
    const back = reconcile(shared(longer), new Map([[key, local(shorter)]]));
    expect(back.writes.size).toBe(0);
    expect(back.entries.get(key)).toEqual(longer);
  });

  test("leaves a copy alone that is full", () => {
    const full = entry(
      "9",
      modeOrder("ready"),
      Array.from({ length: 24 }, (_, index) => String(index + 100)),
    );
    const another = entry("9", modeOrder("ready"), ["1"]);
    const result = reconcile(shared(full, { isContinued: false }), new Map([[key, local(another)]]));
    expect(result.writes.size).toBe(0);
  });
});

describe("of two orders that did not know of each other", () => {
  const order = (content: object): Order => ({ upstream: "s1", ...meta, ...content }) as Order;
  const address = { protocol: "http", hostname: "a", port: 80 } as const;
  const spec = { id: "s1", address, weight: 1, backup: false };
  const pairs: readonly (readonly [more: Order, less: Order])[] = [
    [modeOrder("maintenance"), modeOrder("draining")],
    [modeOrder("maintenance"), modeOrder("ready")],
    [modeOrder("draining"), modeOrder("ready")],
    [modeOrder("draining"), order({ kind: "forgotten", aspect: "mode" })],
    [order({ kind: "weight", weight: 0 }), order({ kind: "weight", weight: 256 })],
    [order({ kind: "weight", weight: 0 }), order({ kind: "forgotten", aspect: "weight" })],
    [order({ kind: "removed", pool: "p", address }), order({ kind: "forgotten", aspect: "member" })],
    [order({ kind: "removed", pool: "p", address }), order({ kind: "added", pool: "p", spec })],
    [order({ kind: "forgotten", aspect: "member" }), order({ kind: "added", pool: "p", spec })],
  ];

  test.each(pairs)("%p stands over %p, wherever it is", (more, less) => {
    expect(carefulness(more)).toBeGreaterThan(carefulness(less));
    for (const [mine, theirs] of [
      [more, less],
      [less, more],
    ] as const) {
      const result = reconcile(
        shared(entry("1", theirs)),
        new Map([[key, local(entry("2", mine), true)]]),
      ).entries.get(key);
      expect(result?.order).toEqual(more);
      expect(result?.past).toEqual([idOf(mine === more ? "1" : "2")]);
      expect(result?.aside).toHaveLength(1);
    }
  });

  test("the one in the store stands where both are as careful, and the same order twice is no conflict", () => {
    const [mine, theirs] = [order({ kind: "weight", weight: 5 }), order({ kind: "weight", weight: 7 })];
    const clash = (left: Order, right: Order) =>
      reconcile(shared(entry("1", left)), new Map([[key, local(entry("2", right), true)]])).entries.get(key);
    expect(clash(theirs, mine)).toMatchObject({ order: theirs, past: [idOf("2")] });
    expect(clash(theirs, mine)?.aside).toEqual([
      { id: idOf("2"), peer: "peer-of-2", by: "ann", what: "weight 5" },
    ]);
    expect(clash(theirs, theirs)).toMatchObject({ id: idOf("1"), past: [idOf("2")], aside: [] });
  });

  test("no time is looked at", () => {
    const old = { ...modeOrder("draining"), at: 0 };
    const young = { ...modeOrder("ready"), at: 9e12 };
    const result = reconcile(shared(entry("1", young)), new Map([[key, local(entry("2", old), true)]]));
    expect(result.entries.get(key)?.order).toEqual(old);
  });
});
