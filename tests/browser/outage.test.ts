import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { consoleMessages, findChromium, launchChromium } from "../support/browser.ts";
import { BalancerFixture } from "../support/balancer-fixture.ts";
import type { Program } from "../support/program.ts";
import { until } from "../support/wait.ts";

const executable = findChromium();

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(90_000);

let browser: Browser;

/** The text of each page while the balancer is gone. */
const lost: Readonly<Record<string, string>> = {
  "/": "The admin API is unreachable",
  "/upstreams/a": "The admin API is unreachable",
  "/requests": "Live updates are interrupted",
  // The audit trail is the same page.
  "/events": "Cannot read the events",
};

/** In which a viewer still trusts the old state: a few seconds, and more on a busy machine. */
const soonMs = 15_000;

interface Fixture extends AsyncDisposable {
  readonly room: BalancerFixture;
  /** Each page that lives, by its address. */
  readonly pages: readonly (readonly [path: string, page: Page])[];
  readonly consoleErrors: string[];
  /** Opens all of them once more. */
  open(): Promise<Fixture["pages"]>;
  killBalancer(): Promise<unknown>;
  startBalancer(): Promise<void>;
  killDashboard(): Promise<unknown>;
  startDashboard(): Promise<void>;
}

/** Balancer and dashboard as processes of their own, and every page that lives open in a tab. */
async function scene(): Promise<Fixture> {
  const fixture = new BalancerFixture();
  await fixture.startServers("a", "b");
  fixture.write(fixture.poolWith(["a", "b"]));
  await fixture.start();
  const [url, admin] = [new URL(fixture.url), new URL(fixture.admin)];
  const dashboardOn = (port: string): Program =>
    fixture.programs.evenkeel(
      ...["dashboard", "--host", "127.0.0.1", "--port", port],
      ...["--balancer-url", fixture.url, "--admin-url", fixture.admin],
    );
  let dashboard = dashboardOn("0");
  const port = await dashboard.port("dashboard");
  const contexts: BrowserContext[] = [];
  const consoleErrors: string[] = [];
  const open = async () => {
    // A separate context each: Chromium opens at most six connections to a server, and a live page holds one.
    const context = await browser.newContext();
    contexts.push(context);
    return Promise.all(
      Object.keys(lost).map(async (path) => {
        const page = await context.newPage();
        page.setDefaultTimeout(soonMs);
        await page.goto(`http://127.0.0.1:${port}${path}`);
        await page.evaluate("window.stayed = true");
        return [path, page] as const;
      }),
    );
  };
  const pages = await open();
  await onEach(pages, (page) => page.waitForSelector("html[data-link=live]"));
  for (const [, page] of pages) consoleMessages(page, consoleErrors);
  return {
    room: fixture,
    pages,
    consoleErrors,
    open,
    killBalancer: () => fixture.proxy.kill("SIGKILL"),
    startBalancer: () => fixture.start("--port", url.port, "--admin-port", admin.port),
    killDashboard: () => dashboard.kill("SIGKILL"),
    async startDashboard() {
      dashboard = dashboardOn(String(port));
      await dashboard.port("dashboard");
    },
    async [Symbol.asyncDispose]() {
      for (const context of contexts) await context.close();
      await fixture[Symbol.asyncDispose]();
    },
  };
}

const onEach = (pages: Fixture["pages"], look: (page: Page, path: string) => Promise<unknown>) =>
  Promise.all(pages.map(([path, page]) => look(page, path)));

interface LoggedEvent {
  readonly room: BalancerFixture;
  readonly path: string;
  readonly weight: number;
}

/** Triggers an event that every page shows, and waits for it. */
async function areLive(pages: Fixture["pages"], { room: fixture, path, weight }: LoggedEvent): Promise<void> {
  const reason = `what ${path} is about`;
  await fixture.callAdmin("PATCH", "/api/upstreams/a", { weight, reason });
  await Promise.all(Array.from({ length: 20 }, async () => (await fetch(fixture.url + path)).text()));
  const total = (await fixture.upstream("a"))?.traffic.requests ?? Infinity;
  await onEach(pages, async (page, address) => {
    const words = { "/requests": path, "/events": reason }[address];
    const counted = address === "/" ? /Since the start ?([\d,]+) requests/ : /([\d,]+) total/;
    const shows = async () => {
      const text = (await page.locator("main").textContent())?.replace(/\s+/g, " ") ?? "";
      return words === undefined
        ? Number(counted.exec(text)?.[1]?.replace(",", "")) >= total
        : text.includes(words);
    };
    await until(shows, `${address} shows ${words ?? `${total} requests`}`, soonMs);
    expect(await page.evaluate("window.stayed")).toBe(true);
  });
}

describe.skipIf(!executable)("an outage of one of ours, in Chromium", () => {
  let visit: Fixture;
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
    visit = await scene();
  });
  afterAll(async () => {
    await visit?.[Symbol.asyncDispose]();
    await browser?.close();
  });

  test("a balancer that dies alone is missed on every page, and its return seen without a reload", async () => {
    const { room: fixture, pages, consoleErrors } = visit;
    await visit.killBalancer();
    await onEach(pages, (page, path) =>
      page
        .getByText(lost[path] ?? "")
        .first()
        .waitFor(),
    );
    const opened = await visit.open();
    await visit.startBalancer();
    await areLive([...pages, ...opened], { room: fixture, path: "/after-the-balancer", weight: 7 });
    await onEach([...pages, ...opened], (page, path) =>
      page.getByText(lost[path] ?? "").waitFor({ state: "hidden" }),
    );
    // The dashboard responded all the time: nothing failed to load.
    expect(consoleErrors).toEqual([]);
  });

  test("every page shows that its dashboard died, and recovers with it", async () => {
    const { room: fixture, pages } = visit;
    await visit.killDashboard();
    await onEach(pages, (page) => page.getByText("Reconnecting").waitFor());
    await visit.startDashboard();
    await onEach(pages, (page) => page.waitForSelector("html[data-link=live]"));
    await areLive(pages, { room: fixture, path: "/after-the-dashboard", weight: 8 });
  });
});
