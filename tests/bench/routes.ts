/** `bun tests/bench/routes.ts`: the time to find a route in tables of several sizes, to read odd paths, and to build a table. */

import type { Destination } from "../../src/proxy/route.ts";
import { createRouteTable } from "../../src/routing/route-table.ts";
import { lookupNs, manyRoutes } from "../support/many-routes.ts";
import { testHead } from "../support/request-head.ts";

console.log("Finding the route of a path of 24 bytes and three segments");
for (const [routes, perHost] of [
  [10, 10],
  [10, 1],
  [1_000, 10],
  [10_000, 10],
  [10_000, 1],
  [10_000, 10_000],
  [100_000, 10],
] as const)
  console.log(
    `  ${routes} routes, ${perHost} for each host: ${lookupNs(routes, perHost).toFixed(0)} ns;`,
    `requests for ten of them ${lookupNs(routes, perHost, { distinct: 10 }).toFixed(0)} ns`,
  );

const destination = {} as Destination;
const one = createRouteTable([{ conditions: {}, route: { place: "routes[0]", destination } }]);
const head = testHead({ target: "/a/b/c" });
console.log(`One route without host and path: ${nsOf(() => one.find(head)).toFixed(1)} ns`);

const table = createRouteTable(
  ["/", "/admin", "/api", "/public"].map((text, index) => ({
    conditions: { hosts: ["a.test"], path: { kind: "prefix" as const, text } },
    route: { place: `routes[${index}]`, destination },
  })),
);
console.log("Odd paths");
for (const target of [
  "/caf%C3%A9/x",
  "/wiki/%D0%97%D0%B0%D0%B3%D0%BB%D0%B0%D0%B2",
  "/%61pi/v1/users",
  "/.well-known/security.txt",
  "/api/v4/projects/group%2Frepo",
  "/_matrix/room/%23sd%3Ahost",
  "/x;jsessionid=1",
  "/a//b",
  "/public/..%2fadmin",
  "/proxy/https%253A%252F%252Fexample.com%252Fa%253Fb",
]) {
  const odd = testHead({ target });
  console.log(`  ${target}: ${nsOf(() => table.find(odd)).toFixed(0)} ns`);
}
const hostile = testHead({ target: `/x${"/a%2fb;c%20/%252541%25253F//..".repeat(270)}` });
console.log(`  8 KiB of tricks: ${(nsOf(() => table.find(hostile), 1) / 1e6).toFixed(2)} ms`);

for (const count of [10_000, 100_000]) {
  const entries = manyRoutes(count, 10);
  const times = Array.from({ length: 5 }, () => nsOf(() => createRouteTable(entries), 1, 1));
  console.log(`Building a table of ${count} routes: ${(Math.min(...times) / 1e6).toFixed(0)} ms`);
}

function nsOf(run: () => unknown, times = 2_000, rounds = 200): number {
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const before = performance.now();
    for (let i = 0; i < times; i++) run();
    best = Math.min(best, ((performance.now() - before) / times) * 1e6);
  }
  return best;
}
