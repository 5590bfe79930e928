import { describe, expect, test } from "bun:test";

import { RouteMeter } from "../../src/metrics/route-meter.ts";
import { RouteTrafficReader } from "../../src/view/route-traffic.ts";
import { routeConfigs } from "../support/configs.ts";

function stand(routes = routeConfigs([{ name: "pay", path: "/pay", pool: "main" }, { pool: "main" }])) {
  const time = { now: 5_000 };
  const meter = new RouteMeter();
  const reader = new RouteTrafficReader({ meter, config: () => ({ routes }), clock: () => time.now });
  /** Runs each second and calls the reader as the balancer does. */
  const run = (seconds: number, each: () => void = () => {}) => {
    for (let second = 0; second < seconds; second++) {
      time.now += 1_000;
      each();
      reader.turn();
    }
  };
  return { meter, reader, run };
}

describe("the traffic of routes", () => {
  test("is the one of the last minute, and all of it since the start", () => {
    const { meter, reader, run } = stand();
    run(300, () => meter.ended("pay", 500, 1_000));
    run(90, () => {
      meter.ended("pay", 200, 10);
      meter.ended("pay", 200, 10);
    });
    const pay = reader.report().routes.find(({ route }) => route === "pay");
    expect(pay?.total).toEqual({ requests: 480, errors: 300, retries: 0, refusals: 0 });
    expect(pay?.recent).toMatchObject({ errors: 0, errorShare: 0, requestsPerSecond: 2 });
    expect(pay?.recent.seconds).toBeWithin(60, 71);
    expect(pay?.recent.p99Ms).toBeWithin(9, 11);
  });

  test("begins with the start of the process", () => {
    const { meter, reader, run } = stand();
    run(4, () => meter.ended("/", 200, 10));
    expect(reader.report().routes[0]).toMatchObject({
      ...{ route: "/", name: null, place: "routes[1]", path: null },
      ...{ recent: { seconds: 4, requests: 4, requestsPerSecond: 1 } },
    });
  });

  test("has the most failing requests first, then the most refused ones", () => {
    const names = ["busy", "few", "refused", "many"];
    const { meter, reader, run } = stand(routeConfigs(names.map((name) => ({ name, pool: "main" }))));
    run(5, () => {
      for (let index = 0; index < 9; index++) meter.ended("busy", 200, 1);
      meter.ended("refused", 429, 1);
      meter.of("refused").refusals += 1;
      for (let index = 0; index < 100; index++) meter.ended("many", index < 10 ? 502 : 200, 1);
    });
    meter.ended("few", 500, 1);
    expect(reader.report().routes.map(({ route }) => route)).toEqual(["many", "few", "refused", "busy"]);
  });

  test("of routes beyond the limit is one sum", () => {
    const paths = Array.from({ length: 1_200 }, (_, index) => ({ path: `/r${index}`, pool: "main" }));
    const { meter, reader, run } = stand(routeConfigs(paths));
    run(1, () => meter.ended("", 200, 1));
    const { routes, others } = reader.report();
    expect(routes.length).toBe(1_000);
    expect(others).toMatchObject({ routes: 200, total: { requests: 1 } });
  });

  test("begins again where counters fell, as when a worker ended before its last report", () => {
    const { meter, reader, run } = stand();
    run(30, () => meter.ended("pay", 200, 1));
    meter.clear();
    run(1, () => meter.ended("pay", 200, 1));
    run(80);
    meter.ended("pay", 500, 1);
    expect(reader.report().routes[0]).toMatchObject({ route: "pay", recent: { requests: 1, errors: 1 } });
  });

  test("says where each route leads", () => {
    const { reader } = stand(
      routeConfigs([
        { name: "a", pool: "main" },
        { name: "b", split: { pools: { main: 9, api: 1 } } },
        { name: "c", redirect: "https://new.example" },
        { name: "d", respond: { status: 410 } },
      ]),
    );
    expect(reader.report().routes.map(({ leadsTo }) => leadsTo)).toEqual([
      { kind: "pool", words: "main", pools: ["main"] },
      { kind: "split", words: "main (9), api (1)", pools: ["main", "api"] },
      { kind: "redirect", words: "https://new.example", pools: [] },
      { kind: "respond", words: "status 410", pools: [] },
    ]);
  });
});

describe("counters of routes", () => {
  test("of removed routes are forgotten, also when they are added again", () => {
    const meter = new RouteMeter();
    meter.ended("old", 200, 1);
    meter.ended("new", 200, 1);
    const before = meter.counts;
    meter.retain(new Set(["new"]));
    expect([...meter.routes.keys()]).toEqual(["new"]);
    meter.clear();
    meter.add(before);
    expect([...meter.routes.keys()]).toEqual(["new"]);
  });
});
