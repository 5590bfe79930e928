/** What each kind of route filter adds to a request: the same route without it, and with it, in the same rounds. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { ratios, withSpread } from "./figures.ts";
import { measure } from "./measure.ts";
import { configuredPeer } from "./peers.ts";
import { alternate, type Rounds, type Table } from "./scenarios.ts";
import type { RunningProxy, Testbed } from "./testbed.ts";

interface FilteredRoute {
  /** The filter with its settings. */
  readonly route: object;
  readonly path?: string;
  readonly headers?: readonly string[];
}

const password = "benchmark";

/** @param folder for the files that filters read */
function filteredRoutes(folder: string): Readonly<Record<string, FilteredRoute>> {
  const page = join(folder, "sorry.html");
  writeFileSync(page, "<p>${status}");
  const passwordHash = Bun.password.hashSync(password, { algorithm: "bcrypt", cost: 4 });
  return {
    "no filter": { route: {} },
    allow: { route: { allow: ["127.0.0.0/8", "10.0.0.0/8"] } },
    rateLimit: { route: { rateLimit: { rate: "1000000/s" } } },
    "basicAuth, password seen before": {
      route: { basicAuth: { users: [{ name: "ann", passwordHash }] } },
      headers: [`Authorization: Basic ${btoa(`ann:${password}`)}`],
    },
    "forwardAuth, a second request": { route: { forwardAuth: { pool: "main", path: "/120.bin" } } },
    cors: {
      route: { cors: { origins: ["https://app.example.com"] } },
      headers: ["Origin: https://app.example.com"],
    },
    "maxRequestBody, timeouts, retries": {
      route: { maxRequestBody: "1MiB", timeouts: { head: "10s" }, retries: 1 },
    },
    stripPrefix: { route: { path: "/app", stripPrefix: true }, path: "/app/120.bin" },
    "rewrite of the query": { route: { rewrite: { query: { remove: ["utm_source"], set: { v: "2" } } } } },
    "requestHeaders, 3 edits": {
      route: {
        requestHeaders: { set: { "X-Real-IP": "${client}", "X-Route": "${route}" }, remove: ["X-Debug"] },
      },
    },
    "responseHeaders, 3 edits": {
      route: {
        responseHeaders: {
          set: { "X-Served-By": "${upstream}" },
          default: { "Cache-Control": "no-store" },
          remove: ["Server"],
        },
      },
    },
    split: {
      route: { split: { pools: { main: 90, canary: 10 } } },
    },
    errorPages: { route: { errorPages: { "5xx": page } } },
    "compress, nothing to compress": { route: { compress: true }, headers: ["Accept-Encoding: gzip, br"] },
  };
}

/** Each kind in a process of its own, so that none runs code that another one made general. */
export async function filterCosts(testbed: Testbed, engine: string, rounds: Rounds): Promise<Table> {
  const kinds = filteredRoutes(testbed.folder);
  const all: RunningProxy[] = [];
  for (const [index, [name, { route, path = "/120.bin" }]] of Object.entries(kinds).entries()) {
    const settings = { routes: ["split" in route ? route : { ...route, pool: "main" }] };
    const peer = configuredPeer({ name, engine, port: 29_230 + index, folder: testbed.folder, settings });
    all.push(await testbed.startProxy(peer, { path }));
  }
  const runs = await alternate(all, rounds, async ({ name, ...proxy }, seconds) => {
    const { path = "/120.bin", headers = [] } = kinds[name] as FilteredRoute;
    return (await measure(proxy, { connections: 64, isFresh: false, seconds, path, headers })).cpuMicros;
  });
  await Promise.all(all.map((proxy) => proxy.stop()));
  const costs = (name: string) => runs.get(name) ?? [];
  const added = (name: string) => ratios(costs(name), costs("no filter")).map((ratio) => (ratio - 1) * 100);
  return {
    title: `One filter on the route, ${engine} engine, 120 bytes, 64 clients`,
    head: ["filter", "CPU µs/request", "added %"],
    rows: all.map(({ name }) => [
      name,
      withSpread(costs(name), 1),
      name === "no filter" ? "" : withSpread(added(name), 1),
    ]),
  };
}
