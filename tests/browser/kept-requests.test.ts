import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

import { findChromium, launchChromium } from "../support/browser.ts";
import { type PastFixture, startPast } from "../support/past-fixture.ts";
import { live, visit } from "../support/visit.ts";
import { until } from "../support/wait.ts";

const executable = findChromium();

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(30_000);

let browser: Browser;
let past: PastFixture;

const minuteMs = 60_000;
const moment = (offsetMs: number) => new Date(past.incidentAt + offsetMs).toISOString().replace(".000Z", "Z");
const during = (more = "") => `/requests?from=${moment(-8 * minuteMs)}&to=${moment(12 * minuteMs)}${more}`;

async function open(path: string, options: BrowserContextOptions = {}) {
  const { url, admin } = past.fixture;
  const visited = await visit(browser, { balancerUrl: url, adminUrl: admin }, options);
  await visited.open(path);
  return visited;
}

const rows = (page: Page) => page.locator(".requests > .request");
const queryOf = (page: Page) => Object.fromEntries(new URL(page.url()).searchParams);
const drawn = (page: Page) => page.waitForSelector("[data-role=range-charts][data-drawn=yes]");

describe.skipIf(!executable)("kept requests in Chromium", () => {
  beforeAll(async () => {
    [browser, past] = await Promise.all([launchChromium(executable ?? ""), startPast()]);
  });
  afterAll(async () => {
    await browser?.close();
    await past?.[Symbol.asyncDispose]();
  });

  test("say what failed alike last night, and lead from a group to a request and to its moment", async () => {
    await using visited = await open(during("&outcome=failed,slow"));
    const { page, consoleErrors } = visited;
    await page.getByRole("heading", { name: "Failed and slow requests" }).waitFor();
    expect(await page.locator(".request-page-head .quiet").first().textContent()).toContain(
      "Kept: 120 failed, 40 over 1.0\u00a0s.",
    );
    const groups = page.locator(".alike li");
    expect(await groups.locator(".alike-count").allTextContents()).toEqual(["120", "40"]);
    expect(await groups.first().textContent()).toContain("b, checkout");
    await groups.nth(1).getByRole("link").click();
    await page.waitForURL(/outcome=slow/);
    expect(queryOf(page)).toMatchObject({ outcome: "slow", upstream: "a", from: moment(-8 * minuteMs) });
    expect(await rows(page).count()).toBe(40);

    await rows(page).first().getByRole("link").click();
    await page.waitForURL("**/requests/past-*");
    const ended = await page.locator(".facts time").getAttribute("datetime");
    await page.getByRole("link", { name: "This moment in the charts" }).click();
    await page.waitForURL("**/history?**");
    const at = Date.parse(queryOf(page)["at"] ?? "");
    // A request counts for the time at which it ended.
    expect(at - Date.parse(ended ?? "")).toBe(1_900);
    await page.getByRole("heading", { name: /^At / }).waitFor();
    expect(consoleErrors).toEqual([]);
  });

  test("are filtered by fields that stay in the address, and paged", async () => {
    await using visited = await open(during());
    const { page } = visited;
    await page.getByLabel("Path begins with").fill("shop.example/checkout");
    await page.getByLabel("Status").fill("5xx");
    await page.getByRole("textbox", { name: "Route" }).fill("checkout");
    await page.keyboard.press("Enter");
    await page.waitForURL(/route=checkout/);
    expect(queryOf(page)).toMatchObject({
      from: moment(-8 * minuteMs),
      path: "shop.example/checkout",
      status: "5xx",
      route: "checkout",
    });
    const seen: string[] = [];
    for (;;) {
      seen.push(...(await rows(page).locator(".request-address").allTextContents()));
      const older = page.getByRole("link", { name: "Older" });
      if ((await older.count()) === 0) break;
      const before = page.url();
      await older.click();
      await page.waitForURL((url) => url.href !== before);
    }
    expect(seen).toHaveLength(120);
    expect(new Set(seen).size).toBe(120);
    await page.getByRole("link", { name: "Newest" }).click();
    await page.waitForURL((url) => !url.searchParams.has("cursor"));
    expect(await rows(page).count()).toBe(50);
    await page.getByLabel("Client").fill("203.0.113.250");
    await page.keyboard.press("Enter");
    await page.getByText("No kept request matches this filter.").waitFor();
    await page.getByLabel("Status").fill("teapot");
    await page.keyboard.press("Enter");
    await page.getByText("Cannot use status: expected a status such as 404").waitFor();
  });

  test("of a part of the chart are shown by dragging over it", async () => {
    await using visited = await open(during("&outcome=failed"));
    const { page } = visited;
    await drawn(page);
    const box = await page.locator(".range-plot").boundingBox();
    if (!box) throw new Error("a chart is expected");
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.5, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.55, y, { steps: 3 });
    await page.mouse.up();
    await page.waitForURL((url) => url.searchParams.get("from") !== moment(-8 * minuteMs));
    expect(queryOf(page)["outcome"]).toBe("failed");
    // One failure each four seconds, of one minute.
    expect(Number(await page.locator(".alike-count").first().textContent())).toBeWithin(13, 18);
  });

  test("of now appear as they end", async () => {
    await using visited = await open("/requests?from=-15m&outcome=sampled&path=/fresh");
    const { page } = visited;
    await live(page);
    expect(await rows(page).count()).toBe(0);
    await (await fetch(`${past.fixture.url}/fresh/1`)).text();
    await until(async () => (await rows(page).count()) === 1, "the request", 10_000);
    expect(await rows(page).first().textContent()).toContain("/fresh/1");
  });

  test("are given as CSV and JSON, more than one page of them, with nothing a spreadsheet would run", async () => {
    await using visited = await open(during());
    const { page } = visited;
    const { csv, json } = await page.evaluate<{ csv: string; json: { requests: object[] } }>(`(async () => ({
      csv: await (await fetch("${during().replace("/requests?", "/requests.csv?")}")).text(),
      json: await (await fetch("${during().replace("/requests?", "/requests.json?")}")).json(),
    }))()`);
    expect(json.requests.length).toBe(220);
    const lines = csv.trimEnd().split("\r\n");
    expect(lines).toHaveLength(221);
    expect(lines[0]).toBe(
      "time,id,method,host,target,status,reason,pool,route,upstream,durationMs,queuedMs,attempts,client",
    );
    expect(csv).toContain(",POST,shop.example,/checkout/pay/7,500,,main,checkout,b,11,");
  });

  test("without a script are searched by the same form", async () => {
    await using visited = await open(during("&outcome=failed"), { javaScriptEnabled: false });
    const { page } = visited;
    await page.getByRole("combobox", { name: "Outcome" }).selectOption("slow");
    await page.getByRole("button", { name: "Filter" }).click();
    expect(queryOf(page)).toMatchObject({ outcome: "slow", from: moment(-8 * minuteMs) });
    expect(await rows(page).count()).toBe(40);
    await page.getByRole("link", { name: "Earlier" }).click();
    expect(queryOf(page)).toMatchObject({ outcome: "slow", from: moment(-18 * minuteMs) });
  });
});
