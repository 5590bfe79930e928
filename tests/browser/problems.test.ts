import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import type { ServiceProblem } from "../../src/problems/problem.ts";
import { snapshotOf, withUpstream } from "../support/fake-admin-api.ts";
import { accessibilityViolations, findChromium, launchChromium } from "../support/browser.ts";
import {
  closedProblem,
  incidentSnapshot,
  noticeProblem,
  poolOf,
  problemOf,
  slowProblem,
} from "../support/problem-fixture.ts";
import { live, type FakeAdminOptions, visitFakeAdmin } from "../support/visit.ts";
import { until } from "../support/wait.ts";

const executable = findChromium();

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(25_000);

let browser: Browser;

const troubled = (problems: readonly ServiceProblem[] = [problemOf(), slowProblem()]) => ({
  ...snapshotOf(poolOf("checkout", 8)),
  problems,
});

const scene = (options: FakeAdminOptions = {}) =>
  visitFakeAdmin(browser, { snapshot: troubled(), ...options });

const titles = (page: Page) =>
  page.locator("#problem-list > li h2 a, #problem-list > li.brief a").allTextContents();
const first = (page: Page) => page.locator("#problem-list > li").first();
const iconOf = (page: Page) => page.locator('link[rel="icon"]').getAttribute("href");

describe.skipIf(!executable)("the list of problems in Chromium", () => {
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
  });
  afterAll(() => browser?.close());

  test("says what is wrong, since when, who is hit, why and what to do, also without JavaScript", async () => {
    await using visit = await scene({
      javaScriptEnabled: false,
      snapshot: troubled([problemOf(), slowProblem(), noticeProblem(), closedProblem()]),
    });
    const { admin, page } = visit;
    expect(await page.locator("h1").textContent()).toContain("2 problems. Clients notice the first.");
    expect(await page.title()).toBe(
      "(2) checkout-07 answers 30 % of its requests with 500 – fra-1 – Evenkeel",
    );
    expect(await iconOf(page)).toContain("icon-bad");
    for (const path of ["/", "/requests", "/config", "/keys", "/none"]) {
      await page.goto(new URL(path, page.url()).href);
      const count = page.locator("#problem-count");
      // A page that is none does not ask the balancer.
      expect([await count.textContent(), await count.getAttribute("data-tone")]).toEqual(
        path === "/none" ? ["", "warn"] : ["2", "bad"],
      );
    }
    // The links of alerts: to an open problem, one that is over, and one that is not known any more.
    const notice = page.locator("#notice");
    for (const [id, sought, text] of [
      [slowProblem().id, [slowProblem().title], ""],
      [closedProblem().id, [], `Over: ${closedProblem().title}, from `],
      ["p-0", [], "The problem p-0 is over, and too long ago to be known."],
      ["<b>", [], ""],
    ] as const) {
      await page.goto(new URL(`/?p=${encodeURIComponent(id)}`, page.url()).href);
      expect(await page.locator('.problem[data-sought="yes"] h2 a').allTextContents()).toEqual([...sought]);
      if (text === "") expect((await notice.textContent())?.trim()).toBe("");
      else expect(await notice.textContent()).toContain(text);
    }
    await page.goto(new URL("/", page.url()).href);
    expect(await titles(page)).toEqual([problemOf().title, slowProblem().title]);
    for (const words of [
      ...["Critical", "14 min ago", "shop.example.com/checkout, /pay"],
      ...["1 in 40 requests, 13,020 so far", "Only this upstream", "Its 11 peers then get 9.1 % more each."],
    ]) {
      expect((await first(page).textContent())?.replaceAll("\u00a0", " ")).toContain(words);
    }
    expect(await page.locator(".ahead").textContent()).toContain("Coming up: The certificate for api");
    expect(await page.locator(".closed").textContent()).toContain(
      "Closed after 17 min: web-04 refuses connections",
    );
    const links = first(page).locator(".problem-links a");
    expect(await links.evaluateAll((all) => all.map((one) => one.getAttribute("href")))).toEqual([
      problemOf().links.requests,
      problemOf().links.history,
    ]);
    await first(page).getByRole("button", { name: "Drain checkout-07" }).click();
    expect(await page.getByRole("textbox", { name: "Reason" }).inputValue()).toBe("p-k7m2x");
    await page.getByRole("button", { name: "Drain checkout-07" }).click();
    await page.waitForURL(/done=/);
    expect(admin.posts).toMatchObject([{ id: "checkout-07", mode: "draining", reason: "p-k7m2x" }]);
  });

  test("its button opens the dialog that shows what follows, and acts at the second click", async () => {
    await using visit = await scene({ snapshot: incidentSnapshot() });
    const { admin, page, consoleErrors } = visit;
    await live(page);
    await first(page).getByRole("button", { name: "Drain checkout-07" }).click();
    await page.getByRole("dialog").locator("#effect li").first().waitFor();
    expect(admin.posts).toEqual([]);
    await page.getByRole("dialog").locator("button.main").click();
    await until(() => admin.posts.length === 1, "the drain");
    // Each has its small chart, and the second best act is in a menu beside the button.
    await first(page).locator(".problem-chart svg").waitFor();
    await page.getByRole("button", { name: "What else to do: Set its weight to a fifth" }).click();
    await page.getByRole("button", { name: "Set its weight to a fifth", exact: true }).click();
    await page.getByRole("dialog").getByText("search-03").first().waitFor();
    expect(consoleErrors).toEqual([]);
  });

  test("changes with the list: horizon, verdict, title of the tab and its icon", async () => {
    await using visit = await scene({ snapshot: troubled([]), reducedMotion: "reduce" });
    const { admin, page, consoleErrors } = visit;
    await live(page);
    const wave = () => page.locator("#wave path.line").first().getAttribute("d");
    expect((await wave())?.length).toBeGreaterThan(1_000);
    for (const words of [
      "Answered",
      "M requests, last 24 hours",
      "p95 128",
      "Not known yet",
      "No problem since the start",
    ])
      expect((await page.locator("#horizon").textContent())?.replaceAll("\u00a0", " ")).toContain(words);
    expect(await accessibilityViolations(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await accessibilityViolations(page, { only: ["color-contrast"] })).toEqual([]);
    const count = page.locator("#problem-count");
    const shows = async (title: string, icon: RegExp) => {
      await until(async () => (await page.title()) === title && icon.test((await iconOf(page)) ?? ""), title);
      const [, number = ""] = /^\((\d+)\)/.exec(title) ?? [];
      await until(async () => (await count.textContent()) === number, `the number of ${title}`);
    };
    await shows("On an even keel – Evenkeel", /icon\.\w+\.svg$/);
    expect(await page.locator("h1").textContent()).toStartWith("On an even keel. All 8 upstreams serve");
    // The line comes once a minute; the number of now comes with every message.
    const { pools } = troubled([]);
    admin.snapshot = {
      ...troubled([]),
      pools: pools.map((each) => ({ ...each, traffic: { ...each.traffic, requestsPerSecond: 777 } })),
    };
    await page.locator(".sea-now").getByText("777/s").waitFor();
    expect((await wave())?.length).toBeGreaterThan(1_000);
    admin.snapshot = troubled([slowProblem()]);
    await shows(`(1) ${slowProblem().title} – fra-1 – Evenkeel`, /icon-warn/);
    expect(await page.locator("h1").textContent()).toContain("1 problem. Clients do not notice.");
    expect(await page.locator("#horizon").count()).toBe(0);
    admin.snapshot = troubled([problemOf(), slowProblem()]);
    await shows(`(2) ${problemOf().title} – fra-1 – Evenkeel`, /icon-bad/);
    admin.snapshot = troubled([noticeProblem()]);
    await shows("On an even keel – fra-1 – Evenkeel", /icon\.\w+\.svg$/);
    expect(await page.locator(".proofs").textContent()).toContain("ends in 9 days");
    await page.goto(new URL("/config", page.url()).href);
    expect(await count.textContent()).toBe("");
    admin.snapshot = troubled([slowProblem()]);
    await page.locator('#problem-count[data-tone="warn"]').getByText("1").waitFor();
    admin.snapshot = troubled([noticeProblem()]);
    await page.goBack();
    expect((await wave())?.length).toBeGreaterThan(1_000);
    expect(consoleErrors).toEqual([]);
  });

  test("does not change its order under the pointer or the focus", async () => {
    await using visit = await scene();
    const { admin, page } = visit;
    await live(page);
    const [one, other] = [problemOf(), slowProblem()];
    const third = problemOf({ id: "p-3", title: "web-04 refuses connections", level: "warning" });
    await page.getByText(other.title).hover();
    admin.snapshot = troubled([{ ...other, level: "critical" }, one, third]);
    await page.getByText(third.title).waitFor();
    expect(await titles(page)).toEqual([one.title, other.title, third.title]);
    await page.mouse.move(2, 2);
    await until(async () => (await titles(page))[0] === other.title, "the new order");
    await page.locator("#problem-list").getByRole("button", { name: "Drain search-03" }).focus();
    admin.snapshot = troubled([one, { ...other, hits: { ...other.hits, words: "Changed" } }]);
    await page.getByText("Changed").waitFor();
    expect(await titles(page)).toEqual([other.title, one.title]);
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Drain search-03");
  });

  test("shows five in full and the others as titles, marks what is silenced, and shows a viewer no button", async () => {
    const silenced = { until: "2036-11-30T15:00:00Z", by: "ann", why: "known" };
    const problems = [1, 2, 3, 4, 5, 6, 7].map((each) =>
      problemOf({ id: `p-${each}`, title: `problem ${each}`, silenced: each === 1 ? silenced : null }),
    );
    await using visit = await scene({ snapshot: troubled(problems) });
    const { page } = visit;
    expect(await titles(page)).toEqual([1, 2, 3, 4, 5, 6, 7].map((each) => `problem ${each}`));
    expect(await page.locator(".problem-facts").count()).toBe(5);
    expect(await first(page).locator(".silenced").textContent()).toBe(
      "Silenced by ann until 2036-11-30\u00a015:00:00\u00a0UTC",
    );
    const buttons = page.locator("#problem-list button:visible");
    expect(await buttons.count()).toBe(5);
    // The role of a session stands here; the style sheet hides what the role may not do.
    await page.evaluate('document.body.dataset.role = "viewer"');
    expect(await buttons.count()).toBe(0);
    expect(await page.locator(".problem-links a:visible").count()).toBe(10);
  });
});

describe.skipIf(!executable)("sixty upstreams with two problems in Chromium", () => {
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
  });
  afterAll(() => browser?.close());

  test("fit on little more than a screen, and the first button on the first screen of a phone", async () => {
    await using visit = await visitFakeAdmin(browser, { snapshot: incidentSnapshot() });
    const { page } = visit;
    await live(page);
    await first(page).locator(".problem-chart svg").waitFor();
    expect((await page.locator("tbody tr:not(.pool-row)").first().boundingBox())?.y).toBeLessThan(900);
    expect(await page.evaluate<number>("document.documentElement.scrollHeight")).toBeLessThan(1_700);
    await page.setViewportSize({ width: 390, height: 844 });
    const button = await first(page).getByRole("button", { name: "Drain" }).boundingBox();
    expect((button?.y ?? 0) + (button?.height ?? 0)).toBeLessThan(600);
    const lefts = await page.evaluate<number[]>(`[...document.querySelectorAll(".problem:first-child dt")]
      .map((name) => Math.round(name.getBoundingClientRect().left))`);
    expect(new Set(lefts).size).toBe(1);
  });

  test("have rows of one line, heads that stick, and actions under the pointer", async () => {
    await using visit = await visitFakeAdmin(browser, { snapshot: incidentSnapshot() });
    const { admin, page, consoleErrors } = visit;
    await live(page);
    const row = page.locator("#upstream-checkout-03");
    expect((await row.boundingBox())?.height).toBe(34);
    await row.evaluate((element) => element.scrollIntoView({ block: "center" }));
    await page.mouse.move(5, 5);
    const opacity = () =>
      page.evaluate<string>('getComputedStyle(document.getElementById("quick-checkout-03")).opacity');
    expect(await opacity()).toBe("0");
    await row.hover();
    expect(await opacity()).toBe("1");
    await page.mouse.move(5, 5);
    await row.getByRole("link", { name: "checkout-03" }).focus();
    expect(await opacity()).toBe("1");
    await row.getByRole("button", { name: "More for checkout-03" }).click();
    const menu = page.locator(".menu:popover-open");
    const { reads } = admin;
    await until(() => admin.reads >= reads + 2, "two further updates");
    expect(await menu.getByRole("button", { name: "Maintenance checkout-03" }).isVisible()).toBe(true);
    expect(await accessibilityViolations(page, { within: "#rows-checkout" })).toEqual([]);
    await page.keyboard.press("Escape");
    // A row that gets worse moves up, but not while the pointer or the focus is among its neighbours.
    const names = () => page.locator("#rows-checkout .name").allTextContents();
    admin.snapshot = withUpstream(admin.snapshot, "checkout-09", { status: "failing", fit: false });
    await page.locator("#upstream-checkout-09").getByText("Fails its check").waitFor();
    expect((await names()).slice(0, 2)).toEqual(["checkout-07", "checkout-01"]);
    await page.mouse.move(5, 5);
    await page.evaluate("document.activeElement.blur()");
    await until(async () => (await names())[1] === "checkout-09", "the new order");
    await page.setViewportSize({ width: 1440, height: 500 });
    await page
      .locator("#upstream-checkout-12")
      .evaluate((element) => element.scrollIntoView({ block: "center" }));
    const tops = await page
      .locator("#servers-head th:nth-child(2), #pool-checkout th")
      .evaluateAll((cells) => cells.map((cell) => Math.round(cell.getBoundingClientRect().top)));
    expect(tops).toEqual([0, 32]);
    expect(consoleErrors).toEqual([]);
  });

  test("are all selected by the box of their pool, also those left out, and their drain is undone", async () => {
    await using visit = await visitFakeAdmin(browser, { snapshot: incidentSnapshot() });
    const { admin, page, consoleErrors } = visit;
    await live(page);
    await page.getByLabel("Select all upstreams of pool search").check();
    const bar = page.getByRole("form", { name: "Actions for selected upstreams" });
    await bar.getByText("16 selected").waitFor();
    await page.getByLabel("Select search-03").uncheck();
    await bar.waitFor({ state: "hidden" });
    await page.getByLabel("Select all upstreams of pool search").check();
    await page.getByLabel("Select web-11").check();
    await bar.getByText("17 selected").waitFor();
    await page.getByLabel("Select web-11").uncheck();
    await bar.getByRole("button", { name: "Maintenance" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Put 16 upstreams in maintenance").first().waitFor();
    expect(await dialog.locator('input[name="upstream"]').count()).toBe(16);
    await dialog.getByRole("textbox", { name: "Reason" }).fill("new switch");
    await dialog.getByLabel("I understand the consequences").check();
    await dialog.locator("button.main").click();
    await page.locator("#done").getByText("16 upstreams are in maintenance").waitFor();
    expect(admin.posts).toHaveLength(16);
    await page.locator("#done").getByRole("button", { name: "Undo" }).click();
    await page.locator("#done").getByText("Undone: 16 upstreams").waitFor();
    expect(admin.posts.slice(16).every(({ mode }) => mode === "ready")).toBe(true);
    expect(consoleErrors).toEqual([]);
  });

  test("open and close, sort, and show problems alone by links, without JavaScript at the width of a phone", async () => {
    await using visit = await visitFakeAdmin(browser, {
      snapshot: incidentSnapshot(),
      ...{ javaScriptEnabled: false, viewport: { width: 390, height: 844 } },
    });
    const { page } = visit;
    // Without a script, a click may end before the new page is complete.
    const shows = async (what: (names: readonly string[]) => boolean) =>
      until(async () => what(await page.locator("tbody .name:visible").allTextContents()), page.url());
    const follow = (name: string) => page.getByRole("link", { name, exact: true }).click();
    await shows((names) => names.join() === "checkout-07,search-03,web-11");
    await follow("Show 11 more");
    await shows((names) => names.length === 14);
    expect(new URL(page.url()).hash).toBe("#pool-checkout");
    await follow("checkout");
    await shows((names) => names.join() === "search-03,web-11");
    await follow("media");
    await shows((names) => names.length === 10);
    await page.getByRole("button", { name: "Order: Worst first" }).click();
    await follow("Most requests");
    await shows((names) => names.slice(2, 4).join() === "media-05,media-04");
    await follow("Problems 2");
    await shows((names) => names.join() === "checkout-07,search-03");
    await follow("All 60");
    await follow("Close all");
    await shows((names) => names.length === 0);
    await follow("Open all");
    await shows((names) => names.length === 60);
  });
});
