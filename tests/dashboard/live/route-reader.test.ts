import { expect, test } from "bun:test";
import { RouteReader } from "../../../src/dashboard/live/route-reader.ts";
import { leadingText } from "../../../src/wording/routes.ts";
import { snapshotOf } from "../../support/fake-admin-api.ts";
import { routeReport, someRoutes } from "../../support/route-reports.ts";
import { until } from "../../support/wait.ts";

function setUp() {
  const scene = { now: 0, source: "a", isAway: false, asked: 0, routes: someRoutes() };
  const reader = new RouteReader({
    clock: () => scene.now,
    source: () => scene.source,
    admin: {
      async routes() {
        scene.asked += 1;
        return scene.isAway
          ? { error: { reason: "unreachable", message: "connection refused" } }
          : { value: scene.routes };
      },
    },
  });
  return { scene, reader };
}

const snapshot = snapshotOf();
const reloaded = { ...snapshot, configuration: { ...snapshot.configuration, takenAt: 7 } };

test("routes are those of each pool, the first one of the configuration by its address", async () => {
  const { reader } = setUp();
  const routes = await reader.of(snapshot);
  expect([...routes.keys()]).toEqual(["main", "canary"]);
  const main = routes.get("main");
  expect(main && leadingText(main)).toBe("shop.example.com/checkout +2");
  expect(main?.find).toBe("shop.example.com/checkout login www.example.com/search login");
  const canary = routes.get("canary");
  expect(canary && leadingText(canary)).toBe("www.example.com/search");
});

test("they are read once for each configuration, and the old ones are shown meanwhile", async () => {
  const { scene, reader } = setUp();
  const first = await reader.of(snapshot);
  expect(await reader.of(snapshot)).toBe(first);
  expect(scene.asked).toBe(1);
  scene.routes = {
    routes: [routeReport({ route: "new.example/", change: { place: "routes[10]" } })],
    others: null,
  };
  expect(await reader.of(reloaded)).toBe(first);
  await until(async () => (await reader.of(reloaded)).get("main")?.first === "new.example", "the new ones");
  expect(scene.asked).toBe(2);
});

test("what could not be read is asked for again after a minute; another balancer has other routes", async () => {
  const { scene, reader } = setUp();
  scene.isAway = true;
  expect((await reader.of(snapshot)).size).toBe(0);
  scene.isAway = false;
  expect((await reader.of(snapshot)).size).toBe(0);
  scene.now = 60_000;
  expect((await reader.of(snapshot)).size).toBe(2);
  scene.isAway = true;
  scene.source = "b";
  expect((await reader.of(snapshot)).size).toBe(0);
  expect(scene.asked).toBe(3);
});
