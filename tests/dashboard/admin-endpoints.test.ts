/** One dashboard for several balancers: it reads the one that responds, and never sends an order twice. */

import { afterEach, describe, expect, test } from "bun:test";

import { AdminEndpoints } from "../../src/dashboard/admin-endpoints.ts";
import { startDashboard } from "../../src/dashboard/dashboard.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { type FakeAdminApi, startFakeAdminApi } from "../support/fake-admin-api.ts";
import { fleetOf, inFleet } from "../support/fleet-fixture.ts";

const opened: FakeAdminApi[] = [];
afterEach(async () => {
  for (const api of opened.splice(0)) await api.close();
});

async function balancers(...names: string[]): Promise<FakeAdminApi[]> {
  for (const name of names) opened.push(await startFakeAdminApi(inFleet(fleetOf({ name }))));
  return [...opened];
}

const query = { method: "GET", path: "api/snapshot", headers: {}, timeoutMs: 2_000 } as const;

const nameIn = ({ text }: { readonly text: string }) =>
  (JSON.parse(text) as { fleet: { name: string } }).fleet.name;

describe("a dashboard with several balancers", () => {
  test("stays with one until it does not respond, and then with the next", async () => {
    const [a, b] = (await balancers("a", "b")) as [FakeAdminApi, FakeAdminApi];
    const endpoints = new AdminEndpoints(a.url, [b.url]);
    expect(nameIn(await endpoints.exchange(query))).toBe("a");
    a.respond = (request) => void request.socket.destroy();
    expect(nameIn(await endpoints.exchange(query))).toBe("b");
    expect(endpoints.current).toBe(b.url);
    a.respond = undefined;
    expect(nameIn(await endpoints.exchange(query))).toBe("b");
    b.respond = (request) => void request.socket.destroy();
    const answers = await Promise.all([endpoints.exchange(query), endpoints.exchange(query)]);
    expect(answers.map(nameIn)).toEqual(["a", "a"]);
  });

  test("puts an order to one balancer only, whether it responds or not", async () => {
    const [a, b] = (await balancers("a", "b")) as [FakeAdminApi, FakeAdminApi];
    const endpoints = new AdminEndpoints(a.url, [b.url]);
    const taken: string[] = [];
    a.respond = (request) => {
      taken.push(request.url ?? "");
      request.socket.destroy();
    };
    const order = { ...query, method: "POST", path: "api/upstreams/s1/mode", body: "{}" } as const;
    expect(endpoints.exchange(order)).rejects.toThrow();
    await endpoints.exchange(query);
    expect({ taken, posts: b.posts }).toEqual({
      taken: ["/api/upstreams/s1/mode", "/api/snapshot"],
      posts: [],
    });
  });

  test("says why when none responds, and accepts refusals as responses", async () => {
    const [a, b] = (await balancers("a", "b")) as [FakeAdminApi, FakeAdminApi];
    const endpoints = new AdminEndpoints(a.url, [b.url, a.url]);
    a.respond = (_, response) => void response.writeHead(401).end("{}");
    expect((await endpoints.exchange(query)).status).toBe(401);
    for (const api of [a, b]) api.respond = (request) => void request.socket.destroy();
    expect(endpoints.exchange(query)).rejects.toThrow();
    expect(endpoints.current).toBe(a.url);
  });

  test("shows the fleet as the balancer sees it that responds", async () => {
    const [a, b] = (await balancers("a", "b")) as [FakeAdminApi, FakeAdminApi];
    const dashboard = await startDashboard(
      {
        ...{ hostname: "127.0.0.1", port: 0, balancerUrl: b.url, adminUrl: a.url },
        otherAdminUrls: [b.url],
      },
      runtime,
    );
    try {
      const page = async () => (await fetch(`http://127.0.0.1:${dashboard.port}/fleet`)).text();
      expect(await page()).toContain("as a sees it");
      await a.close();
      opened.splice(0, 1);
      let text = await page();
      for (const end = Date.now() + 5_000; !text.includes("as b sees it") && Date.now() < end;)
        text = await page();
      expect(text).toContain("as b sees it");
      expect(text).toContain(`read from ${b.url}`);
    } finally {
      dashboard.close();
    }
  });
});
