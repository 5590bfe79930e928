import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { consoleMessages, findChromium, launchChromium } from "../support/browser.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { Programs } from "../support/program.ts";
import { retriedRequest, someRequest } from "../support/requests-fixture.ts";
import { live, visitFakeAdmin } from "../support/visit.ts";
import { until } from "../support/wait.ts";

const executable = findChromium();

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(25_000);

let browser: Browser;

const scene = (path: string, options: BrowserContextOptions = {}) =>
  visitFakeAdmin(browser, { path, ...options });

const rows = (page: Page) => page.locator(".requests > .request");
const first = (page: Page) => rows(page).first().getAttribute("id");
const begins = (page: Page, seq: number) =>
  until(
    async () => (await first(page))?.startsWith(`request-${seq}-`) ?? false,
    `request ${seq} on top`,
    8_000,
  );
const explained = "/requests/6f1e0c2a-000062";

describe.skipIf(!executable)("requests in Chromium", () => {
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
  });
  afterAll(() => browser?.close());

  test("new requests appear on top, up to the maximum length of the list", async () => {
    await using visit = await scene("/requests");
    const { admin, page, consoleErrors } = visit;
    await live(page);
    expect(await rows(page).count()).toBe(40);
    admin.requestsApi.add(retriedRequest(101));
    await begins(page, 101);
    expect(await rows(page).count()).toBe(41);
    expect(await rows(page).first().textContent()).toContain("retried: connect_refused");
    for (let from = 102; from < 402; from += 60) {
      for (let seq = from; seq < from + 60; seq++) admin.requestsApi.add(someRequest(seq));
      await begins(page, from + 59);
    }
    expect(await rows(page).count()).toBe(200);
    admin.requestsApi.sendMissed(12);
    await page.getByText("313 new, 12 not shown").waitFor();
    expect(await page.locator(".requests").getAttribute("aria-live")).toBe("off");
    await page.locator("[data-role=spoken]").getByText("new requests").waitFor({ state: "attached" });
    expect(consoleErrors).toEqual([]);
  });

  test("holds new requests back while paused, pointed at or focused", async () => {
    await using visit = await scene("/requests");
    const { admin, page, consoleErrors } = visit;
    await live(page);
    await page.getByRole("button", { name: "Pause" }).click();
    admin.requestsApi.add(someRequest(101));
    await page.getByRole("button", { name: "Show 1 new" }).waitFor();
    expect(await first(page)).toStartWith("request-100-");
    await page.getByRole("button", { name: "Resume" }).click();
    expect(await first(page)).toStartWith("request-101-");

    await rows(page).nth(2).hover();
    admin.requestsApi.add(someRequest(102));
    await page.getByRole("button", { name: "Show 1 new" }).waitFor();
    await page.mouse.move(1, 1);
    await begins(page, 102);

    await rows(page).nth(1).getByRole("link").focus();
    admin.requestsApi.add(someRequest(103));
    await page.getByRole("button", { name: "Show 1 new" }).waitFor();
    const focused = () => page.evaluate("document.activeElement.closest('li').id");
    expect(await focused()).toStartWith("request-101-");
    await page.getByRole("button", { name: "Show 1 new" }).click();
    expect(await first(page)).toStartWith("request-103-");
    expect(consoleErrors).toEqual([]);
  });

  test("keeps the scroll position of a reader further down", async () => {
    await using visit = await scene("/requests", { viewport: { width: 1440, height: 500 } });
    const { admin, page } = visit;
    await live(page);
    await page.mouse.move(1, 1);
    const read = rows(page).nth(20);
    const id = await read.getAttribute("id");
    await page.evaluate("scrollTo(0, 700)");
    const place = () => page.evaluate<number>(`document.getElementById("${id}").getBoundingClientRect().top`);
    const before = await place();
    for (let seq = 101; seq < 111; seq++) admin.requestsApi.add(someRequest(seq));
    await begins(page, 110);
    expect(Math.abs((await place()) - before)).toBeLessThanOrEqual(1);
  });

  test("shows that the tail is interrupted, and continues after a restart without gap or duplicate", async () => {
    await using visit = await scene("/requests");
    const { admin, page, consoleErrors } = visit;
    await live(page);
    await until(() => admin.requestsApi.streams === 1, "the stream");
    admin.requestsApi.disconnect();
    await page.getByText("Live updates are interrupted").waitFor();
    admin.requestsApi.requests.unshift(someRequest(101));
    admin.requestsApi.reconnect();
    await begins(page, 101);
    admin.requestsApi.add(someRequest(102));
    await begins(page, 102);
    expect(await rows(page).count()).toBe(42);
    await page.getByText("Live updates are interrupted").waitFor({ state: "hidden" });
    expect(consoleErrors).toEqual([]);
  });

  test("filters, by keyboard alone, and follows what the filter lets through", async () => {
    await using visit = await scene("/requests");
    const { admin, page, url, consoleErrors } = visit;
    await page.getByLabel("Status").fill("5xx");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${url}/requests?**`);
    await live(page);
    expect(await page.getByLabel("Status").inputValue()).toBe("5xx");
    const shown = await rows(page).locator(".request-status").allTextContents();
    expect(shown.map((words) => words.replace("status ", "")).toSorted()).toEqual(["502", "503", "504"]);
    await until(() => admin.requestsApi.queries.some((query) => query.startsWith("stream") && query.includes("status=5xx")), "the filtered stream"); // prettier-ignore
    await page.getByRole("link", { name: "Slowest" }).click();
    await page.waitForURL(/which=slowest/);
    expect(await page.locator(".request-status").nth(1).textContent()).toContain("504");
    await page.getByRole("link", { name: "Clear" }).click();
    expect(await rows(page).count()).toBe(40);
    expect(consoleErrors).toEqual([]);
  });

  test("leads from a row to the explanation, and from there to a dry run", async () => {
    await using visit = await scene("/requests");
    const { admin, page, consoleErrors } = visit;
    await live(page);
    await page.getByRole("link", { name: "shop.example/cart/checkout" }).click();
    await page.getByRole("heading", { name: "GET shop.example/cart/checkout?step=2" }).waitFor();
    expect(await page.locator(".phase-bar").count()).toBe(3);
    const widths = await page
      .locator(".phase.p-wait")
      .evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect().width));
    expect(widths.length).toBeGreaterThan(0);
    expect(Math.min(...widths)).toBeGreaterThan(2);
    await page.getByText("failed while connecting: connect_refused").waitFor();
    expect(await page.locator("[data-chosen=yes]").count()).toBe(2);
    await page.getByRole("link", { name: "Repeat as dry run" }).click();
    expect(await page.getByLabel("Host").inputValue()).toBe("shop.example");
    await page.getByRole("button", { name: "Start dry run" }).click();
    await page.getByRole("heading", { name: "It would go to localhost:8083" }).waitFor();
    expect(admin.requestsApi.dryRuns).toHaveLength(1);
    await page.getByLabel("Target").fill("cart");
    await page.getByRole("button", { name: "Start dry run" }).click();
    await page.getByText("Cannot start the dry run: the target must begin with /").waitFor();
    expect(admin.requestsApi.dryRuns).toHaveLength(1);
    // The refusal is a response with status 422, which the browser logs.
    expect(consoleErrors.filter((words) => !words.includes("422"))).toEqual([]);
  });

  test("copies an id, and finds a request by it", async () => {
    await using visit = await scene(explained);
    const { page, url, consoleErrors } = visit;
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy request id" }).click();
    await page.getByText("Copied").waitFor();
    const copied = await page.evaluate<string>("navigator.clipboard.readText()");
    await page.goto(`${url}/requests`);
    await page.getByLabel("Request id").fill(copied);
    await page.keyboard.press("Enter");
    await page.waitForURL(url + explained);
    expect(consoleErrors).toEqual([]);
  });

  test("a page that stands still is not shown as lost", async () => {
    await using visit = await scene(explained);
    const { page } = visit;
    expect(await page.locator("html").getAttribute("data-link")).toBeNull();
  });

  test("shows what failed last at an upstream, over live updates, and all of it at a click", async () => {
    await using visit = await scene("/upstreams/localhost%3A8083");
    const { admin, page, consoleErrors } = visit;
    await live(page);
    const card = page.getByRole("region", { name: "Recent failures" });
    expect(await card.locator(".request").count()).toBe(3);
    admin.requestsApi.requests.unshift(retriedRequest(101));
    await until(
      async () => (await card.locator(".request").count()) === 4,
      "the new failing request",
      12_000,
    );
    await card.getByRole("link", { name: "Show all" }).click();
    await page.waitForURL(/which=failed&upstream=localhost%3A8083/);
    expect(await rows(page).count()).toBe(4);
    expect(consoleErrors).toEqual([]);
  });

  test("works without JavaScript", async () => {
    await using visit = await scene("/requests", { javaScriptEnabled: false });
    const { page, url } = visit;
    expect(await rows(page).count()).toBe(40);
    expect(await page.getByRole("button", { name: "Pause" }).isVisible()).toBe(false);
    await page.getByRole("link", { name: "Refresh" }).click();
    await page.getByLabel("Path begins with").fill("/orders");
    await page.getByRole("button", { name: "Filter" }).click();
    expect(await rows(page).count()).toBe(1);
    await page.getByRole("link", { name: "Remove the filter path begins with" }).waitFor({ state: "hidden" });
    // On a phone the fields are folded, so that the first request is on the first screen.
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(`${url}/requests`);
    expect((await rows(page).first().boundingBox())?.y).toBeLessThan(600);
    expect(await page.getByLabel("Status").isVisible()).toBe(false);
    await page.getByText("Filters").click();
    await page.getByLabel("Status").fill("5xx");
    await page.getByRole("button", { name: "Filter" }).click();
    expect(await page.getByLabel("Status").inputValue()).toBe("5xx");
    await page.goto(`${url}/requests?upstream=localhost:8083`);
    await page.getByRole("link", { name: "Remove the filter upstream" }).click();
    expect(await rows(page).count()).toBe(40);
    await page.getByRole("link", { name: "Dry run" }).click();
    await page.getByLabel("Host").fill("shop.example");
    await page.getByRole("button", { name: "Start dry run" }).click();
    await page.getByRole("heading", { name: "It would go to localhost:8083" }).waitFor();
  });

  const pages = ["/requests", "/requests?which=slowest", explained, "/requests/nobody", "/requests/dry-run"];

  test("fits every width", async () => {
    await using visit = await scene("/requests", { reducedMotion: "reduce" });
    const { page, url } = visit;
    for (const path of pages) {
      await page.goto(url + path);
      for (const width of [320, 390, 820, 1280, 1440, 1920]) {
        await page.setViewportSize({ width, height: 900 });
        const wide = await page.evaluate<number>("document.documentElement.scrollWidth");
        expect([path, wide <= width ? width : wide]).toEqual([path, width]);
      }
    }
  });

  test("shows a real balancer: a retried request live, both attempts, and the target of the next one", async () => {
    await using programs = new Programs();
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const broken = await startOrigin((_, socket) => void socket.destroy());
    const program = programs.evenkeel(
      ...["up", "--port", "0", "--host", "127.0.0.1", "--admin-port", "0", "--dashboard-port", "0"],
      ...["--upstreams", `${origin.url},${broken.url}`],
    );
    const url = `http://127.0.0.1:${await program.port("balancer")}/shop?step=2`;
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    const consoleErrors = consoleMessages(page);
    await page.goto(`http://127.0.0.1:${await program.port("dashboard")}/requests`);
    await live(page);
    const retried = page.locator(".requests > .request", { hasText: "retried: upstream_reset" });
    await until(
      async () => {
        expect(await (await fetch(url)).text()).toBe("ok");
        return (await retried.count()) > 0;
      },
      "a retried request in the tail",
      10_000,
    );
    await retried.first().getByRole("link").click();
    await page.getByRole("heading", { name: "What happened" }).waitFor();
    const attempts = await page.locator(".phase-name a").allTextContents();
    const names = [broken.url, origin.url].map((each) => each.replace("http://", ""));
    expect(attempts).toEqual(names);
    await page.getByText("failed before the response: upstream_reset").waitFor();
    expect(await page.locator(".account li").count()).toBeGreaterThan(2);
    await page.getByRole("link", { name: "Repeat as dry run" }).click();
    await page.getByRole("button", { name: "Start dry run" }).click();
    const response = await page.getByRole("heading", { name: /It would go to/ }).textContent();
    expect(names.some((name) => response?.includes(name))).toBe(true);
    expect(consoleErrors).toEqual([]);
    await page.close();
    await origin.close();
    await broken.close();
  });
});
