import { describe, expect, test } from "bun:test";

import { NameWatcher } from "../../src/dns/name-watcher.ts";
import type { DnsAnswer } from "../../src/dns/resolver.ts";
import { Endpoints } from "../../src/net/endpoints.ts";
import { startDnsServer } from "../support/dns-server.ts";
import { FakeTime } from "../support/fake-time.ts";
import { until } from "../support/wait.ts";

function watching(...hostnames: string[]) {
  const time = new FakeTime();
  const asked: string[] = [];
  const moves: string[] = [];
  const world = { hosts: ["10.0.0.1"], ttlMs: 20_000, fails: false };
  const watcher = new NameWatcher({
    ...time,
    clock: time.clock,
    schedule: time.schedule,
    random: () => 0,
    resolve(name): Promise<DnsAnswer> {
      asked.push(`${name} ${time.clock()}`);
      if (world.fails) return Promise.reject(new Error("the server is away"));
      return Promise.resolve({ hosts: world.hosts, ttlMs: world.ttlMs });
    },
    onChange: (name, hosts, before) => void moves.push(`${name} ${before} -> ${hosts}`),
  });
  const endpoints = hostnames.map((hostname) => new Endpoints(hostname, time.clock));
  watcher.retain(endpoints);
  return { time, asked, moves, world, watcher, endpoints, first: endpoints[0] as Endpoints };
}

describe("a watched name", () => {
  test("is asked for at once, and again when its answer expires", async () => {
    const { time, asked, world, moves, first } = watching("api.internal");
    await time.advance(0);
    expect(first.hosts).toEqual(["10.0.0.1"]);
    world.hosts = ["10.0.0.2", "10.0.0.3"];
    await time.advance(20_000);
    expect(first.hosts).toEqual(["10.0.0.2", "10.0.0.3"]);
    expect(asked).toEqual(["api.internal 0", "api.internal 20000"]);
    expect(moves).toEqual(["api.internal 10.0.0.1 -> 10.0.0.2,10.0.0.3"]);
  });

  test.each([
    [0, 1_000],
    [3_600_000, 30_000],
  ])("with a time to live of %i ms is asked for after %i ms", async (ttlMs, waitMs) => {
    const { time, asked, world, watcher } = watching();
    world.ttlMs = ttlMs;
    watcher.watch(new Endpoints("api.internal"));
    await time.advance(waitMs);
    expect(asked).toEqual(["api.internal 0", `api.internal ${waitMs}`]);
  });

  test("is asked for soon after a failed connect, once a second at most", async () => {
    const { time, asked, first } = watching("api.internal");
    await time.advance(5_000);
    for (let i = 0; i < 10; i++) first.failed("10.0.0.1");
    await time.advance(0);
    expect(asked).toEqual(["api.internal 0", "api.internal 5000"]);
    for (let i = 0; i < 10; i++) first.suspect();
    await time.advance(999);
    expect(asked).toHaveLength(2);
    await time.advance(1);
    expect(asked).toHaveLength(3);
    await time.advance(19_999);
    expect(asked).toHaveLength(3);
  });

  test("keeps its last answer while it cannot be resolved, and is asked for less and less often", async () => {
    const { time, asked, world, first } = watching("api.internal");
    await time.advance(0);
    world.fails = true;
    await time.advance(20_000 + 1_000 + 2_000 + 4_000 + 8_000 + 16_000 + 30_000 + 30_000);
    expect(first.hosts).toEqual(["10.0.0.1"]);
    expect(asked.map((line) => Number(line.split(" ")[1]) / 1_000)).toEqual([
      0, 20, 21, 23, 27, 35, 51, 81, 111,
    ]);
  });

  test("is one question for all upstreams with it, and none for an IP address", async () => {
    const { time, asked, endpoints } = watching("api.internal", "api.internal", "10.1.1.1", "[::1]");
    await time.advance(0);
    expect(asked).toEqual(["api.internal 0"]);
    expect(endpoints.map(({ hosts }) => hosts.join())).toEqual(["10.0.0.1", "10.0.0.1", "10.1.1.1", "::1"]);
  });

  test("is not asked for any more when its last upstream is gone", async () => {
    const { time, asked, watcher, first, endpoints } = watching("api.internal", "api.internal");
    await time.advance(0);
    watcher.retain([endpoints[1] as Endpoints]);
    first.suspect();
    await time.advance(20_000);
    expect(asked).toHaveLength(2);
    watcher.stop();
    await time.advance(60_000);
    expect(asked).toHaveLength(2);
    expect(time.waits).toEqual([]);
  });

  test("delays whoever waits for its first answer, which may be a failure", async () => {
    const { time, watcher, world, first } = watching("api.internal");
    await watcher.firstAnswer(first);
    expect(first.hosts).toEqual(["10.0.0.1"]);
    world.fails = true;
    const other = new Endpoints("other.internal", time.clock);
    watcher.watch(other);
    await watcher.firstAnswer(other);
    expect(other.hosts).toEqual(["other.internal"]);
  });

  test("ignores an answer of servers that are no longer used", async () => {
    const time = new FakeTime();
    const old = Promise.withResolvers<DnsAnswer>();
    const watcher = new NameWatcher({
      clock: time.clock,
      schedule: time.schedule,
      random: () => 0,
      resolve: () => old.promise,
    });
    const endpoints = new Endpoints("api.internal", time.clock);
    watcher.watch(endpoints);
    const server = await startDnsServer({ "api.internal": ["127.0.0.7"] });
    try {
      watcher.setServers([server.address]);
      await until(() => endpoints.has("127.0.0.7"), "the answer of the new server");
      old.resolve({ hosts: ["10.0.0.1"], ttlMs: 20_000 });
      await time.advance(0);
      expect(endpoints.hosts).toEqual(["127.0.0.7"]);
    } finally {
      watcher.stop();
      server.close();
    }
  });
});
