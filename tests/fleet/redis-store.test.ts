import { describe, expect, test } from "bun:test";

import { openRedisStore } from "../../src/fleet/redis-store.ts";
import type { FleetSettings } from "../../src/fleet/settings.ts";
import type { FleetStore } from "../../src/fleet/store.ts";
import { systemSchedule } from "../../src/lib/clock.ts";
import { TestAuthority } from "../support/acme-authority.ts";
import { hasRedis, hasSentinel, RedisServer, Relay } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

const settingsFor = (port: number, more: Partial<FleetSettings> = {}): FleetSettings => ({
  name: "one",
  group: "test",
  store: { kind: "server", hostname: "127.0.0.1", port, database: 0 },
  ...more,
});

class Opened implements Disposable {
  readonly store: FleetStore;
  constructor(store: FleetStore) {
    this.store = store;
  }
  [Symbol.dispose](): void {
    this.store.close();
  }
}

const open = async (settings: FleetSettings) =>
  new Opened(await openRedisStore({ settings, schedule: systemSchedule }));

const works = (store: FleetStore) => () =>
  store.get("probe").then(
    () => true,
    () => false,
  );

/** The reason of the next call that fails. */
async function failure(store: FleetStore): Promise<string> {
  let why = "";
  await until(async () => {
    try {
      await store.get("probe");
      return false;
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
      return why !== "no connection yet";
    }
  });
  return why;
}

describe.if(hasRedis)("the store in Redis", () => {
  test("reads, writes, deletes and runs scripts under the name of the fleet", async () => {
    await using server = await RedisServer.start();
    using opened = await open(settingsFor(server.port));
    const { store } = opened;
    await until(works(store));
    expect(await store.get("a")).toBeUndefined();
    expect(await store.set("a", "1")).toBe(true);
    expect(await store.set("a", "2", { ifAbsent: true })).toBe(false);
    expect(await store.set("b", "2", { ifAbsent: true, ttlMs: 60_000 })).toBe(true);
    expect(await store.get("a")).toBe("1");
    expect(await store.eval("return {redis.call('GET', KEYS[1]), ARGV[1]}", ["b"], [7])).toEqual(["2", "7"]);
    expect(Number(server.command("PTTL", "ek:{test}:b"))).toBeGreaterThan(1_000);
    expect(server.command("GET", "ek:{test}:a")).toBe("1");
    expect(await store.del("a")).toBe(true);
    expect(await store.del("a")).toBe(false);
  });

  test("brings messages to every subscriber, also after the connection was cut", async () => {
    await using server = await RedisServer.start();
    await using relay = await Relay.to(server.port);
    using one = await open(settingsFor(server.port));
    using other = await open(settingsFor(relay.port));
    let seen = 0;
    const cancel = other.store.subscribe("changed", () => (seen += 1));
    const publish = async () => {
      await one.store.publish("changed", "x").catch(() => {});
      return seen > 0;
    };
    await until(publish);
    relay.cut();
    relay.heal();
    seen = 0;
    await until(publish);
    cancel();
    seen = 0;
    await one.store.publish("changed", "x");
    await one.store.get("probe");
    expect(seen).toBe(0);
  });

  test("answers within half a second while the server is frozen, and works again within two", async () => {
    await using server = await RedisServer.start();
    using opened = await open(settingsFor(server.port));
    await until(works(opened.store));
    server.freeze();
    for (let call = 0; call < 3; call++) {
      const before = performance.now();
      expect(await failure(opened.store)).not.toBe("");
      expect(performance.now() - before).toBeLessThan(1_500);
    }
    server.thaw();
    await until(works(opened.store), "it works again");
  });

  test("keeps few calls while the server is frozen, and refuses the others at once", async () => {
    await using server = await RedisServer.start();
    using opened = await open(settingsFor(server.port));
    await until(works(opened.store));
    server.freeze();
    const reasons = await Promise.all(
      Array.from({ length: 1_000 }, () =>
        opened.store.get("a").then(
          () => "answered",
          (error: Error) => error.message,
        ),
      ),
    );
    expect(reasons.filter((why) => why === "256 calls wait for an answer").length).toBe(744);
    expect(reasons).not.toContain("answered");
  });

  test("returns after the server was killed, and tells every return", async () => {
    await using server = await RedisServer.start();
    using opened = await open(settingsFor(server.port));
    await until(works(opened.store));
    let returns = 0;
    opened.store.onReady(() => (returns += 1));
    await server.kill();
    expect(await failure(opened.store)).toMatch(/connection refused|the connection was cut/);
    await server.start();
    await until(works(opened.store));
    await until(() => returns >= 2, "both connections are back");
  });

  test("notices a link that drops everything", async () => {
    await using server = await RedisServer.start();
    await using relay = await Relay.to(server.port);
    using opened = await open(settingsFor(relay.port));
    await until(works(opened.store));
    relay.stall();
    expect(await failure(opened.store)).toBe("no answer within 500 ms");
    relay.heal();
    await until(works(opened.store));
  });

  test("says in a few words why there is no connection", async () => {
    await using server = await RedisServer.start({
      lines: [
        "user default off",
        "user ek on >right ~ek:* &ek:* +@all",
        "user little on >right ~other:* +get +auth",
        "user mute on >right ~* resetchannels +@all",
      ],
    });
    const why = async (more: Partial<FleetSettings>, port = server.port) => {
      using opened = await open(settingsFor(port, more));
      return await failure(opened.store);
    };
    expect(await why({ user: "ek", password: "wrong" })).toBe("wrong user name or password (WRONGPASS)");
    expect(await why({})).toBe("it asks for a password (NOAUTH)");
    expect(await why({ user: "little", password: "right" })).toBe("the user may not do this (NOPERM)");
    const script = async (user: string, text: string) => {
      using opened = await open(settingsFor(server.port, { user, password: "right" }));
      await until(works(opened.store));
      return opened.store.eval(text, ["a"], []).catch(String);
    };
    expect(await script("mute", "return redis.call('PUBLISH', 'a', '')")).toMatch(
      /may not do this \(NOPERM\)$/,
    );
    const twice = "redis.call('SET', KEYS[1], ''); redis.call('LPUSH', KEYS[1], '')";
    expect(await script("ek", twice)).toMatch(/another program uses a key of the fleet \(WRONGTYPE\)$/);
    expect(await why({ tls: {} })).toMatch(/TLS|cut|no answer/);
    expect(await why({}, 1)).toBe("connection refused");
    const sentinelAt = (port: number) => ({
      store: { kind: "sentinels", sentinels: [{ hostname: "127.0.0.1", port }], master: "main" } as const,
    });
    expect(await why(sentinelAt(1))).toMatch(/connection refused|no Sentinel answers/);
    await using noSentinel = await RedisServer.start();
    expect(await why(sentinelAt(noSentinel.port))).toBe("an address of sentinels is that of no Sentinel");
    using right = await open(settingsFor(server.port, { user: "ek", password: "right" }));
    await until(works(right.store));
  });

  test("uses no other database than its own: the first one may be another fleet's", async () => {
    await using server = await RedisServer.start();
    const inDatabase = (database: number) =>
      open(
        settingsFor(server.port, {
          store: { kind: "server", hostname: "127.0.0.1", port: server.port, database },
        }),
      );
    using third = await inDatabase(3);
    await until(works(third.store));
    await third.store.set("a", "3");
    expect(server.command("-n", "3", "GET", "ek:{test}:a")).toBe("3");
    expect(server.command("GET", "ek:{test}:a")).toBe("");
    using missing = await inDatabase(99);
    expect(await failure(missing.store)).toBe("it has no database with this number");
  });

  test("says that a server is a replica for as long as it is", async () => {
    await using server = await RedisServer.start({ lines: ["replicaof 127.0.0.1 1"] });
    using opened = await open(settingsFor(server.port));
    await until(works(opened.store));
    const why = () => opened.store.set("a", "1").catch((error: unknown) => String(error));
    expect(await why()).toMatch(/READONLY/);
    // While the library connects again.
    expect(await why()).toMatch(/READONLY/);
  });

  test("trusts only a certificate for the name, from the authority", async () => {
    const authority = await TestAuthority.create();
    const { cert, key } = await authority.pair("redis.test");
    await using server = await RedisServer.start({ tls: { cert, key, ca: authority.pem } });
    const tls = { ca: authority.pem, serverName: "redis.test" };
    using right = await open(settingsFor(server.port, { tls }));
    await until(works(right.store));
    using wrongName = await open(settingsFor(server.port, { tls: { ...tls, serverName: "other.test" } }));
    expect(await failure(wrongName.store)).toBe("its certificate is for another name");
    using noAuthority = await open(settingsFor(server.port, { tls: { serverName: "redis.test" } }));
    expect(await failure(noAuthority.store)).toBe("its certificate is not trusted");
    using address = await open(settingsFor(server.port, { tls: { ca: authority.pem } }));
    expect(await failure(address.store)).toBe("its certificate is for another name");
  });

  test.if(hasSentinel)("follows a failover that Sentinels decide, within five seconds", async () => {
    // A replica waits for others to come too, by default.
    await using first = await RedisServer.start({ lines: ["repl-diskless-sync-delay 0"] });
    await using second = await RedisServer.start({ lines: [`replicaof 127.0.0.1 ${first.port}`] });
    // Sentinels ask a server for its replicas at once, and then every ten seconds.
    await until(() => second.command("INFO", "replication").includes("master_link_status:up"), "", 20_000);
    await using sentinel = await RedisServer.start({
      sentinel: true,
      lines: [
        ...[`sentinel monitor lead 127.0.0.1 ${first.port} 1`, "sentinel down-after-milliseconds lead 500"],
        ...["sentinel failover-timeout lead 2000"],
      ],
    });
    const sentinels = [{ hostname: "127.0.0.1", port: sentinel.port }];
    using opened = await open(settingsFor(0, { store: { kind: "sentinels", sentinels, master: "lead" } }));
    const { store } = opened;
    await until(works(store));
    let seen = 0;
    store.subscribe("changed", () => (seen += 1));
    await until(() => sentinel.command("SENTINEL", "replicas", "lead").includes(String(second.port)));
    await first.kill();
    const killedAt = performance.now();
    const writes = () => store.set("a", "1").catch(() => false);
    await until(writes, "writes go to the new server", 15_000);
    expect(performance.now() - killedAt).toBeLessThan(10_000);
    expect(second.command("GET", "ek:{test}:a")).toBe("1");
    await until(async () => {
      await store.publish("changed", "x").catch(() => {});
      return seen > 0;
    });
  });

  test("rejects calls after it was closed", async () => {
    await using server = await RedisServer.start();
    const { store } = await open(settingsFor(server.port));
    await until(works(store));
    store.close();
    expect(await failure(store)).toBe("it was closed");
  });
});
