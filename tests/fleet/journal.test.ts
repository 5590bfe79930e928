import { describe, expect, test } from "bun:test";

import { evenOut, localOrder, orderJournalOf } from "../../src/control/fleet-journal.ts";
import { Intents } from "../../src/control/desired-state.ts";
import { Journal } from "../../src/fleet/journal.ts";
import { openRedisStore } from "../../src/fleet/redis-store.ts";
import { StoredOrders } from "../../src/fleet/shared-state.ts";
import { systemSchedule } from "../../src/lib/clock.ts";
import { openSqlite } from "../../src/state/sqlite-store.ts";
import { temporaryFolder } from "../support/folder.ts";
import { hasRedis, RedisServer } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";
import { entry, meta, modeOrder } from "./entries.ts";

const inFolder = temporaryFolder("journal");
const log = { debug() {}, info() {}, warn() {}, error() {} };
const mode = (value: "ready" | "draining" | "maintenance", upstream = "s1") => modeOrder(value, upstream);
type Change = Parameters<Intents["write"]>[0][number];

/** A balancer on its state file, as after a start. */
function opened(file: string, isInFleet = true) {
  const store = openSqlite(file);
  const journal = new Journal("a", store.fleet());
  let woken = 0;
  const orders = orderJournalOf(
    journal,
    () => 5,
    () => (woken += 1),
  );
  const intents = new Intents(store, log, isInFleet ? orders : undefined);
  if (isInFleet) evenOut(intents, journal, "a");
  return { store, journal, intents, woken: () => woken };
}

describe("the journal of a fleet in the state file", () => {
  test("has an order before it returns, as pending, also after a restart", () => {
    const file = inFolder("restart.db");
    const before = opened(file);
    before.intents.write([mode("draining") as Change]);
    expect(before.woken()).toBe(1);
    const [pending] = before.journal.pending;
    before.store.close();
    const after = opened(file);
    expect(after.journal.pending).toEqual([pending as NonNullable<typeof pending>]);
    expect(after.intents.get("mode", "s1")).toMatchObject({ mode: "draining", by: "ann" });
    after.intents.write([mode("ready") as Change]);
    expect(after.journal.entries.get("mode s1")?.past).toEqual([pending?.id ?? ""]);
    after.store.close();
  });

  test("takes orders that were given without a fleet as orders of now", () => {
    const file = inFolder("without.db");
    const first = opened(file);
    first.intents.write([mode("draining") as Change, mode("draining", "s2") as Change]);
    const id = first.journal.entries.get("mode s1")?.id;
    first.store.close();
    const alone = opened(file, false);
    alone.intents.write([mode("ready") as Change]);
    alone.store.close();
    const back = opened(file);
    expect(back.journal.entries.get("mode s1")).toMatchObject({
      isPending: true,
      past: [id],
      order: { mode: "ready" },
    });
    expect(back.intents.all).toHaveLength(2);
    back.store.close();
  });

  test("withdraws only what was ordered", () => {
    const { journal, intents, store } = opened(":memory:");
    intents.write([{ kind: "forgotten", upstream: "s1", aspect: "weight" }]);
    expect(journal.entries.size).toBe(0);
    intents.write([{ kind: "weight", upstream: "s1", weight: 3, ...meta }]);
    intents.write([{ kind: "forgotten", upstream: "s1", aspect: "weight" }]);
    expect(journal.entries.get("weight s1")?.order).toMatchObject({
      kind: "forgotten",
      by: "balancer",
      at: 5,
    });
    store.close();
  });

  test("names the balancer where an order was given, unless it is this one", () => {
    const one = entry("1", mode("draining"));
    expect(localOrder(one, "a").by).toBe("ann at peer-of-1");
    expect(localOrder(one, "peer-of-1").by).toBe("ann");
  });

  test("keeps an order that was given while its writes were on the way", () => {
    const journal = new Journal("a");
    journal.order([mode("draining")]);
    const state = {
      epoch: "e",
      nonce: "n",
      isContinued: true,
      entries: new Map(),
      damaged: new Set<string>(),
    };
    const plan = journal.plan(state);
    const first = journal.entries.get("mode s1");
    journal.order([mode("ready")]);
    const { record, adopted } = journal.settle(plan, { epoch: "e", nonce: "n2" });
    expect(adopted).toEqual([]);
    expect(record.entries).toEqual([]);
    expect(journal.pending).toMatchObject([{ order: { mode: "ready" }, past: [first?.id] }]);
    expect(journal.known).toEqual({ epoch: "e", nonce: "n2" });
  });
});

test.if(hasRedis)(
  "the shared orders are compared as a whole, and withdrawn ones are forgotten after a month",
  async () => {
    await using server = await RedisServer.start();
    const store = await openRedisStore({
      settings: {
        ...{ name: "a", group: "g" },
        store: { kind: "server", hostname: "127.0.0.1", port: server.port, database: 0 },
      },
      schedule: systemSchedule,
    });
    await until(() =>
      store.get("x").then(
        () => true,
        () => false,
      ),
    );
    const orders = new StoredOrders(store, "g");
    const nothing = { epoch: "", nonce: "" };
    const read = async (known = nothing, isFull = true) => {
      const state = await orders.read(known, isFull);
      if (state === "same") throw new Error("expected a state");
      return state;
    };
    const empty = await read();
    expect(empty).toMatchObject({ epoch: "", nonce: "", isContinued: true });
    expect(await orders.read(nothing, false)).toBe("same");
    const withdrawn = entry("2", { kind: "forgotten", upstream: "s2", aspect: "weight", ...meta });
    const first = await orders.commit(
      empty,
      new Map([
        ["mode s1", entry("1", mode("draining"))],
        ["weight s2", withdrawn],
      ]),
    );
    expect(first.isCommitted).toBe(true);
    // The same once more: the store is another one by now.
    expect((await orders.commit(empty, new Map([["mode s1", entry("3", mode("ready"))]]))).isCommitted).toBe(
      false,
    );
    expect(await orders.read(first.known, false)).toBe("same");
    const state = await read(first.known);
    expect([...state.entries.keys()].sort()).toEqual(["mode s1", "weight s2"]);
    expect(state.isContinued).toBe(true);
    expect((await read({ epoch: first.known.epoch, nonce: "other" })).isContinued).toBe(false);
    expect((await read({ epoch: "other", nonce: first.known.nonce })).isContinued).toBe(false);
    const second = await orders.commit(state, new Map([["mode s1", entry("4", mode("ready"), ["1"])]]));
    expect((await read(first.known)).isContinued).toBe(true);
    expect((await read(second.known)).entries.size).toBe(2);
    const month = 31 * 86_400_000;
    server.command("ZADD", "ek:{g}:withdrawn", String(Date.now() - month), "weight s2");
    const third = await orders.commit(
      await read(second.known),
      new Map([["mode s1", entry("5", mode("ready"), ["4"])]]),
    );
    expect([...(await read(third.known)).entries.keys()]).toEqual(["mode s1"]);
    // A list of commits that is full says nothing about older ones: the balancer is old, not the store.
    server.command("EVAL", "for i=1,10000 do redis.call('RPUSH', KEYS[1], i) end", "1", "ek:{g}:nonces");
    expect((await read({ epoch: first.known.epoch, nonce: "older" })).isContinued).toBe(true);
    const much = new Map(
      Array.from({ length: 3_000 }, (_, index) => {
        const one = entry("1", { ...mode("draining", `s${index}`), why: "x".repeat(500) });
        return [`mode s${index}`, one] as const;
      }),
    );
    expect(orders.commit(await read(third.known), much)).rejects.toThrow("it is full");
    store.close();
  },
);
