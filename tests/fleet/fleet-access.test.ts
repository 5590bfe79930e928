import { describe, expect, test } from "bun:test";

import { Access } from "../../src/access/access.ts";
import { FleetAccess } from "../../src/fleet/fleet-access.ts";
import { Seal } from "../../src/fleet/seal.ts";
import type { FleetStore } from "../../src/fleet/store.ts";
import { type Schedule, systemClock, systemSchedule, systemWallClock } from "../../src/lib/clock.ts";
import { digestOf } from "../../src/lib/secrets.ts";
import { openSqlite } from "../../src/state/sqlite-store.ts";
import { FleetStores } from "../support/fleet-store.ts";
import { temporaryFolder } from "../support/folder.ts";
import { hasRedis, RedisServer, Relay } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("fleet-access");
const key = "k".repeat(32);
const ann = { name: "ann", role: "operator", passwordHash: "hash of ann" } as const;

interface PeerOptions {
  readonly store: FleetStore;
  readonly file: string;
  /** Milliseconds that its clocks are ahead. */
  readonly aheadMs?: number;
}

/** What happens each ten seconds happens sooner. */
const schedule: Schedule = (delayMs, task) => systemSchedule(delayMs === 10_000 ? 300 : delayMs, task);

/** A balancer's admin API, with its state file. The time of the machine may be wrong. */
function peer({ store, file, aheadMs = 0 }: PeerOptions) {
  const kept = openSqlite(inFolder(file));
  const skewMs = { now: aheadMs };
  const clock = () => systemClock() + skewMs.now;
  const sharing = new FleetAccess({
    ...{ store, kept, seal: new Seal(key), clock, schedule },
    wallClock: () => systemWallClock() + skewMs.now,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const access = new Access({
    ...{ clock, sharing, accounts: () => ({ users: [ann] }), onLogin() {} },
    passwords: {
      hash: (password) => Promise.resolve(password),
      verify: (password) => Promise.resolve(password === "right"),
    },
  });
  sharing.begin(access.sessions);
  const login = (password = "right", address = "192.0.2.1") =>
    access.login({ name: "ann", password, address });
  return {
    access,
    skewMs,
    login,
    /** @returns the bearer */
    async session() {
      const result = await login();
      if (result.kind !== "accepted") throw new Error(result.kind);
      return result.session;
    },
    /** As the admin API does for each request. */
    async uses(bearer: string) {
      await access.recall(bearer);
      return access.identify(bearer)?.name;
    },
    [Symbol.dispose]() {
      sharing.stop();
      kept.close();
    },
  };
}

describe.if(hasRedis)("sessions of a fleet", () => {
  test("are good at every balancer from the login on, and nowhere after a logout anywhere", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    using one = peer({ store: await stores.open(redis.port), file: "a.db" });
    using other = peer({ store: await stores.open(redis.port), file: "b.db", aheadMs: 3_600_000 });
    const bearer = await one.session();
    expect(await other.uses(bearer)).toBe("ann");
    expect(await other.access.logout(bearer, "192.0.2.1")).toBe(true);
    const startedAt = performance.now();
    await until(() => one.access.identify(bearer) === undefined, "the end of the session at the other");
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect([await one.uses(bearer), await other.uses(bearer)]).toEqual([undefined, undefined]);
    // Only digests are stored, and the names are sealed.
    const all = redis.command("--raw", "EVAL", dumpScript, "0");
    expect(all).toContain(`session:${digestOf(bearer)}`);
    expect(all).not.toContain(bearer);
    expect(all).not.toContain("ann");
  });

  test("go on without the store, and logins of that time are shared afterwards", async () => {
    await using redis = await RedisServer.start();
    await using relay = await Relay.to(redis.port);
    using stores = new FleetStores();
    using one = peer({ store: await stores.open(redis.port), file: "c.db" });
    using other = peer({ store: await stores.open(relay.port), file: "d.db" });
    const before = await one.session();
    expect(await other.uses(before)).toBe("ann");
    relay.stall();
    expect(await other.uses(before)).toBe("ann");
    const startedAt = performance.now();
    const during = await other.session();
    // Patience of a login, twice: for the failures and for the session.
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    expect(await other.uses(during)).toBe("ann");
    expect(await one.uses(during)).toBeUndefined();
    relay.heal();
    await until(async () => (await one.uses(during)) === "ann", "the session at the other", 8_000);
  }, 20_000);

  test("end by a logout without the store at once there, and elsewhere when it is back, also after a restart", async () => {
    await using redis = await RedisServer.start();
    await using relay = await Relay.to(redis.port);
    using stores = new FleetStores();
    using one = peer({ store: await stores.open(redis.port), file: "e.db" });
    const bearer = await one.session();
    const store = await stores.open(relay.port);
    {
      using other = peer({ store, file: "f.db" });
      expect(await other.uses(bearer)).toBe("ann");
      relay.cut();
      expect(await other.access.logout(bearer, "192.0.2.1")).toBe(true);
      expect(await other.uses(bearer)).toBeUndefined();
      expect(await one.uses(bearer)).toBe("ann");
    }
    using other = peer({ store, file: "f.db" });
    relay.heal();
    await until(
      () => one.access.identify(bearer) === undefined,
      "the end of the session at the other",
      8_000,
    );
    expect([await one.uses(bearer), await other.uses(bearer)]).toEqual([undefined, undefined]);
  }, 20_000);

  test("come back to a store that has lost its data, and those that have ended do not", async () => {
    await using redis = await RedisServer.start();
    await using relay = await Relay.to(redis.port);
    using stores = new FleetStores();
    using one = peer({ store: await stores.open(redis.port), file: "g.db" });
    using away = peer({ store: await stores.open(relay.port), file: "h.db" });
    const [stays, ends] = [await one.session(), await one.session()];
    for (const bearer of [stays, ends]) expect(await away.uses(bearer)).toBe("ann");
    // The other hears nothing of the logout, and brings the session back after the flush.
    relay.cut();
    await one.access.logout(ends, "192.0.2.1");
    redis.command("FLUSHALL");
    relay.heal();
    await until(
      () => redis.command("EXISTS", `ek:{test}:session:${digestOf(ends)}`) === "1",
      "the session",
      15_000,
    );
    await until(() => away.access.identify(ends) === undefined, "the end of the session", 25_000);
    using third = peer({ store: await stores.open(redis.port), file: "i.db" });
    expect([await third.uses(stays), await third.uses(ends)]).toEqual(["ann", undefined]);
  }, 60_000);

  test("that are used at one balancer do not end by idleness at the others, and all end with their life", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    using one = peer({ store: await stores.open(redis.port), file: "j.db" });
    using other = peer({ store: await stores.open(redis.port), file: "k.db" });
    const bearer = await one.session();
    expect(await other.uses(bearer)).toBe("ann");
    one.skewMs.now += 29 * 60_000;
    expect(await one.uses(bearer)).toBe("ann");
    one.skewMs.now += 31 * 60_000;
    expect(one.access.identify(bearer)).toBeUndefined();
    expect(await one.uses(bearer)).toBe("ann");
    // Its age counts from the login, whoever says so.
    one.skewMs.now += 13 * 3_600_000;
    expect(one.access.identify(bearer)).toBeUndefined();
  });

  test("are not made by what else is in the store", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    using one = peer({ store: await stores.open(redis.port), file: "l.db" });
    const bearer = "b".repeat(43);
    const name = `ek:{test}:session:${digestOf(bearer)}`;
    const mark = digestOf(ann.passwordHash);
    const sealed = new Seal("x".repeat(32)).close(
      `session:${digestOf(bearer)}`,
      `{"name":"ann","mark":"${mark}"}`,
    );
    for (const value of [
      "",
      "rubbish",
      `1 open1:{"name":"ann","mark":"${mark}"}`,
      `1 ${sealed}`,
      `x ${sealed}`,
    ]) {
      redis.command("SET", name, value, "PX", "60000");
      expect(await one.uses(bearer)).toBeUndefined();
    }
    redis.command("DEL", name);
    redis.command("LPUSH", name, "a");
    expect(await one.uses(bearer)).toBeUndefined();
    // Nor are they closed by it.
    const own = await one.session();
    redis.command("PUBLISH", "ek:{test}:sessions", "not a digest");
    redis.command("SET", `ek:{test}:session:${digestOf(own)}`, "rubbish");
    expect(await one.uses(own)).toBe("ann");
  });
});

describe.if(hasRedis)("failed logins of a fleet", () => {
  test("pause a name and address everywhere, as soon as at one balancer", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    using one = peer({ store: await stores.open(redis.port), file: "m.db" });
    using other = peer({ store: await stores.open(redis.port), file: "n.db" });
    for (let turn = 0; turn < 5; turn++)
      expect((await (turn % 2 === 0 ? one : other).login("wrong")).kind).toBe("refused");
    for (const { login } of [one, other]) expect(await login()).toMatchObject({ kind: "paused" });
    // From elsewhere the owner gets in.
    expect((await other.login("right", "198.51.100.9")).kind).toBe("accepted");
    await until(async () => (await other.login()).kind === "accepted", "the end of the pause");
    // That was the right password: all is forgotten.
    for (let turn = 0; turn < 4; turn++) expect((await one.login("wrong")).kind).toBe("refused");
    expect((await one.login()).kind).toBe("accepted");
    expect(redis.command("--raw", "EVAL", dumpScript, "0")).not.toContain("192.0.2.1");
  });

  test("pause at each balancer alone while the store is away", async () => {
    await using redis = await RedisServer.start();
    await using relay = await Relay.to(redis.port);
    using stores = new FleetStores();
    using one = peer({ store: await stores.open(relay.port), file: "o.db" });
    relay.cut();
    for (let turn = 0; turn < 5; turn++) expect((await one.login("wrong")).kind).toBe("refused");
    expect(await one.login()).toMatchObject({ kind: "paused" });
  });
});

/** All keys and values. */
const dumpScript = `local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  found[#found + 1] = key
  local value = redis.pcall('GET', key)
  if type(value) == 'string' then found[#found + 1] = value end
end
return found`;
