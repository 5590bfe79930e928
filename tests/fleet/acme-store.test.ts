import { beforeAll, describe, expect, test } from "bun:test";

import { LeaseLostError } from "../../src/acme/acme-sharing.ts";
import { CertificateIssuer } from "../../src/acme/certificate-issuer.ts";
import { OrderFailure } from "../../src/acme/failure.ts";
import { AcmeStorage } from "../../src/acme/storage.ts";
import { AcmeStore } from "../../src/fleet/acme-store.ts";
import { Seal } from "../../src/fleet/seal.ts";
import { systemSchedule } from "../../src/lib/clock.ts";
import { type CertificatePair, readPair } from "../../src/tls/certificate-pair.ts";
import { TestAuthority } from "../support/acme-authority.ts";
import { FleetStores } from "../support/fleet-store.ts";
import { temporaryFolder } from "../support/folder.ts";
import { hasRedis, RedisServer } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("acme-store");
const key = "k".repeat(32);
const host = "shop.test";
const directory = "https://ca.test/directory";
const order = { url: "https://ca.test/order/1", directory, key: "the key of the order" };

let first: CertificatePair;
let second: CertificatePair;
beforeAll(async () => {
  const authority = await TestAuthority.create();
  const make = async (fromMs: number) => {
    const validity = {
      notBefore: new Date(Date.now() + fromMs),
      notAfter: new Date(Date.now() + 86_400_000),
    };
    const pair = readPair({ ...(await authority.pair(host, validity)), source: host });
    if ("why" in pair) throw new Error(pair.why);
    return pair;
  };
  [first, second] = [await make(-60_000), await make(-30_000)];
});

async function setUp(stores: FleetStores, redis: RedisServer, times = { lifeMs: 30_000, renewMs: 10_000 }) {
  const open = async (name: string, sealKey = key) =>
    new AcmeStore({
      store: await stores.open(redis.port),
      ...{ seal: new Seal(sealKey), name, schedule: systemSchedule, times },
    });
  return {
    one: await open("one"),
    other: await open("other"),
    stranger: await open("stranger", "x".repeat(32)),
  };
}

const lost = async (task: Promise<unknown>) =>
  task.then(
    () => false,
    (error: unknown) => error instanceof LeaseLostError,
  );

describe.if(hasRedis)("the certificates of a fleet", () => {
  test("are ordered by one balancer at a time, and the next one goes on with its order", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    const { one, other } = await setUp(stores, redis);
    const leases = await Promise.all([one, other, one, other].map((store) => store.lease(host)));
    const held = leases.filter((lease) => lease !== undefined);
    expect(held.length).toBe(1);
    // Another host is another lease.
    expect(await other.lease("other.test")).toBeDefined();
    await held[0]?.saveOrder(order);
    await held[0]?.saveFailure({ failures: 2, reason: "unreachable", detail: "no answer", retryAfterMs: 5 });
    await held[0]?.release();
    const next = await other.lease(host);
    expect(next?.order).toEqual(order);
    expect(next?.failure).toMatchObject({
      failures: 2,
      reason: "unreachable",
      detail: "no answer",
      retryAfterMs: 5,
    });
    expect(next?.failure?.ageMs).toBeLessThan(5_000);
    await next?.saveCertificate(first, directory);
    await next?.release();
    const last = await one.lease(host);
    expect([last?.order, last?.failure]).toEqual([undefined, undefined]);
    expect(last?.certificate).toEqual({ cert: first.cert, key: first.key, directory });
    const all = redis.command("--raw", "HGETALL", "ek:{test}:acme:host:shop.test");
    expect(all).toContain(first.fingerprint);
    expect(all).not.toContain("PRIVATE");
    expect(all).not.toContain(order.key);
    await last?.release();
  });

  test("are not overwritten by a balancer whose lease has ended while it stood still", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    const { one, other } = await setUp(stores, redis);
    const frozen = await one.lease(host);
    redis.command("PEXPIRE", "ek:{test}:acme:lease:shop.test", "1");
    let next = await other.lease(host);
    await until(async () => (next ??= await other.lease(host)), "the lease");
    expect(await lost(frozen?.saveOrder(order) ?? Promise.resolve())).toBe(true);
    await next?.saveCertificate(second, directory);
    expect(await lost(frozen?.saveCertificate(first, directory) ?? Promise.resolve())).toBe(true);
    expect(frozen?.lost.aborted).toBe(true);
    expect((await one.certificate(host))?.cert).toBe(second.cert);
    // It ends no lease of another one.
    await frozen?.release();
    expect(await one.lease(host)).toBeUndefined();
    await next?.release();
  });

  test("keep their lease for as long as an order takes, and lose it when it cannot be prolonged", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    const { one, other } = await setUp(stores, redis, { lifeMs: 400, renewMs: 100 });
    const lease = await one.lease(host);
    await Bun.sleep(1_000);
    expect(await other.lease(host)).toBeUndefined();
    expect(lease?.lost.aborted).toBe(false);
    redis.freeze();
    await until(() => lease?.lost.aborted, "the end of the lease");
    redis.thaw();
    await until(async () => (await other.lease(host)) !== undefined, "the next lease");
  });

  test("are ordered on by newer numbers also after the store has lost its data", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    const { one, other } = await setUp(stores, redis);
    const old = await one.lease(host);
    redis.command("FLUSHALL");
    const next = await other.lease(host);
    await next?.saveCertificate(second, directory);
    expect(await lost(old?.saveCertificate(first, directory) ?? Promise.resolve())).toBe(true);
    expect((await one.certificate(host))?.cert).toBe(second.cert);
    redis.command("FLUSHALL");
    // Put back by what a balancer has, the newer one in any order.
    await one.offer(host, second, directory);
    await one.offer(host, first, directory);
    expect((await other.certificate(host))?.cert).toBe(second.cert);
    await next?.release();
  });

  test("have one account, whose key lies sealed", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    const { one, other, stranger } = await setUp(stores, redis);
    const [mine, theirs] = await Promise.all([
      one.account(directory, { key: "key of one" }),
      other.account(directory, { key: "key of other" }),
    ]);
    expect(mine).toEqual(theirs);
    await one.saveAccount(directory, { ...mine, url: "https://ca.test/account/1", email: "ops@example.com" });
    expect(await other.account(directory, { key: "another" })).toEqual({
      ...mine,
      url: "https://ca.test/account/1",
      email: "ops@example.com",
    });
    expect(redis.command("--raw", "GET", redis.command("KEYS", "*account*"))).toMatch(/^gcm1:[\w-]+$/);
    expect(stranger.account(directory, { key: "another" })).rejects.toThrow("sealed with another key");
  });

  test("that cannot be read are not ordered again, and rubbish in their place costs no more than an order", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    const { one, other, stranger } = await setUp(stores, redis);
    const lease = await one.lease(host);
    await lease?.saveCertificate(first, directory);
    await lease?.release();
    expect(stranger.lease(host)).rejects.toThrow("sealed with another key");
    await until(async () => redis.command("KEYS", "*lease*") === "", "the end of the lease");
    redis.command("DEL", "ek:{test}:acme:host:shop.test");
    redis.command("SET", "ek:{test}:acme:host:shop.test", "rubbish");
    redis.command("SET", "ek:{test}:acme:fence", "rubbish");
    const next = await other.lease(host);
    expect([next?.order, next?.failure, next?.certificate]).toEqual([undefined, undefined, undefined]);
    await next?.saveCertificate(second, directory);
    await next?.release();
    redis.command(
      "HSET",
      "ek:{test}:acme:host:shop.test",
      "order",
      "rubbish",
      "failure",
      "[1]",
      "failedAt",
      "x",
    );
    const last = await one.lease(host);
    expect([last?.order, last?.failure]).toEqual([undefined, undefined]);
    expect(last?.certificate?.cert).toBe(second.cert);
    await last?.release();
  });

  test("are not ordered by another balancer while the pause after a failed order lasts", async () => {
    await using redis = await RedisServer.start();
    using stores = new FleetStores();
    const { one, other } = await setUp(stores, redis);
    const issued: string[] = [];
    const issuerOf = (name: string, sharing: AcmeStore) =>
      new CertificateIssuer({
        storageAt: () => new AcmeStorage(inFolder(name), process.pid),
        issue() {
          issued.push(name);
          return Promise.reject(new OrderFailure("rate_limited", "too many", { retryAfterMs: 3_600_000 }));
        },
        placeholder: () => first,
        publish() {},
        observer: { placeholderShown() {}, issued() {}, adopted() {}, failed() {} },
        ...{ sharing, wallClock: Date.now, schedule: systemSchedule, random: Math.random },
      });
    const settings = { hosts: [host], directory, challenge: "http-01", storage: "" } as const;
    const issuers = [issuerOf("one", one), issuerOf("other", other)];
    for (const issuer of issuers) {
      issuer.configure([settings]);
      issuer.start();
      await until(() => issuer.certificates[0]?.failures === 1, "the failure");
      expect(issuer.certificates[0]?.failure).toMatchObject({ reason: "rate_limited", detail: "too many" });
      expect(issuer.certificates[0]?.nextOrderAt).toBeGreaterThan(Date.now() + 3_500_000);
      // While one balancer has the lease, the other looks again only after a minute.
      await until(
        () => redis.command("EXISTS", "ek:{test}:acme:lease:shop.test").trim() === "0",
        "the end of the lease",
      );
    }
    expect(issued).toEqual(["one"]);
    for (const issuer of issuers) issuer.stop();
  });
});
