import { expect, test } from "bun:test";

import type { Config } from "../../src/config/config.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import { configOf, routeConfigs, specOf } from "../support/configs.ts";

const routes = routeConfigs([
  { host: "a.test", pool: "main", rateLimit: { rate: "1/s" } },
  { host: "b.test", split: { pools: { main: 1, other: 1 } } },
  { pool: "main" },
]);

function setUp(poolChange: Parameters<typeof configOf>[2] = {}) {
  const registry = new PoolRegistry({
    clock: () => 0,
    random: seededRandom(1),
    observer: { outlierChanged() {}, panicChanged() {} },
  });
  const config = configOf("main: a b | other: c", { routes }, poolChange);
  const commit = (next: Config) => registry.commit(registry.prepare(next));
  commit(config);
  return { registry, config, commit };
}

/** As a reload does: the same, read again. */
const again = <T>(value: T): T => structuredClone(value);

function withPool(config: Config, change: Partial<Config["pools"][number]>): Config {
  const [main, ...others] = again(config.pools);
  if (!main) throw new Error("no pool");
  return { ...config, pools: [{ ...main, ...change }, ...others] };
}

test.each<[string, (config: Config) => Config]>([
  ["the same configuration, read again", (config) => again(config)],
  ["another weight", (config) => withPool(config, { upstreams: [specOf("a;weight=3"), specOf("b")] })],
  ["another upstream", (config) => withPool(config, { upstreams: ["a", "b", "d"].map(specOf) })],
  ["other checks", (config) => withPool(config, { slowStartMs: 77 })],
  ["other trusted proxies", (config) => ({ ...config, trustedProxies: ["10.0.0.9"] })],
])("routes are not built again for %s", (_, change) => {
  const { registry, config, commit } = setUp();
  const before = registry.routes;
  commit(change(config));
  expect(registry.routes).toBe(before);
});

test.each<[string, (config: Config) => Config]>([
  ["other routes", (config) => ({ ...config, routes: again(routes).slice(1) })],
  ["other limits of a pool", (config) => withPool(config, { retries: 0 })],
  ["another policy", (config) => withPool(config, { policy: "hash" })],
  [
    "another retry budget",
    (config) => withPool(config, { retryBudget: { share: 0.5, perSecond: 1, rescues: 3 } }),
  ],
  ["other defaults", (config) => ({ ...config, defaults: { settings: {}, texts: {} } })],
  ["other networks", (config) => ({ ...config, networks: { office: ["10.0.0.0/8"] } })],
  ["ambiguous paths that pass", (config) => ({ ...config, ambiguousPaths: "pass" })],
  ["other processes", (config) => ({ ...config, processes: 3 })],
])("routes are built again for %s", (_, change) => {
  const { registry, config, commit } = setUp();
  const before = registry.routes;
  commit(change(config));
  expect(registry.routes).not.toBe(before);
});

test("the change of one pool leaves the other's limits and weights as they are", () => {
  const { registry, config, commit } = setUp();
  const [main, other] = registry.pools;
  const [upstream] = other?.upstreams ?? [];
  if (!main || !other || !upstream) throw new Error("no upstream");
  // As a worker that got a weight of its own message.
  other.adjust(upstream, { weight: 9, backup: false });
  const [first, second] = config.pools;
  if (!first || !second) throw new Error("no pool");
  commit({ ...config, pools: [{ ...first, maxInFlight: 7 }, second] });
  expect([main.upstreams[0]?.maxInFlight, upstream.weight, upstream.maxInFlight]).toEqual([7, 9, Infinity]);
});

test("sticky routes are built again when their pool has other upstreams or other secrets", () => {
  const { registry, config, commit } = setUp({
    sticky: { cookie: "at", path: "/", whileDraining: "keep" } as never,
  });
  const built = () => registry.routes;
  const before = built();
  commit(again(config));
  expect(built()).toBe(before);
  commit(withPool(config, { upstreams: ["a", "b", "d"].map(specOf) }));
  const after = built();
  expect(after).not.toBe(before);
  commit({
    ...withPool(config, { upstreams: ["a", "b", "d"].map(specOf) }),
    stickySecrets: ["0123456789abcdef"],
  });
  expect(built()).not.toBe(after);
});
