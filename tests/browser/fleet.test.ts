/** The fleet in Chromium: its page, the strip of the overview, and one dashboard for three real balancers. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser } from "playwright-core";
import { findChromium, launchChromium } from "../support/browser.ts";
import { TestFleet } from "../support/fleet.ts";
import { fleetOf, inFleet, peerOf, troubledFleet } from "../support/fleet-fixture.ts";
import { startOrigin } from "../support/origin.ts";
import { hasRedis } from "../support/redis-server.ts";
import { live, visit, visitFakeAdmin } from "../support/visit.ts";
import { until } from "../support/wait.ts";

const executable = findChromium();

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(60_000);

let browser: Browser;

describe.skipIf(!executable)("the fleet in Chromium", () => {
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
  });
  afterAll(() => browser?.close());

  test("renews its page as balancers come, go and differ", async () => {
    await using scene = await visitFakeAdmin(browser, { snapshot: inFleet(fleetOf()), path: "/fleet" });
    const { page, admin, consoleErrors } = scene;
    await live(page);
    await page.getByRole("heading", { name: "All 4 balancers are heard and agree" }).waitFor();
    const peers = [peerOf("fra-1", { isSelf: true }), peerOf("ams-1", { state: "silent", ageMs: 5_000 })];
    admin.snapshot = inFleet(fleetOf({ peers }));
    await page.getByRole("heading", { name: "1 of 2 balancers is silent" }).waitFor();
    expect(await page.title()).toBe("1 of 2 balancers is silent · Evenkeel");
    expect(await page.locator("tbody tr").count()).toBe(2);
    expect(consoleErrors).toEqual([]);
  });

  test("is one page without JavaScript, and says so for a balancer on its own", async () => {
    await using scene = await visitFakeAdmin(browser, {
      ...{ snapshot: inFleet(troubledFleet()), path: "/fleet", javaScriptEnabled: false },
    });
    const { page, admin, url } = scene;
    await page.getByText("the way from ams-1: others find it well").waitFor();
    await page.goto(`${url}/`);
    await page.getByRole("link", { name: "Fleet", exact: true }).click();
    await page.getByRole("heading", { name: "Who sees what" }).waitFor();
    admin.snapshot = { ...inFleet(fleetOf()), fleet: undefined } as never;
    await until(async () => {
      await page.reload();
      return (await page.getByText("its configuration has no fleet").count()) === 1;
    }, "no fleet");
  });

  test.if(hasRedis)("shows three real balancers, and one dashboard drains at all", async () => {
    const origin = await startOrigin((_request, socket) => {
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    });
    const configuration = `pools:
  main:
    upstreams:
      - { url: "${origin.url}", name: s1 }
      - { url: "${origin.url}/", name: s2 }
`;
    await using fleet = await TestFleet.start({ configuration, fleet: 'url: "https://lb.example.com"' });
    const [a, b, c] = fleet.members;
    if (!a || !b || !c) throw new Error("no members");
    const target = { balancerUrl: `http://127.0.0.1:${a.port}`, adminUrl: a.adminUrl };
    await using scene = await visit(browser, target, { protocol: "http/1.1" });
    const { page, consoleErrors } = scene;
    await scene.open("/fleet");
    await live(page);
    await page.getByRole("heading", { name: "All 3 balancers are heard and agree" }).waitFor();
    expect(await page.getByRole("link", { name: "b", exact: true }).getAttribute("href")).toBe(
      "https://lb.example.com",
    );
    await scene.open("/");
    await page.getByRole("button", { name: "Drain s1" }).click();
    await page.getByRole("dialog").getByText("It counts at all 3 balancers of the fleet.").waitFor();
    await page.getByRole("dialog").locator("button.main").click();
    for (const member of [b, c])
      await until(async () => (await member.upstream("s1")).mode === "draining", member.name);
    await scene.open("/upstreams/s1");
    const card = page.locator(".card", { hasText: "Seen by" });
    await card.getByText("So it is: out of service, as ordered.").waitFor();
    c.program.child.kill("SIGSTOP");
    try {
      await scene.open("/fleet");
      await page.getByRole("heading", { name: "1 of 3 balancers is silent" }).waitFor();
      await page.getByText(/^c is silent for/).waitFor();
    } finally {
      c.program.child.kill("SIGCONT");
    }
    await page.getByRole("heading", { name: "All 3 balancers are heard and agree" }).waitFor();
    expect(consoleErrors).toEqual([]);
    await origin.close();
  });
});
