import { describe, expect, test } from "bun:test";

import { PoolRegistry } from "../../src/registry/pool-registry.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { dryRun } from "../../src/requests/dry-run.ts";
import type { RequestFilter } from "../../src/proxy/filter.ts";
import { refusal } from "../../src/proxy/refusal.ts";
import { configOf, routeConfigs } from "../support/configs.ts";
import { routeTable } from "../support/routes.ts";

const observer = { outlierChanged() {}, panicChanged() {} };

function registryOf(text: string, change: Parameters<typeof configOf>[1] = {}): PoolRegistry {
  const registry = new PoolRegistry({ clock: () => 0, random: seededRandom(1), observer });
  registry.commit(registry.prepare(configOf(text, change)));
  for (const pool of registry.pools) for (const upstream of pool.upstreams) pool.recordProbe(upstream, true);
  return registry;
}

const request = {
  method: "GET",
  host: "shop.example",
  target: "/",
  clientAddress: "192.0.2.1",
  scheme: "http",
  listener: "main",
  headers: {},
} as const;

describe("a dry run", () => {
  test("shows the pool that a split chooses for the client", () => {
    const routes = routeConfigs([{ split: { pools: { a: 1, b: 1 } } }]);
    const registry = registryOf("a: one | b: two", { routes });
    const poolFor = (clientAddress: string) => dryRun(registry, { ...request, clientAddress }, () => 0).pool;
    const clients = Array.from({ length: 20 }, (_, i) => `192.0.2.${i}`);
    expect(new Set(clients.map(poolFor))).toEqual(new Set(["a", "b"]));
    expect(clients.map(poolFor)).toEqual(clients.map(poolFor));
    for (const clientAddress of clients) {
      const { split, pool } = dryRun(registry, { ...request, clientAddress }, () => 0);
      expect(split).toMatchObject({ pool, by: "client", isFallback: false });
    }
    expect(dryRun(registryOf("a: one"), request, () => 0).split).toBeNull();
  });

  test("selects the upstream of the next real request, and takes no turn", () => {
    const registry = registryOf("main: a b c");
    const [pool] = registry.pools;
    for (let i = 0; i < 7; i++) {
      const first = dryRun(registry, request, () => 0);
      expect(dryRun(registry, request, () => 0).chosen).toBe(first.chosen);
      expect(pool?.select("", [])?.id).toBe(first.chosen ?? "");
    }
  });

  test("lists a few upstreams of many, and counts all of them", () => {
    const names = Array.from({ length: 300 }, (_, i) => `u${i}`);
    const registry = registryOf(`main: ${names.join(" ")}`);
    const [pool] = registry.pools;
    for (const upstream of pool?.upstreams.slice(0, 200) ?? []) pool?.setMode(upstream, "maintenance");
    const { candidates, fit, others, out } = dryRun(registry, request, () => 0);
    expect([candidates.length, fit, others.length, out]).toEqual([16, 100, 50, 200]);
  });

  test("returns the pool, the candidates, and why the others are not available", () => {
    const registry = registryOf("main: a b c");
    const [pool] = registry.pools;
    const [a, b, c] = pool?.upstreams ?? [];
    if (!pool || !a || !b || !c) throw new Error("no pool");
    pool.setMode(b, "maintenance");
    for (let i = 0; i < 3; i++) pool.recordProbe(c, false);
    const found = dryRun(registry, request, () => 0);
    expect(found).toMatchObject({
      pool: "main",
      policy: "round-robin",
      key: null,
      chosen: a.id,
      refusal: null,
      route: { host: null, path: null },
    });
    expect(found.candidates).toEqual([{ upstream: a.id, inFlight: 0, weight: 1, latencyMs: null }]);
    expect(found.others).toEqual([
      { upstream: b.id, why: "its mode is maintenance" },
      { upstream: c.id, why: "its probes fail" },
    ]);
    expect(found).toMatchObject({ fit: 1, out: 2 });
    pool.setMode(a, "draining");
    expect(dryRun(registry, request, () => 0)).toMatchObject({ chosen: null, refusal: "no_upstream" });
  });

  test("shows the path that was matched, and why one is refused", () => {
    const pools = routeConfigs([{ host: "shop.example", path: "/café", pool: "main" }, { pool: "main" }]);
    const registry = registryOf("main: a");
    registry.commit(registry.prepare(configOf("main: a", { routes: pools })));
    const run = (target: string) => dryRun(registry, { ...request, target }, () => 0);
    expect(run("/caf%c3%a9//x")).toMatchObject({ route: { path: "/café" }, matchedPath: "/caf%C3%A9//x" });
    expect(run("/plain")).toMatchObject({ route: { path: null }, matchedPath: null, complaint: null });
    expect(run("/%2Fcafé")).toMatchObject({
      route: null,
      pool: null,
      refusal: "path_ambiguous",
      complaint: "readings of the path lead to different routes",
    });
    expect(run("/%2Fcafé").readings).toEqual([
      { path: "/%2Fcaf%C3%A9", route: "routes[1]" },
      { path: "/caf%C3%A9", route: "routes[0]" },
      { path: "//caf%C3%A9", route: "routes[1]" },
    ]);
    expect([run("/plain").readings, run("/a%20b").readings]).toEqual([[], []]);
    registry.commit(registry.prepare(configOf("main: a", { routes: pools, ambiguousPaths: "pass" })));
    expect(run("/caf%c3%a9/x%2fy")).toMatchObject({ route: { path: "/café" }, refusal: null });
  });

  test("shows which routes match too, and which do not, and why", () => {
    const registry = registryOf("main: a");
    const routes = routeConfigs([
      { host: "shop.example", pool: "main" },
      { host: "shop.example", path: "/api", pool: "main" },
      { host: "shop.example", path: "/api", header: { "X-Beta": "yes" }, name: "beta", pool: "main" },
      { host: "shop.example", path: "/api", method: ["PUT", "POST"], listen: "inner", pool: "main" },
      { host: "*.example", path: "/api/v1", pool: "main" },
      { host: "other.example", pool: "main" },
      { host: "shop.example", path: "/admin", client: ["10.0.0.0/8"], pool: "main" },
    ]);
    registry.commit(registry.prepare(configOf("main: a", { routes })));
    const headers = { "x-beta": "yes" };
    const found = dryRun(registry, { ...request, target: "/api/v1", headers }, () => 0);
    expect(found).toMatchObject({ listener: "main", scheme: "http", filters: [] });
    expect(found.route).toEqual({ place: "routes[2]", name: "beta", host: "shop.example", path: "/api" });
    expect(found.over).toEqual([
      { route: "routes[1]", why: "same host and path, but no condition" },
      { route: "routes[0]", why: "its path is less specific" },
      { route: "routes[4]", why: "its host is less specific" },
    ]);
    expect(found.not).toEqual([
      { route: "routes[3]", why: "method PUT, POST; listener inner" },
      { route: "routes[6]", why: "path /admin; client in 10.0.0.0/8" },
    ]);
    const none = dryRun(registry, { ...request, host: "none.test" }, () => 0);
    expect(none).toMatchObject({ route: null, over: [], not: [], refusal: "no_route" });
  });

  test("asks filters what they would do, and sends a request that they answer nowhere", () => {
    const passing: RequestFilter = {
      name: "allow",
      admit: () => undefined,
      foresee: ({ head }) => ({ verdict: "passes", why: `${head.clientAddress} is known` }),
    };
    const silent: RequestFilter = { name: "respond", admit: () => refusal("no_route") };
    const routes = routeTable([{ handling: { filters: [passing, silent] } }]);
    expect(dryRun({ routes, entries: [] }, request, () => 0)).toMatchObject({
      filters: [
        { name: "allow", verdict: "passes", why: "192.0.2.1 is known" },
        { name: "respond", verdict: "unknown", why: "a dry run does not ask it" },
      ],
      route: { place: "routes[0]" },
      pool: null,
      refusal: null,
    });
  });
});
