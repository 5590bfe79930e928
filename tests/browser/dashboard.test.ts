import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { calmSnapshot, traffic, withUpstream } from "../support/fake-admin-api.ts";
import { findChromium, launchChromium } from "../support/browser.ts";
import { hasCertutil } from "../support/trusted-authority.ts";
import { live, visitFakeAdmin, type VisitOptions, type VisitProtocol } from "../support/visit.ts";
import { until } from "../support/wait.ts";

const executable = findChromium();
if (!executable) process.stderr.write("Skipped: no Chromium found for tests/browser; set CHROMIUM_PATH.\n");

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(25_000);

let browser: Browser;

const scene = (options: VisitOptions = {}) =>
  visitFakeAdmin(browser, { snapshot: calmSnapshot(), ...options });

/** Over which some tests run; the others over HTTP/2 alone. */
const protocols: readonly VisitProtocol[] = hasCertutil ? ["h2", "http/1.1"] : ["http/1.1"];

const headline = (page: Page) => page.locator("h1");
const row = (page: Page, id: string) =>
  page.getByRole("row").filter({ has: page.getByText(id, { exact: true }) });
const confirm = (page: Page) => page.getByRole("dialog").locator("button.main").click();
const showing = (page: Page, text: string) => headline(page).filter({ hasText: text }).waitFor();

// Tests that mostly wait run concurrently; the others run alone.
describe.skipIf(!executable)("the dashboard in Chromium", () => {
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
  });
  afterAll(() => browser?.close());

  test("shows a change without a reload, and complains of nothing", async () => {
    await using visit = await scene();
    const { admin, page, consoleErrors } = visit;
    await live(page);
    await page.evaluate("window.stayed = true");
    admin.snapshot = withUpstream(admin.snapshot, "localhost:8083", { fit: false, status: "failing" });
    await showing(page, "2 of 3 upstreams serve");
    await row(page, "localhost:8083").getByText("Fails its check").waitFor();
    expect(await page.title()).toBe("2 of 3 upstreams serve – Evenkeel");
    expect(await page.evaluate("window.stayed")).toBe(true);
    expect(consoleErrors).toEqual([]);
  });

  test.each(protocols)("drains at a click, without a reload, over %s", async (protocol) => {
    await using visit = await scene({ protocol });
    const { admin, page, url, consoleErrors } = visit;
    await live(page);
    const button = page.getByRole("button", { name: "Drain localhost:8082" });
    await button.click();
    await confirm(page);
    await showing(page, "2 of 3 upstreams serve");
    await row(page, "localhost:8082").getByText("Drained by dashboard").waitFor();
    await page.getByRole("button", { name: "Ready localhost:8082" }).waitFor();
    expect(admin.posts.map(({ id, mode }) => `${id} ${String(mode)}`)).toEqual(["localhost:8082 draining"]);
    expect(page.url()).toBe(`${url}/`);
    expect(consoleErrors).toEqual([]);
  });

  test.each(protocols)("drains without JavaScript, over %s", async (protocol) => {
    await using visit = await scene({ javaScriptEnabled: false, protocol });
    const { admin, page, url } = visit;
    expect(await headline(page).textContent()).toBe("On an even keel. All 3 upstreams serve.");
    await page.getByRole("button", { name: "Drain localhost:8082" }).click();
    await page.getByText("Then localhost:8081 and localhost:8083 take 50\u00a0% each.").waitFor();
    await page.getByRole("button", { name: "Drain localhost:8082" }).click();
    await showing(page, "2 of 3 upstreams serve");
    expect(page.url().replace(/\?done=[\w-]+/, "")).toBe(`${url}/#upstream-localhost_3a_8082`);
    expect(admin.posts).toHaveLength(1);
    expect(await page.getByText("Not live.").isVisible()).toBe(true);
  });

  test("shows the error of an action, and clears it after a successful one", async () => {
    await using visit = await scene();
    const { admin, page } = visit;
    await live(page);
    await page.getByRole("button", { name: "Drain localhost:8081" }).click();
    await page.getByRole("dialog").waitFor();
    admin.respond = (request, response) => {
      if (request.method !== "POST") return void response.writeHead(503).end();
      response.writeHead(409, { "content-type": "application/problem+json" });
      response.end('{"reason":"conflict","detail":"Changed by another operator."}');
    };
    await confirm(page);
    await page
      .getByRole("dialog")
      .getByRole("alert")
      .filter({ hasText: "Changed by another operator" })
      .waitFor();
    admin.respond = undefined;
    await confirm(page);
    await page.getByRole("alert").waitFor({ state: "detached" });
  });

  test("works with the keyboard, and keeps the focus through updates", async () => {
    await using visit = await scene();
    const { admin, page } = visit;
    await live(page);
    await page.getByRole("button", { name: "More for localhost:8082" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Maintenance localhost:8082" }).focus();
    const reads = admin.reads;
    await until(() => admin.reads >= reads + 2, "two further updates");
    admin.snapshot = withUpstream(admin.snapshot, "localhost:8081", { fit: false, status: "failing" });
    await showing(page, "2 of 3 upstreams serve");
    const focused = () => page.evaluate("document.activeElement?.ariaLabel");
    expect(await focused()).toBe("Maintenance localhost:8082");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    expect(await page.evaluate("document.activeElement?.name")).toBe("reason");
    await page.keyboard.type("a test");
    await page.keyboard.press("Enter");
    await showing(page, "1 of 3 upstreams serves");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    // The menu is closed: the focus is where it was opened.
    expect(await focused()).toBe("More for localhost:8082");
  });

  test("keeps the last state when the admin API is unreachable, and shows the outage", async () => {
    await using visit = await scene();
    const { admin, page } = visit;
    await live(page);
    await admin.close();
    await showing(page, "The admin API is unreachable");
    expect(await row(page, "localhost:8081").isVisible()).toBe(true);
    expect(await page.locator(".known.stale").count()).toBe(1);
  });

  test("shows that it reconnects when its server is gone, and recovers with it", async () => {
    await using visit = await scene();
    const { admin, page, stopDashboard, startDashboard } = visit;
    await live(page);
    stopDashboard();
    await page.getByText("Reconnecting").waitFor();
    expect(await row(page, "localhost:8081").isVisible()).toBe(true);
    admin.snapshot = withUpstream(admin.snapshot, "localhost:8083", { fit: false, status: "failing" });
    await startDashboard();
    await live(page);
    await showing(page, "2 of 3 upstreams serve");
  });

  test("connects later if the very first connect fails", async () => {
    await using visit = await scene();
    const { page } = visit;
    let refuse = true;
    await page.route("**/live", (route) => (refuse ? route.abort() : route.continue()));
    await page.reload();
    await page.getByText("Reconnecting").waitFor();
    refuse = false;
    await live(page);
  });

  test("polls nothing for a page that is closed", async () => {
    await using visit = await scene();
    const { admin, page } = visit;
    await live(page);
    await page.close();
    let [reads, since] = [admin.reads, performance.now()];
    await until(() => {
      if (admin.reads !== reads) [reads, since] = [admin.reads, performance.now()];
      return performance.now() - since > 1_500;
    }, "silence");
  });

  test("fits every width without scrolling sideways or cutting words off", async () => {
    // An upstream with a long history, of which much is errors.
    const snapshot = withUpstream(calmSnapshot(), "localhost:8082", {
      errorsByReason: { connect_refused: 452_345 },
      traffic: traffic({ requests: 9_234_567, errors: 452_345, errorShare: 0.049 }),
    });
    await using visit = await visitFakeAdmin(browser, { snapshot });
    const { page } = visit;
    for (const width of [320, 390, 820, 1280, 1440, 1920]) {
      await page.setViewportSize({ width, height: 800 });
      const outside = await page.evaluate(`
        [...document.querySelectorAll("td .share-text, td.s-num, td .more, th .name")]
          .filter((element) => {
            const cell = element.closest("td, th").getBoundingClientRect();
            return element.getBoundingClientRect().right > cell.right + 0.5;
          })
          .map((element) => element.textContent)`);
      expect({ width, outside }).toEqual({ width, outside: [] });
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
      const cut = await page.evaluate(`
        [...document.querySelectorAll("button, td.s-num, .servers-bar :not(.unseen)")]
          .filter((element) => element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1)
          .map((element) => element.textContent)`);
      expect(cut).toEqual([]);
      const names = page.getByRole("rowheader");
      expect((await names.first().boundingBox())?.width).toBeGreaterThan(120);
    }
  });

  test("keeps the text of a failing client listener within its line", async () => {
    await using visit = await visitFakeAdmin(browser, { snapshot: calmSnapshot(), balancerStatus: 503 });
    const { page } = visit;
    await page.getByText("Returns an error", { exact: true }).waitFor();
    for (const width of [320, 390, 640, 820, 1440]) {
      await page.setViewportSize({ width, height: 800 });
      const outside = await page.evaluate(`
        [...document.querySelectorAll(".traffic-now > div > *")]
          .filter((element) => {
            const words = document.createRange();
            words.selectNodeContents(element);
            const { right } = element.parentElement.getBoundingClientRect();
            return words.getBoundingClientRect().right > right;
          })
          .map((element) => element.textContent)`);
      expect({ width, outside }).toEqual({ width, outside: [] });
    }
  });

  test("does not move when numbers change", async () => {
    await using visit = await scene({ viewport: { width: 1440, height: 800 } });
    const { admin, page } = visit;
    await live(page);
    const places = () =>
      page.evaluate(`
        [...document.querySelectorAll("th, td, .traffic-now, h1")].map((element) => {
          const { x, y, width, height } = element.getBoundingClientRect();
          return [x, y, width, height];
        })`);
    const before = await places();
    const traffic = { requests: 9_123_456, errors: 12_345, requestsPerSecond: 98_765.4, errorShare: 0.123, p50Ms: 8_888, p95Ms: 999, p99Ms: 12_345 }; // prettier-ignore
    admin.snapshot = withUpstream(admin.snapshot, "localhost:8081", { inFlight: 1_234, traffic });
    await row(page, "localhost:8081").getByText("98,765").waitFor();
    expect(await places()).toEqual(before);
  });
});
