import { expect, test } from "bun:test";

import { noAlertReport } from "../../src/fleet/alert-report.ts";
import type { PeerReport } from "../../src/fleet/peer-report.ts";
import { Fleet } from "../../src/fleet/fleet.ts";
import { Journal } from "../../src/fleet/journal.ts";
import { Peers } from "../../src/fleet/peers.ts";
import { openRedisStore } from "../../src/fleet/redis-store.ts";
import type { FleetStore } from "../../src/fleet/store.ts";
import { systemClock, systemSchedule, systemWallClock } from "../../src/lib/clock.ts";
import { FleetStores } from "../support/fleet-store.ts";
import { hasRedis, RedisServer } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

const reportOf = (instance: string): PeerReport => ({
  ...{ instance, version: "1", configuration: "c", startedAt: 1, url: "", nonce: "n" },
  ...{ inFlight: 0, requestsPerSecond: 0, errorShare: 0, upstreams: {}, drains: {} },
  ...{ parts: {}, pools: {}, settings: "", omitted: 0, problems: { critical: 0, warning: 0 } },
  alerts: noAlertReport,
});

test.if(hasRedis)("balancers find each other, go silent, leave, and are gone after a minute", async () => {
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
  let now = 1_000;
  const [a, b, c] = ["a", "b", "c"].map((name) => new Peers(name, store, () => now)) as [Peers, Peers, Peers];
  expect([a.isHeard, a.aliveCount]).toEqual([false, 1]);
  for (const [peers, instance] of [
    [a, "1"],
    [b, "2"],
    [c, "3"],
    [a, "1"],
  ] as const)
    await peers.exchange(reportOf(instance));
  const states = () => a.others.map(({ name, state }) => `${name} ${state}`).join(", ");
  expect([states(), a.aliveCount, a.isHeard]).toEqual(["b alive, c alive", 3, true]);

  // What others write is no balancer.
  server.command("HSET", "ek:{g}:peers", "d", "rubbish", "<b>", "{}");
  server.command("ZADD", "ek:{g}:seen", "9999999999999", "d", "9999999999999", "<b>");
  await a.exchange(reportOf("1"));
  expect(states()).toBe("b alive, c alive");
  server.command("ZREM", "ek:{g}:seen", "d", "<b>");

  // The clock of the store was set back an hour after the last report of c.
  server.command("ZADD", "ek:{g}:seen", String(Date.now() + 3_600_000), "c");
  await a.exchange(reportOf("1"));
  expect(Number(server.command("ZSCORE", "ek:{g}:seen", "c"))).toBeLessThan(Date.now() + 1_000);

  // Lost data makes none gone, and one without a report is silent. The clock of the store does not run in this test.
  server.command("FLUSHALL");
  now += 4_000;
  await a.exchange(reportOf("1"));
  expect(states()).toBe("b silent, c silent");
  await b.exchange(reportOf("2"));
  await a.exchange(reportOf("1"));
  expect([states(), a.aliveCount]).toEqual(["b alive, c silent", 2]);

  // A minute in which the store was away does not count.
  now += 70_000;
  await a.exchange(reportOf("1"));
  expect(states()).toContain("c silent");
  for (let second = 0; second < 62; second++) {
    now += 1_000;
    await b.exchange(reportOf("2"));
    await a.exchange(reportOf("1"));
  }
  expect(states()).toBe("b alive");

  await b.leave();
  await a.exchange(reportOf("1"));
  expect([states(), a.aliveCount]).toEqual(["", 1]);

  // The process before a restart is no other one; a second process is.
  expect(a.namesake).toBeUndefined();
  const restarted = new Peers("a", store, () => now);
  await restarted.exchange(reportOf("4"));
  expect(restarted.namesake).toBeUndefined();
  await a.exchange(reportOf("1"));
  expect(a.namesake).toBe("4");
  store.close();
});

test.if(hasRedis)(
  "a balancer that leaves in the middle of a turn says nothing after its goodbye",
  async () => {
    await using server = await RedisServer.start();
    using stores = new FleetStores();
    const store = await stores.open(server.port);
    const left = Promise.withResolvers<void>();
    let isLeaving = false;
    /** Lets the balancer leave between the answer to a turn's read and what follows it. */
    const evalAndLeave: FleetStore["eval"] = async (script, keys, args) => {
      const reply = await store.eval(script, keys, args);
      if (keys[0] !== "epoch" || !fleet.hasSynced || isLeaving) return reply;
      isLeaving = true;
      // The last drain is over.
      fleet.reportSoon();
      await fleet.leave();
      left.resolve();
      return reply;
    };
    const fleet: Fleet = new Fleet({
      connection: {
        settings: { name: "a", group: "test", store: { kind: "server", hostname: "", port: 1, database: 0 } },
        store: {
          eval: evalAndLeave,
          get: (key) => store.get(key),
          set: (key, value, options) => store.set(key, value, options),
          del: (key) => store.del(key),
          publish: (channel, message) => store.publish(channel, message),
          subscribe: (channel, onMessage) => store.subscribe(channel, onMessage),
          onReady: (listener) => store.onReady(listener),
          close: () => store.close(),
        },
      },
      journal: new Journal("a"),
      ...{ clock: systemClock, wallClock: systemWallClock, schedule: systemSchedule },
      log: { debug() {}, info() {}, warn() {}, error() {} },
      report: () => reportOf("1"),
      ...{ onSettled() {}, onExchanged() {}, onLost() {}, onBack() {} },
    });
    fleet.start();
    await left.promise;
    // Whatever the turn still sends comes before this answer.
    await store.get("probe");
    expect(server.command("HGET", "ek:{test}:peers", "a")).toBe("left");
  },
);
