/** What a lookup costs: the size of the table must not matter. The figures are those of `tests/bench/routes.ts`. */

import { describe, expect, test } from "bun:test";

import { createRouteTable } from "../../src/routing/route-table.ts";
import { lookupNs, manyRoutes } from "../support/many-routes.ts";
import { testHead } from "../support/request-head.ts";

describe("the cost of a route", () => {
  test("does not grow with their number", () => {
    // Measured at 1.1 on a quiet machine. A list would cost a thousand times.
    const options = { runs: 30, lookups: 2_000, distinct: 10 };
    const [few, many] = [lookupNs(10, 10, options), lookupNs(10_000, 10_000, options)];
    expect(many).toBeLessThan(10 * few);
  });

  test("is found within a bounded number of steps for a host with thousands of labels", () => {
    const table = createRouteTable([
      ...manyRoutes(1_000, 10),
      { conditions: { hosts: ["*.a.b.c.d"] }, route: { place: "routes[1000]" } },
    ]);
    const hosts = [1_000, 16_000].map((labels) => testHead({ host: `${"x.".repeat(labels)}test` }));
    const [short, long] = hosts.map((head) => {
      const times = Array.from({ length: 20 }, () => {
        const before = performance.now();
        for (let i = 0; i < 20; i++) table.find(head);
        return performance.now() - before;
      });
      return Math.min(...times);
    });
    // Sixteen times as long; a lookup for each label would be two hundred and fifty-six times.
    expect(long ?? 0).toBeLessThan(100 * Math.max(short ?? 0, 0.05));
  });
});
