/** Finding routes that others hide in files of the largest size: the time is near linear, whatever the routes have in common. */

import { expect, test } from "bun:test";

import type { RouteConditions } from "../../src/routing/conditions.ts";
import { precedenceChanges } from "../../src/routing/precedence-changes.ts";
import { clientFalls, shadowedRoutes } from "../../src/routing/route-overlaps.ts";
import { createRouteTable } from "../../src/routing/route-table.ts";

const prefix = (text: string) => ({ kind: "prefix" as const, text });
const shapes: Readonly<Record<string, (index: number) => RouteConditions>> = {
  "spread over hosts": (index) => ({ hosts: [`h${index % 500}.test`], path: prefix(`/p${index}`) }),
  "at one place": (index) => ({ hosts: ["a.test"], headers: { "x-v": [String(index)] } }),
  "on one host": (index) => ({ hosts: ["a.test"], path: prefix(`/p${index}`) }),
  "all the same": () => ({ hosts: ["a.test"], path: prefix("/p") }),
  "for some clients": (index) => ({ hosts: [`h${index % 500}.test`], clients: ["10.0.0.0/8"] }),
  "with parameters": (index) => ({ path: { kind: "template", text: `/p${index}/{x}` } }),
  "of one chain": (index) => ({ path: prefix("/a".repeat(index % 100) + index) }),
};

for (const [name, shape] of Object.entries(shapes))
  test(`10,000 routes ${name} are compared and compiled in a moment`, () => {
    const routes = Array.from({ length: 10_000 }, (_, index) => shape(index));
    const before = performance.now();
    shadowedRoutes(routes);
    precedenceChanges(routes.map((conditions, index) => ({ conditions, end: String(index % 2) })));
    clientFalls(routes, "main");
    createRouteTable(routes.map((conditions, index) => ({ conditions, route: { place: String(index) } })));
    // About 0.2 s on a quiet machine; comparing each with each would be fifty million comparisons for each step.
    expect(performance.now() - before).toBeLessThan(10_000);
  });
