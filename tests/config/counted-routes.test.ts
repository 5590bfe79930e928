import { describe, expect, test } from "bun:test";

import { countedRoutes, maxCountedRoutes, otherRoutes } from "../../src/config/counted-routes.ts";
import { routeConfigs } from "../support/configs.ts";

const get = { method: "GET", pool: "main" } as const;

describe("what a route is counted under", () => {
  test.each<{ title: string; routes: Parameters<typeof routeConfigs>[0]; is: string[] }>([
    {
      title: "its name",
      routes: [{ name: "pay", host: "a.example", path: "/pay", pool: "main" }],
      is: ["pay"],
    },
    {
      title: "host and path",
      routes: [{ host: "a.example", path: "/pay", pool: "main" }],
      is: ["a.example/pay"],
    },
    {
      title: "the first of several hosts",
      routes: [{ host: ["a.example", "b.example"], pool: "main" }],
      is: ["a.example/"],
    },
    { title: "the path alone without a host", routes: [{ path: { exact: "/x" }, pool: "main" }], is: ["/x"] },
    { title: "a slash without conditions", routes: [{ pool: "main" }], is: ["/"] },
    {
      title: "its place too where host and path are the same",
      routes: [
        { path: "/a", ...get },
        { path: "/a", pool: "main" },
        { path: "/b", pool: "main" },
      ],
      is: ["/a (routes[0])", "/a (routes[1])", "/b"],
    },
    {
      title: "a shortened path",
      routes: [{ path: `/${"x".repeat(2_000)}`, pool: "main" }],
      is: [`/${"x".repeat(299)}…`],
    },
  ])("is $title", ({ routes, is }) => expect(countedRoutes(routeConfigs(routes))).toEqual(is));

  test("is shared from the thousandth route on, and a name comes first", () => {
    const routes = Array.from({ length: 10_000 }, (_, index) => ({
      ...(index === 9_999 && { name: "last" }),
      path: `/r${index}`,
      pool: "main",
    }));
    const counted = countedRoutes(routeConfigs(routes));
    expect(new Set(counted).size).toBe(maxCountedRoutes + 1);
    expect(counted.slice(997, 1_001)).toEqual(["/r997", "/r998", otherRoutes, otherRoutes]);
    expect(counted.at(-1)).toBe("last");
  });

  test("is shared between names too, if there are more than a thousand", () => {
    const routes = Array.from({ length: 1_002 }, (_, index) => ({ name: `r${index}`, pool: "main" }));
    const counted = countedRoutes(routeConfigs(routes));
    expect(counted.slice(998)).toEqual(["r998", "r999", otherRoutes, otherRoutes]);
  });
});
