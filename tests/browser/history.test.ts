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
const dayMs = 24 * 60 * minuteMs;
const moment = (offsetMs: number) => new Date(past.incidentAt + offsetMs).toISOString().replace(".000Z", "Z");

/** Twenty minutes of last night with the incident in them. */
const zoomed = (more = "") => `/history?from=${moment(-8 * minuteMs)}&to=${moment(12 * minuteMs)}${more}`;

async function open(path: string, options: BrowserContextOptions = {}) {
  const { url, admin } = past.fixture;
  const visited = await visit(
    browser,
    { balancerUrl: url, adminUrl: admin },
    { timezoneId: "UTC", ...options },
  );
  await visited.open(path);
  return visited;
}

const drawn = (page: Page) => page.waitForSelector("[data-role=range-charts][data-drawn=yes]");
const plot = (page: Page) => page.locator(".range-plot").first();
const queryOf = (page: Page) => new URL(page.url()).searchParams;
const titled = (page: Page, text: string) => page.getByRole("heading", { level: 1, name: text }).waitFor();

const dayFormat = new Intl.DateTimeFormat("en-GB", {
  weekday: "long",
  day: "numeric",
  month: "long",
  timeZone: "UTC",
});

/** "Sunday 29 November, 03:04 – 03:24" for a range relative to the incident; with the second day if it is another one. */
function titleOf(from: number, to: number): string {
  const [first, last] = [from, to].map((offsetMs) => dayFormat.format(past.incidentAt + offsetMs));
  const [begin, end] = [from, to].map((offsetMs) => moment(offsetMs).slice(11, 16));
  return `${first}, ${begin} – ${first === last ? end : `${last}, ${end}`}`;
}

/** Drags over the first chart, between two shares of its width. */
async function drag(page: Page, from: number, to: number): Promise<void> {
  const box = await plot(page).boundingBox();
  if (!box) throw new Error("a chart is expected");
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * from, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * ((from + to) / 2), y, { steps: 4 });
  await page.mouse.move(box.x + box.width * to, y);
  await page.mouse.up();
}

async function clickAt(page: Page, share: number): Promise<void> {
  const box = await plot(page).boundingBox();
  if (!box) throw new Error("a chart is expected");
  await page.mouse.click(box.x + box.width * share, box.y + box.height / 2);
}

const valueOf = (page: Page, name: string) =>
  page
    .locator(".values > div", { has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) })
    .locator("dd");

describe.skipIf(!executable)("the history page in Chromium", () => {
  beforeAll(async () => {
    [browser, past] = await Promise.all([launchChromium(executable ?? ""), startPast()]);
  });
  afterAll(async () => {
    await browser?.close();
    await past?.[Symbol.asyncDispose]();
  });

  test("answers what happened last night: values, events and requests of a clicked moment", async () => {
    await using visited = await open(zoomed());
    const { page, consoleErrors } = visited;
    await drawn(page);
    // Ten and a half of twenty minutes: in the third minute of the incident.
    await clickAt(page, 0.525);
    await page.getByRole("heading", { name: `At ${moment(3 * minuteMs).slice(11, 19)}` }).waitFor();
    expect(queryOf(page).get("at")).toBe(moment(3 * minuteMs));
    expect(await valueOf(page, "Errors").textContent()).toMatch(/^75\.0\/s, 1\d\s%$/);
    expect(await valueOf(page, "p95").textContent()).toBe("2.4\u00a0s");
    expect(await valueOf(page, "Waiting").textContent()).toBe("214");
    // One number for one thing: the legend says the same.
    await drawn(page);
    const legend = page.locator(".range-chart", { hasText: "Errors/s" }).locator(".key-value").first();
    expect(await legend.textContent()).toBe("75.0");

    const around = page.locator(".around li");
    expect(await around.filter({ hasText: "You are here" }).count()).toBe(1);
    expect(await around.filter({ hasText: "bad image" }).textContent()).toContain("ann");
    // The number in the list is the number in the chart.
    const flags = await page.locator(".range-chart").first().locator(".mark-text").allTextContents();
    expect(flags).toEqual(["1", "2–3", "4", "5"]);

    const group = page.locator(".alike li", { hasText: "500 from the server" });
    expect(await group.locator(".alike-count").textContent()).toMatch(/^1[4-6]$/);
    await group.getByRole("link").click();
    await page.waitForURL("**/requests?**");
    expect(Object.fromEntries(queryOf(page))).toMatchObject({
      from: moment(2 * minuteMs),
      to: moment(3 * minuteMs),
      outcome: "failed",
      status: "500",
      upstream: "b",
    });
    expect(consoleErrors).toEqual([]);
  });

  test("names both days of a range over midnight", async () => {
    const midnight = Math.floor(past.incidentAt / dayMs) * dayMs - past.incidentAt;
    const [from, to] = [midnight - 10 * minuteMs, midnight + 10 * minuteMs];
    await using visited = await open(`/history?from=${moment(from)}&to=${moment(to)}`);
    await titled(visited.page, titleOf(from, to));
    expect(visited.consoleErrors).toEqual([]);
  });

  test("zooms by dragging, and goes back with 0, with a double click, and with the browser", async () => {
    await using visited = await open(zoomed());
    const { page, consoleErrors } = visited;
    await drawn(page);
    const whole = titleOf(-8 * minuteMs, 12 * minuteMs);
    await titled(page, whole);
    await drag(page, 0.25, 0.5);
    await page.waitForURL((url) => url.searchParams.get("from") !== moment(-8 * minuteMs));
    const [from, to] = ["from", "to"].map((name) => Date.parse(queryOf(page).get(name) ?? ""));
    expect(Math.abs((from ?? 0) - past.incidentAt + 3 * minuteMs)).toBeLessThan(3_000);
    expect(Math.abs((to ?? 0) - past.incidentAt - 2 * minuteMs)).toBeLessThan(3_000);
    await drawn(page);
    await page.keyboard.press("0");
    await titled(page, whole);
    await drawn(page);

    await drag(page, 0.5, 0.75);
    await page.waitForURL((url) => url.searchParams.get("from") !== moment(-8 * minuteMs));
    await drawn(page);
    const box = await plot(page).boundingBox();
    await page.mouse.dblclick((box?.x ?? 0) + 200, (box?.y ?? 0) + 60);
    await titled(page, whole);
    expect(queryOf(page).has("at")).toBe(false);

    await drawn(page);
    await drag(page, 0.1, 0.3);
    await page.waitForURL((url) => url.searchParams.get("from") !== moment(-8 * minuteMs));
    await page.goBack();
    await titled(page, whole);
    expect(consoleErrors).toEqual([]);
  });

  test("moves by Shift and dragging, and by the keys and buttons for earlier and later", async () => {
    await using visited = await open(zoomed());
    const { page } = visited;
    await drawn(page);
    await page.keyboard.down("Shift");
    await drag(page, 0.5, 0.25);
    await page.keyboard.up("Shift");
    await page.waitForURL((url) => url.searchParams.get("from") !== moment(-8 * minuteMs));
    const from = Date.parse(queryOf(page).get("from") ?? "");
    const to = Date.parse(queryOf(page).get("to") ?? "");
    expect(Math.abs(from - past.incidentAt + 3 * minuteMs)).toBeLessThan(3_000);
    expect(to - from).toBe(20 * minuteMs);
    await drawn(page);
    await page.keyboard.press("[");
    await page.waitForURL((url) => Date.parse(url.searchParams.get("from") ?? "") === from - 10 * minuteMs);
    await drawn(page);
    await page.getByRole("link", { name: "Later" }).click();
    await page.waitForURL((url) => Date.parse(url.searchParams.get("from") ?? "") === from);
  });

  test("moves the moment that is read by the arrow keys, one point each, and keeps it", async () => {
    await using visited = await open(zoomed());
    const { page, consoleErrors } = visited;
    await drawn(page);
    const legend = page.locator(".range-chart").first().locator(".key-at");
    expect(await legend.isVisible()).toBe(false);
    await page.keyboard.press("ArrowRight");
    expect(await legend.textContent()).toBe(`at ${moment(-7 * minuteMs).slice(11, 19)}`);
    for (let i = 0; i < 9; i++) await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowLeft");
    expect(await legend.textContent()).toBe(`at ${moment(minuteMs).slice(11, 19)}`);
    // All charts read the same moment.
    expect(new Set(await page.locator(".key-at").allTextContents()).size).toBe(1);
    expect(await page.locator(".cross line").count()).toBe(4);
    await page.locator("[data-role=range-charts]").focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: `At ${moment(minuteMs).slice(11, 19)}` }).waitFor();
    await drawn(page);
    // A pinned moment stands still when the pointer leaves, and moves by one point.
    await plot(page).hover({ position: { x: 30, y: 60 } });
    await page.mouse.move(5, 5);
    expect(await legend.textContent()).toBe(`at ${moment(minuteMs).slice(11, 19)}`);
    await page.keyboard.press("ArrowRight");
    await page.waitForURL((url) => url.searchParams.get("at") === moment(2 * minuteMs));
    await page.getByRole("heading", { name: `At ${moment(2 * minuteMs).slice(11, 19)}` }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: "In this time" }).waitFor();
    expect(consoleErrors).toEqual([]);
  });

  test("compares with a week ago, beside the values and in the charts", async () => {
    await using visited = await open(zoomed(`&at=${moment(3 * minuteMs)}`));
    const { page } = visited;
    await page.getByRole("link", { name: "a week ago" }).click();
    await page.waitForURL((url) => url.searchParams.get("compare") === "-7d");
    expect(await valueOf(page, "p95").textContent()).toBe("2.4\u00a0s, before 128\u00a0ms");
    expect(await page.locator(".chart-notes").textContent()).toContain("The grey line is a week ago.");
    expect(await page.locator(".chart-notes").textContent()).toContain("One point each minute.");
  });

  test.each([
    ["-15m", /^\d\d:\d\d$/],
    ["-24h", /^(\d\d:\d\d|[A-Z][a-z]{2} \d{1,2})$/],
    ["-7d", /^[A-Z][a-z]{2} \d{1,2}$/],
    ["-14d", /^\d{1,2} [A-Z][a-z]{2}$/],
  ] as const)(
    "labels the time of %s at least 72 px apart, and values from 0 with at most three lines",
    async (from, form) => {
      await using visited = await open(`/history?from=${from}`, { viewport: { width: 820, height: 900 } });
      const { page } = visited;
      await drawn(page);
      for (const chart of await page.locator(".range-chart").all()) {
        const labels = await chart.locator(".range-feet text").all();
        expect(labels.length).toBeGreaterThan(1);
        let before = Number.NEGATIVE_INFINITY;
        for (const label of labels) {
          expect(await label.textContent()).toMatch(form);
          const x = Number(await label.getAttribute("x"));
          expect(x - before).toBeGreaterThanOrEqual(72);
          before = x;
        }
        const lines = await chart.locator(".grid-text").count();
        expect(lines).toBeGreaterThanOrEqual(1);
        expect(lines).toBeLessThanOrEqual(3);
      }
      if (from === "-15m") {
        // Nothing failed: no red, and a scale that does not make little look like much.
        const errors = page.locator(".range-chart", { hasText: "Errors/s" });
        expect(await errors.locator(".grid-text").allTextContents()).toEqual(["0.5", "1"]);
      }
    },
  );

  test("without a script shows the same by links and a form", async () => {
    await using visited = await open(zoomed(`&at=${moment(3 * minuteMs)}`), { javaScriptEnabled: false });
    const { page } = visited;
    expect(await valueOf(page, "p95").textContent()).toBe("2.4\u00a0s");
    expect(await page.locator(".range-plot .line").count()).toBe(6);
    expect(await page.locator(".range-still .mark-line").count()).toBe(20);
    await page.getByRole("link", { name: "Point after" }).click();
    expect(queryOf(page).get("at")).toBe(moment(4 * minuteMs));
    await page.getByRole("link", { name: "Zoom out" }).click();
    expect(Date.parse(queryOf(page).get("to") ?? "") - Date.parse(queryOf(page).get("from") ?? "")).toBe(
      60 * minuteMs,
    );
    await page.getByRole("textbox", { name: "From" }).fill("-2h");
    await page.getByRole("textbox", { name: "To" }).fill("-1h");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "–" }).waitFor();
    expect(await page.locator(".range-live").isVisible()).toBe(false);
    await page.getByRole("link", { name: "24 h" }).click();
    await titled(page, "The last 24 hours");
    // The page of an upstream has the same.
    const query = zoomed(`&at=${moment(3 * minuteMs)}`).split("?")[1] ?? "";
    await page.goto(`${visited.url}/upstreams/b?${query}`);
    expect(await page.locator(".range-plot .line").count()).toBe(6);
    await page.getByRole("link", { name: "Point after" }).click();
    expect(queryOf(page).get("at")).toBe(moment(4 * minuteMs));
    await page.getByText("From – to").click();
    await page.getByRole("textbox", { name: "From" }).fill("-2h");
    await page.getByRole("textbox", { name: "To" }).fill("-1h");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.getByText("A fixed time, not live.").waitFor();
    const path = new URL(page.url());
    expect([path.pathname, path.searchParams.get("from")]).toEqual(["/upstreams/b", "-2h"]);
  });

  test("carries the time on to the requests and events, and back", async () => {
    await using visited = await open(zoomed());
    const { page } = visited;
    for (const name of ["Events", "Requests", "History"]) {
      await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).click();
      await page.waitForURL(`**/${name.toLowerCase()}?**`);
      expect(queryOf(page).get("from")).toBe(moment(-8 * minuteMs));
      expect(queryOf(page).get("to")).toBe(moment(12 * minuteMs));
    }
  });

  test("is shown on an upstream's page too, which stays live beside it", async () => {
    const time = `from=${moment(-8 * minuteMs)}&to=${moment(12 * minuteMs)}`;
    await using visited = await open(`/upstreams/b?${time}`);
    const { page, consoleErrors } = visited;
    await drawn(page);
    await live(page);
    expect(await page.locator(".range-chart").count()).toBe(4);
    const ends = () => page.locator(".range-chart .mark-text").first().textContent();
    expect(await ends()).toBe("1");
    // A click pins a moment, whose values, events and requests stand below the charts.
    const [charts, pinned] = [page.locator("[data-role=range-charts]"), page.locator("#pinned-moment")];
    expect(await pinned.textContent()).toBe("");
    await plot(page).click({ position: { x: 300, y: 60 } });
    await page.waitForURL((url) => url.searchParams.has("at"));
    await pinned.getByRole("heading", { name: "What happened around it" }).waitFor();
    await pinned.getByRole("link", { name: "Point after" }).click();
    await drawn(page);
    const at = queryOf(page).get("at") ?? "";
    expect(await charts.getAttribute("data-at")).toBe(String(Date.parse(at)));
    await page.locator("[data-role=unpin]").click();
    await page.waitForURL((url) => !url.searchParams.has("at"));
    await drawn(page);
    await drag(page, 0.5, 0.75);
    await page.waitForURL((url) => url.searchParams.get("from") !== moment(-8 * minuteMs));
    expect(new URL(page.url()).pathname).toBe("/upstreams/b");
    await drawn(page);
    await page.keyboard.press("0");
    await page.waitForURL((url) => url.searchParams.get("from") === moment(-8 * minuteMs));
    await page.getByRole("link", { name: "Failed and slow requests" }).click();
    await page.waitForURL("**/requests?**");
    expect(queryOf(page).get("upstream")).toBe("b");
    expect(consoleErrors).toEqual([]);
  });

  test("shows times in the zone of the browser", async () => {
    await using visited = await open(zoomed(`&at=${moment(3 * minuteMs)}`), { timezoneId: "Asia/Kolkata" });
    const { page } = visited;
    await drawn(page);
    await page.locator("#view-button").click();
    await page.getByRole("radio", { name: "Local" }).check();
    const local = new Date(past.incidentAt + 3 * minuteMs + 5.5 * 60 * minuteMs).toISOString().slice(11, 19);
    await page.getByRole("heading", { name: `At ${local}` }).waitFor();
    expect(await page.locator(".key-at").first().textContent()).toBe(`at ${local}`);
  });

  test("copies a link that stays what it is, and gives the rows as CSV and JSON", async () => {
    await using visited = await open("/history?from=-1h", {
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const { page, url } = visited;
    await drawn(page);
    const before = Date.now();
    await page.getByRole("link", { name: "Copy link" }).click();
    await page.getByRole("link", { name: "Copied" }).waitFor();
    const copied = new URL(await page.evaluate<string>("navigator.clipboard.readText()"));
    expect(copied.origin).toBe(url);
    const [from, to] = ["from", "to"].map((name) => copied.searchParams.get(name) ?? "");
    expect(from).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(Math.abs(Date.parse(to ?? "") - before)).toBeLessThan(20_000);
    expect(Date.parse(to ?? "") - Date.parse(from ?? "")).toBe(3_600_000);
    const rows = await page.evaluate<{ csv: string; json: { columns: { at: number[] } } }>(`(async () => ({
      csv: await (await fetch("/history.csv${copied.search}")).text(),
      json: await (await fetch("/history.json${copied.search}")).json(),
    }))()`);
    const lines = rows.csv.trimEnd().split("\r\n");
    expect(lines[0]).toBe(
      "time,requestsPerSecond,errorsPerSecond,retriesPerSecond,rescuesPerSecond,queued,inFlight,p50Ms,p95Ms,p99Ms",
    );
    expect(lines.length - 1).toBe(rows.json.columns.at.length);
    expect(lines.length).toBeGreaterThan(300);
  });

  test("moves on while it is live, and says so when it cannot", async () => {
    await using visited = await open("/history?from=-5m");
    const { page } = visited;
    const sign = page.locator("[data-role=range-live]");
    await until(async () => (await sign.textContent()) === "Live", "the sign");
    const source = () => page.locator("[data-role=range-charts]").getAttribute("data-to");
    const first = await source();
    await until(async () => (await source()) !== first, "a later end", 15_000);
    await page.route("**/history?**", (route) => route.abort());
    await until(
      async () => (await sign.textContent())?.startsWith("No news since") ?? false,
      "the loss",
      15_000,
    );
    await page.unroute("**/history?**");
    await until(async () => (await sign.textContent()) === "Live", "live again", 15_000);
  });

  test("says what is wrong with an address, and shows the last hour", async () => {
    await using visited = await open("/history?from=lately&at=x&compare=then");
    const { page } = visited;
    const texts = await page.getByRole("alert").locator("p").allTextContents();
    expect(texts).toEqual([
      'Cannot use from: expected a time such as 2026-11-28T03:12:00Z, -1h or now (received "lately").',
      'Cannot use at: expected a time such as 2026-11-28T03:12:00Z, -1h or now (received "x").',
      'Cannot use compare: expected a time before such as -7d (received "then").',
    ]);
    await titled(page, "The last hour");
  });
});
