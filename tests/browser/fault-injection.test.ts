import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { accessibilityViolations, findChromium, launchChromium } from "../support/browser.ts";
import { BalancerFixture } from "../support/balancer-fixture.ts";
import { live, type Visit, visit } from "../support/visit.ts";
import { until } from "../support/wait.ts";

const executable = findChromium();

setDefaultTimeout(60_000);

let browser: Browser;

interface Fixture extends Visit {
  readonly room: BalancerFixture;
}

/** A real balancer with three servers, and its dashboard. */
async function scene(options: BrowserContextOptions = {}): Promise<Fixture> {
  const fixture = new BalancerFixture();
  await fixture.startServers("a", "b", "c");
  fixture.write(fixture.poolWith(["a", "b", "c"], "    outlier: { ejection: 1s }\n    slowStart: 0\n"));
  await fixture.start("--engine", "wire");
  const visited = await visit(browser, { balancerUrl: fixture.url, adminUrl: fixture.admin }, options);
  return {
    room: fixture,
    ...visited,
    async [Symbol.asyncDispose]() {
      await visited[Symbol.asyncDispose]();
      await fixture[Symbol.asyncDispose]();
    },
  };
}

async function fill(page: Page, { percent = "100", seconds = "10" } = {}): Promise<void> {
  await page.getByLabel("Failed attempts, %").fill(percent);
  await page.getByLabel("Duration, s").fill(seconds);
  await page.getByLabel("Reason, for the audit trail").fill("drill <i>");
  await page.getByLabel("This affects live traffic").check();
}

const begin = (page: Page) => page.getByRole("button", { name: "Inject the fault" });

describe.skipIf(!executable)("fault injection in Chromium", () => {
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
  });
  afterAll(() => browser?.close());

  test("starts on the upstream's page, shows the ejection, and ends automatically without client errors", async () => {
    await using visit = await scene();
    const { room: fixture, page, consoleErrors } = visit;
    let isOn = true;
    const statuses = new Set<number>();
    const traffic = (async () => {
      while (isOn) statuses.add((await fetch(fixture.url)).status);
    })();
    await visit.open("/upstreams/a");
    await live(page);
    await fill(page);
    // Typed input survives live updates.
    const facts = "document.querySelector('footer').textContent";
    const before = await page.evaluate<string>(facts);
    await until(async () => (await page.evaluate<string>(facts)) !== before, "another state");
    expect(await page.getByLabel("Reason, for the audit trail").inputValue()).toBe("drill <i>");
    await begin(page).click();
    const underWay = page.getByRole("region", { name: "Active fault injection" });
    await underWay.getByText("100% connect_refused, started by dashboard: drill <i>").waitFor();
    await page.getByText("Ejected").first().waitFor();
    await visit.open();
    await live(page);
    const banner = page.getByRole("region", { name: "Active fault injections" });
    await banner.getByText("100% connect_refused, by dashboard").waitFor();
    const row = page.getByRole("row").filter({ has: page.getByRole("link", { name: "a", exact: true }) });
    await row.getByText("fault injected").waitFor();
    expect(await row.locator(".s-state").getAttribute("title")).toMatch(
      /Fault injected by dashboard, \d+\u00a0s left: 100% connect_refused/,
    );
    expect(await accessibilityViolations(page)).toEqual([]);
    await banner.waitFor({ state: "detached" });
    await row.getByText("Serves").waitFor();
    isOn = false;
    await traffic;
    expect([...statuses]).toEqual([200]);
    expect(consoleErrors).toEqual([]);
  });

  test("is stopped by its button, and shows why it was refused", async () => {
    await using visit = await scene();
    const { room: fixture, page } = visit;
    await fixture.callAdmin("PUT", "/api/upstreams/b/rehearsal", { latencyMs: 1, seconds: 600 });
    await visit.open("/upstreams/a");
    await live(page);
    await fill(page);
    await begin(page).click();
    await page.getByRole("alert").getByText("2 of 3 available upstreams would have a fault").waitFor();
    await visit.open("/upstreams/b");
    await live(page);
    expect(await accessibilityViolations(page)).toEqual([]);
    await page.getByRole("button", { name: "Stop the fault injection" }).click();
    await page.getByRole("region", { name: "Active fault injection" }).waitFor({ state: "detached" });
    expect((await fixture.upstream("b"))?.rehearsal).toBeNull();
  });

  test("works without a script", async () => {
    await using visit = await scene({ javaScriptEnabled: false });
    const { room: fixture, page } = visit;
    await visit.open("/upstreams/c");
    await fill(page, { seconds: "600" });
    await begin(page).click();
    await page.getByRole("region", { name: "Active fault injection" }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/upstreams/c");
    await visit.open("/upstreams/a");
    await fill(page);
    await begin(page).click();
    await page.getByRole("alert").getByText("Cannot inject a fault on a:").waitFor();
    await visit.open("/upstreams/c");
    await page.getByRole("button", { name: "Stop the fault injection" }).click();
    await until(async () => (await fixture.upstream("c"))?.rehearsal === null, "its end");
    expect(await page.getByRole("region", { name: "Active fault injection" }).count()).toBe(0);
  });
});
