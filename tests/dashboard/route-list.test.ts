import { describe, expect, test } from "bun:test";

import { routesIn } from "../../src/client/decoders.ts";
import {
  afterHeadClick,
  parseRouteView,
  routesAddress,
  shownRoutes,
} from "../../src/dashboard/route-list/route-view.ts";
import { DashboardScene, linksIn, textOf } from "../support/dashboard-scene.ts";
import { incidentSnapshot, problemOf, slowProblem } from "../support/problem-fixture.ts";
import { routeReport, someRoutes } from "../support/route-reports.ts";

const now = Date.parse("2026-11-29T14:26:00Z");
const shown = (query: Readonly<Record<string, string>>, problems = [problemOf(), slowProblem()]) =>
  shownRoutes(someRoutes().routes, problems, parseRouteView(query, now)).map(({ report }) => report.route);

describe("the list of routes", () => {
  test("keeps the order of the balancer, which has the most failing requests first", () =>
    expect(shown({})).toEqual(someRoutes().routes.map(({ route }) => route)));

  test.each([
    [{ sort: "p95" }, "www.example.com/search"],
    [{ sort: "errors", dir: "up" }, "login"],
    [{ sort: "name" }, "/closed"],
    [{ sort: "colour" }, "shop.example.com/checkout"],
  ])("is sorted by %p", (query, first) => expect(shown(query)[0]).toBe(first));

  test.each([
    [{ filter: "SHOP.example" }, ["shop.example.com/checkout"]],
    [{ filter: "410" }, ["/closed"]],
    [{ filter: "routes[1]" }, ["login"]],
    [{ pool: "canary" }, ["www.example.com/search"]],
    [{ show: "problems" }, ["shop.example.com/checkout", "www.example.com/search"]],
    [{ pool: "canary", filter: "shop" }, []],
  ])("is filtered by %p", (query, routes) => expect(shown(query)).toEqual(routes));

  test("with problems only has a route that a problem hits without an error, and none of a closed problem", () => {
    const problem = problemOf({ hits: { ...problemOf().hits, routes: ["login"] } });
    expect(shown({ show: "problems", filter: "login" }, [problem])).toEqual(["login"]);
    expect(shown({ show: "problems", filter: "login" }, [{ ...problem, state: "closed" }])).toEqual([]);
  });

  test("has an address with all that was chosen, and a click on a head changes only the order", () => {
    const query = { sort: "rps", dir: "up", filter: "a&b", pool: "main", show: "problems" };
    const view = parseRouteView(query, now);
    const queryIn = (address: string) => Object.fromEntries(new URL(address, "http://x").searchParams);
    expect(queryIn(routesAddress(view))).toEqual(query);
    const { sort: _, dir: __, ...unsorted } = query;
    expect(queryIn(routesAddress(afterHeadClick({ ...view, sort: { by: "rps", direction: "down" } }, "rps")))).toEqual(query); // prettier-ignore
    expect(queryIn(routesAddress(afterHeadClick(view, "rps")))).toEqual(unsorted);
    expect(routesAddress(parseRouteView({}, now))).toBe("/routes");
  });
});

test.each([
  ["without a list", {}],
  ["with a route without traffic", { routes: [{ ...routeReport({ route: "/" }), recent: null }], others: null }], // prettier-ignore
  ["with a target without pools", { routes: [{ ...routeReport({ route: "/" }), leadsTo: {} }], others: null }], // prettier-ignore
  ["with half a report of others", { routes: [], others: { routes: 3 } }],
])("a response %s is no list of routes", (_, value) => expect(routesIn(value)).toBeUndefined());

describe("the page of routes", () => {
  test("says what each route carries, who hits it and where it leads, without JavaScript", async () => {
    await using scene = await DashboardScene.start(incidentSnapshot());
    const response = await scene.ask("/routes");
    expect(response.status).toBe(200);
    const html = await response.text();
    expect(html).not.toMatch(/<script>|<style|\sstyle=|\son\w+=/);
    const text = textOf(html);
    for (const part of [
      "39 routes, 543 requests/s in all, 2 with errors",
      "shop.example.com/checkout routes[0] Critical: checkout-07 answers 30 % of its requests with 500 pool main 412 2.5 % 12 ms 96 ms 141 ms 310 0",
      "split main (90) canary (10)",
      "redirect to https://www.example.com",
      "responds with status 410",
      "34 other routes, counted together: 3.0 requests/s, 0 errors, 0 refusals.",
    ])
      expect(text).toContain(part);
    const links = linksIn(html);
    for (const link of [
      "/requests?route=routes%5B0%5D",
      "/requests?route=login",
      "/requests?from=-15m&to=now&route=routes%5B0%5D&outcome=failed",
      "/history?pool=main&route=routes%5B0%5D",
      "/?open=main#pool-main",
      "/upstreams/checkout-07",
      "/routes.csv",
      "/routes?sort=errors&dir=down",
    ])
      expect(links).toContain(link);
    // Charts are those of a pool: a redirect and a route to two pools have none of one.
    expect(links).not.toContain("/history?route=routes%5B3%5D");
    expect(links).toContain("/history?route=routes%5B2%5D");
  });

  test("is where a problem of the overview leads from the routes that it hits", async () => {
    await using scene = await DashboardScene.start(incidentSnapshot());
    const links = linksIn(await (await scene.ask("/")).text());
    expect(links).toContain("/routes?pool=checkout&show=problems");
  });

  test("carries a time on, and says so of one that it cannot use", async () => {
    await using scene = await DashboardScene.start();
    const html = await (await scene.ask("/routes?from=-2h&to=now&pool=main")).text();
    for (const link of [
      "/requests?from=-2h&to=now&route=routes%5B0%5D",
      "/history?from=-2h&to=now&pool=main&route=routes%5B0%5D",
      "/routes?from=-2h&to=now&sort=p95&dir=down&pool=main",
      "/events?from=-2h&to=now&pool=main",
    ])
      expect(linksIn(html)).toContain(link);
    expect(html).toContain('name="from" value="-2h"');
    expect(textOf(await (await scene.ask("/routes?from=lately")).text())).toContain("Cannot use from");
  });

  test("renews its rows by a part, which also tells of an error", async () => {
    await using scene = await DashboardScene.start();
    const { admin } = scene;
    const part = () => scene.ask("/routes?filter=login", { "HX-Request": "true" });
    const before = await (await part()).text();
    expect(before).not.toContain("<html");
    expect(textOf(before)).toContain("1 of 39 routes");
    admin.respond = (_, response) => void response.writeHead(503).end();
    const failed = await part();
    expect([failed.status, textOf(await failed.text())]).toEqual([
      200,
      expect.stringContaining("Cannot read the routes. The admin API returned status 503."),
    ]);
    expect((await scene.ask("/routes")).status).toBe(422);
  });

  test("tells that an older balancer has no list, and limits its rows", async () => {
    await using scene = await DashboardScene.start();
    const { admin } = scene;
    const routes = Array.from({ length: 230 }, (_, index) => routeReport({ route: `r${index}` }));
    admin.routes = { routes, others: null };
    const html = await (await scene.ask("/routes")).text();
    expect(html.match(/<th scope="row">/g)).toHaveLength(200);
    expect(textOf(html)).toContain("30 further routes: filter, or take the CSV.");
    expect((await (await scene.ask("/routes.csv")).text()).trim().split("\r\n")).toHaveLength(231);
    admin.respond = (_, response) => void response.writeHead(404).end("{}");
    expect(textOf(await (await scene.ask("/routes")).text())).toContain("it is older than this dashboard");
  });
});

describe("the files of routes", () => {
  test("have the rows of the page, in its order", async () => {
    await using scene = await DashboardScene.start(incidentSnapshot());
    const csv = await scene.ask("/routes.csv?sort=p95&pool=main");
    expect(csv.headers.get("content-disposition")).toBe('attachment; filename="routes.csv"');
    const [heading, first] = (await csv.text()).split("\r\n");
    expect(heading).toStartWith("route,name,place,leadsTo,requestsPerSecond,errorShare");
    expect(first).toStartWith('www.example.com/search,,routes[2],"split main (90), canary (10)",118.3,');
    expect(first).toEndWith("search-03 is 8 times slower than its peers");
    const json = (await (await scene.ask("/routes.json?filter=closed")).json()) as ReturnType<
      typeof someRoutes
    >;
    expect(json.routes.map(({ route }) => route)).toEqual(["/closed"]);
    expect(json.others?.routes).toBe(34);
  });

  test("are an error where the routes cannot be read", async () => {
    await using scene = await DashboardScene.start();
    scene.admin.respond = (_, response) => void response.writeHead(503).end();
    for (const path of ["/routes.csv", "/routes.json"]) expect((await scene.ask(path)).status).toBe(422);
  });
});

describe("the route of an address", () => {
  const time = "from=2026-11-28T03:04:00Z&to=2026-11-28T03:24:00Z";
  const carried = new URLSearchParams(`${time}&pool=main&route=login`).toString();

  test("chooses the requests beside the charts, which are those of the pool, and is carried on", async () => {
    await using scene = await DashboardScene.start();
    const html = await (await scene.ask(`/history?${carried}`)).text();
    expect(scene.admin.requestsApi.queries.filter((query) => query.startsWith("summary"))).toEqual([
      expect.stringMatching(/^summary from=.*&pool=main&route=login$/),
    ]);
    expect(textOf(html)).toContain("Charts are not: a route has no history of its own.");
    const links = linksIn(html);
    expect(links).toContain(`/requests?${carried}&which=kept`);
    expect(links).toContain(`/history?${new URLSearchParams(`${time}&pool=main`)}`);
    for (const page of ["/requests", "/events", "/audit", "/"]) expect(links).toContain(`${page}?${carried}`);
    expect(html).toContain('name="route" value="login"');
  });

  test("is a filter of the requests, which lead to the same route in the charts", async () => {
    await using scene = await DashboardScene.start();
    const html = await (await scene.ask(`/requests?${carried}&outcome=failed`)).text();
    const links = linksIn(html);
    expect(links).toContain(`/history?${carried}`);
    expect(links.filter((link) => (link.match(/route=/g)?.length ?? 0) > 1)).toEqual([]);
    expect(scene.admin.requestsApi.queries.find((query) => query.startsWith("list"))).toContain(
      "&route=login",
    );
  });

  test("and the upstream are links where requests ended alike, and a request leads to its route", async () => {
    await using scene = await DashboardScene.start();
    const html = await (await scene.ask("/requests?from=-1h&to=now")).text();
    const text = textOf(html);
    for (const part of [
      "1,020 500 from the server on localhost:8083 , shop.example.com/checkout and login",
      "756 Took over 1.0 s on 3 upstreams , shop.example.com/checkout and login and 3 more",
      "18 Turned away: the queue is full login",
    ])
      expect(text).toContain(part);
    const address = (more: Readonly<Record<string, string>>) =>
      `/requests?${new URLSearchParams({ from: "-1h", to: "now", ...more })}`;
    const alike = { outcome: "failed", status: "500", upstream: "localhost:8083" };
    const queries = linksIn(html).map((link) => new URL(link, "http://x").searchParams);
    const has = (more: Readonly<Record<string, string>>) =>
      queries.some((query) => Object.entries(more).every(([name, value]) => query.get(name) === value));
    expect(has({ ...alike, route: "routes[0]" })).toBe(true);
    expect(has({ outcome: "slow", route: "login" })).toBe(true);
    expect(has({ outcome: "failed", reason: "queue_full", route: "login" })).toBe(true);
    expect(linksIn(html)).toContain(address({ which: "kept" }).replace("&which=kept", "&outcome=failed&status=503&reason=queue_full&route=login")); // prettier-ignore
    const [{ requestId = "" } = {}] = scene.admin.requestsApi.requests;
    expect(linksIn(await (await scene.ask(`/requests/${requestId}`)).text())).toContain("/routes?filter=routes%5B0%5D");
  }); // prettier-ignore
});
