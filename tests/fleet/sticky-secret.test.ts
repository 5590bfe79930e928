import { describe, expect, test } from "bun:test";

import { Seal } from "../../src/fleet/seal.ts";
import { StickySecret } from "../../src/fleet/sticky-secret.ts";
import type { FleetStore } from "../../src/fleet/store.ts";
import { systemSchedule } from "../../src/lib/clock.ts";
import { openSqlite } from "../../src/state/sqlite-store.ts";
import { FleetStores } from "../support/fleet-store.ts";
import { temporaryFolder } from "../support/folder.ts";
import { hasRedis, RedisServer, Relay } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("sticky-secret");
const key = "k".repeat(32);

/** A balancer with its state file. */
function peer(store: FleetStore, file: string, sealKey = key) {
  const kept = openSqlite(inFolder(file));
  const warnings: string[] = [];
  let changes = 0;
  const secret = new StickySecret({
    ...{ store, kept, seal: new Seal(sealKey === "none" ? undefined : sealKey), schedule: systemSchedule },
    log: { debug() {}, info() {}, error() {}, warn: (message) => void warnings.push(message) },
    onChange: () => (changes += 1),
  });
  secret.start();
  return {
    secret,
    warnings,
    changes: () => changes,
    own: kept.secret("sticky"),
    [Symbol.dispose]() {
      secret.stop();
      kept.close();
    },
  };
}

describe.if(hasRedis)("the sticky secret of a fleet", () => {
  test("is the one that the first balancer has; the others use it and still read their own cookies", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    using one = peer(await stores.open(redis.port), "a.db");
    await until(() => redis.command("KEYS", "*") !== "", "the secret in the store");
    using other = peer(await stores.open(redis.port), "b.db");
    await until(() => other.secret.secrets.length === 2, "the secret of the fleet");
    expect(one.secret.secrets).toEqual([one.own]);
    expect(other.secret.secrets).toEqual([one.own, other.own]);
    expect([one.changes(), other.changes()]).toEqual([0, 1]);
    const stored = redis.command("GET", "ek:{test}:sticky-secret");
    expect(stored).toMatch(/^gcm1:/);
    expect(stored).not.toContain(one.own);
  });

  test("is there without the store after a restart, and comes back after the store has lost it", async () => {
    await using redis = await RedisServer.start();
    await using relay = await Relay.to(redis.port);
    using stores = new FleetStores();
    using one = peer(await stores.open(redis.port), "c.db");
    await until(() => redis.command("KEYS", "*") !== "", "the secret in the store");
    const store = await stores.open(relay.port);
    let known: readonly string[] = [];
    {
      using other = peer(store, "d.db");
      await until(() => other.secret.secrets.length === 2, "the secret of the fleet");
      known = other.secret.secrets;
    }
    relay.cut();
    redis.command("FLUSHALL");
    using again = peer(store, "d.db");
    expect(again.secret.secrets).toEqual(known);
    relay.heal();
    await until(() => redis.command("KEYS", "*") !== "", "the secret in the store", 15_000);
    using third = peer(await stores.open(redis.port), "e.db");
    await until(() => third.secret.secrets.length === 2, "the secret of the fleet");
    expect(third.secret.secrets[0]).toBe(one.own);
  }, 30_000);

  test("with another key, or rubbish in the store, each goes on with what it knows, and says so once", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    using one = peer(await stores.open(redis.port), "f.db");
    await until(() => redis.command("KEYS", "*") !== "", "the secret in the store");
    using other = peer(await stores.open(redis.port), "g.db", "x".repeat(32));
    using open = peer(await stores.open(redis.port), "h.db", "none");
    for (const { secret, warnings, own } of [other, open]) {
      await until(() => warnings.length > 0, "a warning");
      expect(secret.secrets).toEqual([own]);
      expect(warnings).toEqual(["sticky secret of the fleet unreadable"]);
    }
    expect(one.warnings).toEqual([]);
  });
});
