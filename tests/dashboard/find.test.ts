import { describe, expect, test } from "bun:test";
import { findNamed } from "../../src/dashboard/keys/find.ts";
import { DashboardScene, linksIn, textOf } from "../support/dashboard-scene.ts";
import { pool, snapshotOf, upstream } from "../support/fake-admin-api.ts";
import { someRoutes } from "../support/route-reports.ts";

const snapshot = snapshotOf(
  pool({ name: "shop", upstreams: [upstream("api-10"), upstream("api-1"), upstream("web-api-1")] }),
  pool({ name: "api-1-old", upstreams: Array.from({ length: 40 }, (_, index) => upstream(`db-${index}`)) }),
);

const named = (text: string) => findNamed(text, { snapshot, routes: someRoutes() }).map(({ name }) => name);

describe("finding by name", () => {
  test("puts what is equal first, then what begins with the text, then what contains it", () => {
    expect(named(" API-1 ").slice(0, 4)).toEqual(["api-1", "api-10", "api-1-old", "web-api-1"]);
  });

  test("lists the pages without a text, and a bounded number with one", () => {
    expect(named("").slice(0, 2)).toEqual(["Overview", "Requests"]);
    expect(named("db-")).toHaveLength(11);
  });

  test("leads to a request by its id, and to requests by their path", () => {
    const last = findNamed("01hx-2/cart", { snapshot: undefined, routes: undefined });
    expect(last.map(({ address }) => address)).toEqual(["/requests?path=01hx-2%2Fcart"]);
    const byId = findNamed("01hx2c9d", { snapshot: undefined, routes: undefined });
    expect(byId[0]?.address).toBe("/requests/01hx2c9d");
  });

  test("is a page without JavaScript, which finds upstreams and routes and escapes what was typed", async () => {
    await using scene = await DashboardScene.start(snapshot);
    const page = await (await scene.ask("/find?q=api-1")).text();
    expect(linksIn(page)).toContain("/upstreams/api-1");
    expect(linksIn(page)).toContain("/?open=api-1-old#pool-api-1-old");
    const { route } = someRoutes().routes[0] ?? { route: "" };
    expect(textOf(await (await scene.ask(`/find?q=${encodeURIComponent(route)}`)).text())).toContain(route);
    const hostile = await (await scene.ask("/find?q=%22%3E%3Cscript%3E")).text();
    expect(hostile).not.toContain("><script>");
    expect(textOf(await (await scene.ask("/keys")).text())).toContain("Drain, maintenance, ready, weight");
  });

  test("still finds the rest while the admin API does not list its routes", async () => {
    await using scene = await DashboardScene.start(snapshot);
    await scene.ask("/");
    scene.admin.respond = (_, response) => response.writeHead(500).end();
    expect(linksIn(await (await scene.ask("/find?q=api-10")).text())).toContain("/upstreams/api-10");
  });
});
