import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import type { OutlierSnapshot } from "../../src/snapshot/snapshot.ts";
import {
  calmSnapshot,
  pool,
  snapshotOf,
  traffic,
  upstream,
  withUpstream,
} from "../support/fake-admin-api.ts";
import {
  accessibilityViolations,
  consoleMessages,
  findChromium,
  launchChromium,
} from "../support/browser.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { type Program, Programs } from "../support/program.ts";
import { live, type FakeAdminOptions, visitFakeAdmin } from "../support/visit.ts";
import { until } from "../support/wait.ts";

const executable = findChromium();

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(25_000);

let browser: Browser;

const scene = (options: FakeAdminOptions = {}) => visitFakeAdmin(browser, options);

const drawn = (page: Page) => page.waitForSelector("[data-role=range-charts][data-drawn=yes]");
const actionPath = "/actions?act=drain&upstream=localhost%3A8081&upstream=localhost%3A8083";
const upstreamPath = "/upstreams/localhost%3A8082";

/** Twelve upstreams with rising numbers of everything, in a random order. */
const many = () =>
  snapshotOf(
    pool({
      upstreams: [7, 2, 11, 5, 1, 9, 3, 12, 8, 4, 10, 6].map((each) =>
        upstream(`api-${each}`, {
          inFlight: each,
          traffic: traffic({ requestsPerSecond: each * 10, p99Ms: each * 100 }),
        }),
      ),
    }),
  );

const names = (page: Page) => page.locator("tbody .name:visible").allTextContents();

/** How many pixels of a chart's canvas are not empty. */
const inked = (page: Page, chart = 0) =>
  page.evaluate<number>(`{
    const canvas = document.querySelectorAll("figure canvas")[${chart}];
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] > 0) count += 1;
    count;
  }`);

describe.skipIf(!executable)("the overview in Chromium", () => {
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
  });
  afterAll(() => browser?.close());

  test("draws its charts, shows the values under the pointer, and grows with every second", async () => {
    await using visit = await scene();
    const { admin, page, consoleErrors } = visit;
    await drawn(page);
    await live(page);
    for (const chart of [0, 1, 2]) expect(await inked(page, chart)).toBeGreaterThan(1_000);
    const box = await page.locator(".range-plot").first().boundingBox();
    if (!box) throw new Error("Cannot hover: the chart has no place");
    const time = page.locator(".key-at").first();
    const rate = page.locator('[data-quantity="requestsPerSecond"] .key-value');
    const current = await rate.textContent();
    const seen = new Set<string>();
    for (const part of [0.3, 0.5, 0.7]) {
      await page.mouse.move(box.x + box.width * part, box.y + box.height / 2);
      await until(async () => /^at \d/.test((await time.textContent()) ?? ""), "the time under the pointer");
      seen.add(`${await time.textContent()} ${await rate.textContent()}`);
      expect(await page.locator('[data-quantity="p99Ms"] .key-value').textContent()).toMatch(/\d\sms$/);
    }
    expect(seen.size).toBe(3);
    await page.mouse.move(5, 5);
    // The number of now is that of the snapshot, not the last point of the chart.
    await until(async () => (await rate.textContent()) === current, "the number of now");
    const newest = () =>
      page.evaluate<number>('document.querySelector("[data-role=range-charts]").charts.columns.at.at(-1)');
    const before = await newest();
    await until(async () => (await newest()) > before, "the next second", 10_000);
    // What happens is marked without a reload.
    const [last] = admin.events.slice(-1);
    if (!last) throw new Error("Cannot follow events: there are none");
    const reload = { ...last, seq: 99, at: Date.now(), detail: "retries 2 → 3" };
    admin.events = [...admin.events, reload];
    admin.snapshot = { ...admin.snapshot, events: [reload] };
    await page.locator(".traffic .marks").getByText("retries 2 → 3").waitFor();
    expect(consoleErrors).toEqual([]);
  });

  test("shows another time at a click or a drag, as a table, and its requests", async () => {
    await using visit = await scene({ snapshot: many() });
    const { page, url, consoleErrors } = visit;
    const query = () => Object.fromEntries(new URL(page.url()).searchParams);
    const drag = async (from: number, to: number) => {
      const box = await page.locator(".range-plot").first().boundingBox();
      if (!box) throw new Error("Cannot drag: the chart has no place");
      const at = (part: number) => [box.x + box.width * part, box.y + box.height / 2] as const;
      await page.mouse.move(...at(from));
      await page.mouse.down();
      await page.mouse.move(...at(to), { steps: 4 });
      await page.mouse.up();
    };
    await drawn(page);
    await live(page);
    await page.evaluate("window.stayed = true");
    await page.getByRole("link", { name: "24 h" }).click();
    await page.waitForURL(/from=-1d/);
    await drawn(page);
    await page.getByText("as a table").click();
    await until(async () => (await page.locator(".numbers tbody tr").count()) === 10, "the table");
    // The table of upstreams is filtered while typing, as before.
    await page.getByRole("searchbox").fill("api-12");
    await until(async () => (await names(page)).join() === "api-12", "the filter");
    await drag(0.2, 0.6);
    await page.getByText("A fixed time, not live.").waitFor();
    expect(query()["to"]).toMatch(/^20.*Z$/);
    // What the charts say no more stands below them.
    expect(await page.locator(".traffic-now").textContent()).toContain("Now: requests/s");
    await page.getByRole("link", { name: "Back to now" }).click();
    await page.waitForURL(/from=-1h/);
    await drawn(page);
    expect(await page.evaluate("window.stayed")).toBe(true);
    // The stream of the new page took the place of the other one.
    await page.waitForSelector("html[data-link=live]");
    await drag(0.5, 0.5);
    await page.waitForURL(/\/history\?.*at=/);
    expect(page.url()).toStartWith(`${url}/history`);
    expect(consoleErrors).toEqual([]);
  });

  test("shows charts, numbers, sorting and filtering without JavaScript", async () => {
    await using visit = await scene({ snapshot: many(), javaScriptEnabled: false });
    const { page } = visit;
    expect(await page.locator(".still path.line").count()).toBe(5);
    expect((await page.locator(".still path.line").first().getAttribute("d"))?.length).toBeGreaterThan(500);
    await page.getByText("as a table").click();
    expect(await page.locator(".numbers tbody tr").count()).toBe(10);
    await page.getByRole("link", { name: "p99" }).click();
    expect((await names(page))[0]).toBe("api-12");
    await page.getByRole("searchbox").fill("API-1");
    await page.getByRole("button", { name: "Filter" }).click();
    expect(await names(page)).toEqual(["api-12", "api-11", "api-10", "api-1"]);
    await page.getByRole("link", { name: "24 h" }).click();
    expect(await names(page)).toHaveLength(4);
    await page.getByRole("searchbox").fill("www.example.com/search");
    await page.getByRole("button", { name: "Filter" }).click();
    expect(await names(page)).toHaveLength(12);
    expect(await page.locator(".pool-row .s-probes").innerText()).toMatch(
      /^shop.example.com\/checkout\s\+2$/,
    );
    expect(await page.locator(".windows [aria-current]").first().textContent()).toBe("24 h");
    await page.getByRole("link", { name: "p50" }).click();
    expect(await page.locator(".windows [aria-current]").first().textContent()).toBe("24 h");
  });

  test("keeps sorting and filter over live updates", async () => {
    await using visit = await scene({ snapshot: many() });
    const { admin, page, consoleErrors } = visit;
    await live(page);
    await page.getByRole("link", { name: "Req/s" }).click();
    await page.waitForURL(/sort=rps/);
    await live(page);
    await page.getByRole("searchbox").fill("api-1");
    expect(await names(page)).toEqual(["api-12", "api-11", "api-10", "api-1"]);
    await page.getByText("4 of 12 shown").waitFor();
    // A host and a path find the pool that the route leads to.
    await page.getByRole("searchbox").fill("Shop.example.com/check");
    await page.getByText("12 of 12 shown").waitFor();
    expect(await names(page)).toHaveLength(12);
    await page.getByRole("searchbox").fill("api-1");
    admin.snapshot = withUpstream(admin.snapshot, "api-1", {
      traffic: traffic({ requestsPerSecond: 9_999 }),
    });
    await until(async () => (await names(page))[0] === "api-1", "the new order");
    expect(await names(page)).toEqual(["api-1", "api-12", "api-11", "api-10"]);
    expect(await page.locator('th[aria-sort="descending"]').textContent()).toBe("Req/s");
    await page.getByRole("link", { name: "p50" }).click();
    // The address changes before the new page has its scripts.
    await page.waitForURL(/sort=p50/);
    expect(await names(page)).toHaveLength(4);
    await live(page);
    await page.getByRole("searchbox").fill("");
    await until(async () => (await names(page)).length === 12, "all rows");
    expect(consoleErrors).toEqual([]);
  });

  test("shows the quarters of the day in the zone of the viewer below the horizon", async () => {
    await using visit = await scene({
      ...{ snapshot: calmSnapshot(), path: "/?tz=local", timezoneId: "Asia/Kolkata" },
    });
    const { page, consoleErrors } = visit;
    const axis = () =>
      page.evaluate<string[]>(`{
        const axis = document.getElementById("sea-axis");
        const [from, end] = [Number(axis.dataset.from), Number(axis.dataset.end)];
        [...axis.querySelectorAll("text")].map((label) => {
          const at = from + (parseFloat(label.getAttribute("x")) / 100) * (end - from);
          // Half a minute of rounding.
          return label.textContent + " " + (label.className.baseVal === "sea-zone" ? "" : new Date(at + 30_000).toISOString().slice(14, 15));
        });
      }`);
    await live(page);
    await until(async () => (await axis()).at(-1) === "local ", "the zone");
    const labels = (await axis()).slice(0, -1);
    expect(labels.length).toBeWithin(3, 5);
    // Local midnight is 18:30 UTC.
    for (const label of labels) expect(label).toMatch(/^(00|06|12|18):00 [23]$/);
    await visit.open("/");
    await until(async () => (await axis()).at(-1) === "UTC ", "UTC");
    for (const label of (await axis()).slice(0, -1)) expect(label).toMatch(/^(00|06|12|18):00 [05]$/);
    expect(consoleErrors).toEqual([]);
  });

  test("shows uptime, probes and a slow start in the table, and what changes in place", async () => {
    const uptime = (share: number) => ({ state: "up", since: 0, share, countedMs: 86_400_000 }) as const;
    const upstreams = [
      upstream("good", { uptime: uptime(1) }),
      upstream("slow", { uptime: uptime(0.98), slowStart: 0.25, effectiveWeight: 0.25 }),
      upstream("flaps", { uptime: uptime(0.91), probeHistory: `${"+".repeat(50)}${"-+".repeat(5)}` }),
    ];
    await using visit = await scene({ snapshot: snapshotOf(pool({ upstreams })) });
    const { admin, page, consoleErrors } = visit;
    await live(page);
    const row = (id: string) => page.locator(`#upstream-${id}`);
    await row("flaps").getByRole("img", { name: "Last probes of flaps: 5 of 60 failed" }).waitFor();
    expect(await row("flaps").locator(".s-state").getAttribute("title")).toContain("91\u00a0% of 24\u00a0h");
    await row("slow").getByText("25\u00a0% of its share").waitFor();
    const place = () => row("flaps").boundingBox();
    const before = await place();
    admin.snapshot = withUpstream(admin.snapshot, "slow", { slowStart: 0.75, effectiveWeight: 0.75 });
    await page.getByText("75\u00a0% of its share").waitFor();
    admin.snapshot = withUpstream(admin.snapshot, "flaps", { probeHistory: "-".repeat(60) });
    await row("flaps").getByRole("img", { name: "60 of 60 failed" }).waitFor();
    expect(await place()).toEqual(before);
    await page.getByRole("button", { name: "Order: Worst first" }).click();
    await page.getByRole("link", { name: "Least uptime" }).click();
    expect(await names(page)).toEqual(["flaps", "slow", "good"]);
    await page.getByRole("button", { name: "Order: Least uptime" }).waitFor();
    expect(await accessibilityViolations(page)).toEqual([]);
    expect(consoleErrors).toEqual([]);
  });

  test("shows panic mode at once", async () => {
    const outlier: OutlierSnapshot = {
      state: "ejected",
      since: Date.now(),
      until: null,
      count: 1,
      reason: "consecutive_failures",
      cause: "connect_refused",
    };
    const upstreams = [upstream("api-1", { status: "ejected", outlier })];
    await using visit = await scene({ snapshot: snapshotOf(pool({ panic: true, upstreams })) });
    const { page, consoleErrors } = visit;
    await live(page);
    await page.getByText("Ejected, serves in panic mode").waitFor();
    await page.getByText("Panic mode: all upstreams that pass their probes are ejected").waitFor();
    expect(await accessibilityViolations(page)).toEqual([]);
    expect(consoleErrors).toEqual([]);
  });

  test("fits every width on every page, and does not move when charts are drawn", async () => {
    await using visit = await scene({ reducedMotion: "reduce" });
    const { page, url } = visit;
    for (const path of [
      "/",
      upstreamPath,
      "/config",
      "/events",
      "/audit",
      actionPath,
      "/actions/add?add-to=main",
    ]) {
      await page.goto(url + path);
      for (const width of [320, 390, 820, 1280, 1440, 1920]) {
        await page.setViewportSize({ width, height: 900 });
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
      }
    }
    await page.route("**/history.json*", (route) => (held ? route.abort() : route.continue()));
    let held = true;
    await page.goto(url);
    await live(page);
    const places = () =>
      page.evaluate(`[...document.querySelectorAll("figure, .range-plot, .grid, th, h1")].map((element) => {
        const { x, y, width, height } = element.getBoundingClientRect();
        return [x, y, width, height].map(Math.round).join();
      })`);
    const before = await places();
    held = false;
    await drawn(page);
    expect(await places()).toEqual(before);
  });

  test("shows errors by reason at a click, and keeps them open over live updates", async () => {
    await using visit = await scene();
    const { admin, page, consoleErrors } = visit;
    await live(page);
    await page.getByRole("button", { name: "37 total errors of localhost:8082" }).click();
    const list = page.locator(".popover:popover-open");
    await list.getByText("connect_refused").waitFor();
    const { reads } = admin;
    await until(() => admin.reads >= reads + 2, "two further updates");
    expect(await list.isVisible()).toBe(true);
    await page.keyboard.press("Escape");
    await list.waitFor({ state: "hidden" });
    expect(consoleErrors).toEqual([]);
  });

  test("has a page for one upstream, from which it is drained", async () => {
    await using visit = await scene();
    const { admin, page, url, consoleErrors } = visit;
    await page.getByRole("link", { name: "localhost:8083" }).click();
    await live(page);
    await drawn(page);
    expect(page.url()).toBe(`${url}/upstreams/localhost%3A8083`);
    const legend = page.locator(".range-chart", { hasText: "Requests/s" }).locator(".key-value");
    expect(await legend.textContent()).toBe("1,199");
    const newest = () =>
      page.evaluate<number>('document.querySelector("[data-role=range-charts]").charts.columns.at.at(-1)');
    const first = await newest();
    await until(async () => (await newest()) > first, "a second of the stream in the charts");
    for (const words of ["Passing", "Probes", "Latency", "status_500", "fair 67\u00a0%"]) {
      expect(await page.getByText(words, { exact: true }).first().isVisible()).toBe(true);
    }
    expect(await page.locator(".strip rect").count()).toBe(60);
    await page.getByRole("button", { name: "Drain localhost:8083" }).click();
    await page.getByRole("dialog").locator("button.main").click();
    await page.getByText("Draining", { exact: true }).waitFor();
    expect(admin.posts).toHaveLength(1);
    expect(await inked(page)).toBeGreaterThan(1_000);
    admin.snapshot = snapshotOf(pool());
    await page.getByText('No upstream named "localhost:8083".').waitFor();
    expect(consoleErrors).toEqual([]);
  });

  test("shows the history of a real balancer, also after its restart", async () => {
    await using programs = new Programs();
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const folder = mkdtempSync(join(tmpdir(), "evenkeel-overview-"));
    const start = () =>
      programs.evenkeel(
        ...["up", "--port", "0", "--host", "127.0.0.1", "--admin-port", "0", "--dashboard-port", "0"],
        ...["--state", join(folder, "state.db"), "--upstreams", origin.url],
      );
    // With two points after it, the second with the requests is drawn.
    const requestsShown = (page: Page) =>
      page.evaluate<boolean>(`{
        const rates = document.querySelector("[data-role=range-charts]").charts.columns.requestsPerSecond;
        rates.slice(0, -2).some((rate) => rate > 1);
      }`);
    const visit = async (program: Program) => {
      const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
      const consoleErrors = consoleMessages(page);
      await page.goto(`http://127.0.0.1:${await program.port("dashboard")}/?from=-1m&to=now`);
      await drawn(page);
      await until(() => requestsShown(page), "the requests in the history", 10_000);
      expect(await inked(page)).toBeGreaterThan(100);
      await page.close();
      expect(consoleErrors).toEqual([]);
    };
    const first = start();
    const url = `http://127.0.0.1:${await first.port("balancer")}/`;
    for (let i = 0; i < 50; i++) await (await fetch(url)).text();
    await visit(first);
    expect((await first.kill("SIGTERM")).code).toBe(0);
    await visit(start());
    await origin.close();
    rmSync(folder, { recursive: true });
  });
});
