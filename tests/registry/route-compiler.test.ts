import { expect, test } from "bun:test";

import { loadConfig } from "../../src/config/load.ts";
import { readFileText } from "../../src/config/yaml-file.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { FilteredRequest } from "../../src/proxy/filter.ts";
import type { RequestHead } from "../../src/proxy/request-head.ts";
import { PoolRegistry } from "../../src/registry/pool-registry.ts";

const pools = "pools: { a: { upstreams: [http://a:80] }, b: { upstreams: [http://b:80] } }\n";

function registryOf(text: string): PoolRegistry {
  const file = readFileText(pools + text, "evenkeel.yaml");
  const loaded = loadConfig({
    ...{ values: [], read: () => undefined, defaultState: ":memory:", purpose: "proxy" as const },
    ...("value" in file && { file }),
  });
  if (loaded.kind !== "loaded") throw new Error(JSON.stringify(loaded));
  const registry = new PoolRegistry({
    clock: () => 0,
    random: seededRandom(1),
    observer: { outlierChanged() {}, panicChanged() {} },
  });
  registry.commit(registry.prepare(loaded.config));
  return registry;
}

const headFrom = (clientAddress: string): RequestHead => ({
  ...{ method: "GET", target: "/", host: "shop.example", scheme: "http" as const },
  ...{ clientAddress, peerAddress: clientAddress },
  listener: "main",
  header: () => undefined,
});

function splitPoolOf(registry: PoolRegistry, clientAddress: string): string | undefined {
  const head = headFrom(clientAddress);
  const match = registry.routes.find(head);
  if (!match?.route) throw new Error("no route");
  const request = new FilteredRequest(head, match, { requestId: "", trace: undefined });
  return match.route.split?.choose(request).pool.name;
}

const clients = Array.from({ length: 200 }, (_, i) => `10.0.0.${i}`);

test("a split is compiled with its pools and weights, and chooses the same wherever its route stands", () => {
  const split = "{ host: shop.example, split: { pools: { a: 3, b: 1 } } }";
  const [first, later, named] = [
    registryOf(`routes: [${split}]`),
    registryOf(`routes: [{ host: other.example, pool: b }, ${split}]`),
    registryOf(`routes: [${split.replace("{ host", "{ name: shop, host")}]`),
  ].map((registry) => clients.map((client) => splitPoolOf(registry, client)));
  expect(later).toEqual(first);
  expect(new Set(first)).toEqual(new Set(["a", "b"]));
  expect(named).not.toEqual(first);
  const [route] = registryOf(`routes: [${split}]`).routes.routes;
  expect([route?.destination, route?.handling?.filters]).toEqual([undefined, []]);
});

test("compression is compiled with its settings or defaults, and only where it is on", () => {
  const compressionOf = (compress: string) =>
    registryOf(`routes: [{ pool: a, compress: ${compress} }]`).routes.routes[0]?.handling?.compression;
  const decide = (compress: string, bodyBytes: number, accepted = "gzip, br") => {
    const head = {
      ...headFrom("::1"),
      header: (name: string) => (name === "accept-encoding" ? accepted : undefined),
    };
    const header = (name: string) => (name === "content-type" ? "text/css" : undefined);
    return compressionOf(compress)?.decide(head, { status: 200, bodyBytes, header })?.plan;
  };
  expect(compressionOf("false")).toBeUndefined();
  expect([decide("true", 1_023), decide("true", 1_024)]).toEqual([undefined, { coding: "br", level: 4 }]);
  const own = "{ types: [text/*], minSize: 10B, codings: [gzip], level: 9 }";
  expect([decide(own, 9), decide(own, 10)]).toEqual([undefined, { coding: "gzip", level: 9 }]);
  expect(decide("{ types: [image/*] }", 5_000)).toBeUndefined();
});

test("a route that only leads to a pool has no handling", () => {
  const [route] = registryOf("routes: [{ host: shop.example, pool: a }]").routes.routes;
  expect([route?.split, route?.handling, route?.destination?.pool.name]).toEqual([undefined, undefined, "a"]);
});
