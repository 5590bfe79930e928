/**
 * Every page of the dashboard with data, as axe sees it, at three widths and in both themes: once here, and not in the tests of
 * the pages. The pages of alerts and of the login need other programs, and are checked there.
 */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import type { Snapshot, UpstreamSnapshot } from "../../src/snapshot/snapshot.ts";
import { faultsAtAllWidths, findChromium, launchChromium } from "../support/browser.ts";
import { withCertificates } from "../support/certificate-fixture.ts";
import { inFleet, troubledFleet } from "../support/fleet-fixture.ts";
import { closedProblem, incidentSnapshot, noticeProblem } from "../support/problem-fixture.ts";
import { type FakeAdminVisit, live, visitFakeAdmin } from "../support/visit.ts";

const executable = findChromium();

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(60_000);

const upstreamPath = "/upstreams/checkout-07";
const hour = "from=-2h&to=-1h";

/** A row of each kind is enough: axe takes seconds for sixty of them. */
function fewer(snapshot: Snapshot): Snapshot {
  const isKept = ({ id }: UpstreamSnapshot) => /-01$|checkout-07|search-03|web-(11|23)/.test(id);
  const pools = snapshot.pools.map((pool) => ({ ...pool, upstreams: pool.upstreams.filter(isKept) }));
  return { ...snapshot, pools };
}

/** What is closed at first, is opened before a page is checked. */
interface PageCase {
  readonly path: string;
  /** While the admin API fails. */
  readonly isLost?: boolean;
  readonly open?: (page: Page) => Promise<unknown>;
}

const cases: readonly PageCase[] = [
  {
    path: "/",
    open: async (page) => {
      await live(page);
      await page.locator("#view-button").click();
    },
  },
  { path: `/?sort=errors&${hour}` },
  { path: upstreamPath, open: live },
  { path: `${upstreamPath}?${hour}&at=-90m` },
  { path: "/requests", open: live },
  { path: "/requests?which=slowest" },
  { path: `/requests?outcome=failed,slow&from=-1h&to=now` },
  {
    path: "/requests?which=failed",
    open: async (page) => {
      await page.locator(".requests > .request a").first().click();
      await page.locator(".account").waitFor();
    },
  },
  {
    path: "/requests/dry-run?host=shop.example&target=/cart",
    open: async (page) => {
      await page.getByRole("button", { name: "Start dry run" }).click();
      await page.getByText("It would go to").waitFor();
    },
  },
  { path: "/history?from=-1h&at=-30m&compare=-7d" },
  { path: "/routes" },
  { path: "/certificates" },
  { path: "/fleet", open: live },
  { path: "/events", open: live },
  { path: "/audit", open: live },
  {
    path: "/config",
    open: async (page) => {
      await page.getByRole("button", { name: "Preview changes" }).click();
      await page.locator("#reload-result .remark:not(.quiet)").first().waitFor();
    },
  },
  { path: "/find?q=checkout" },
  { path: "/keys" },
  { path: "/nothing/here" },
  { path: `/actions?act=drain&upstream=checkout-07&upstream=search-03` },
  { path: "/actions/add?add-to=checkout" },
  {
    path: "/?open=search",
    open: async (page) => {
      await live(page);
      await page.getByLabel("Select all upstreams of pool checkout").check();
      await page.locator("#bulk").getByRole("button", { name: "Drain" }).click();
      await page.getByRole("dialog").getByRole("heading").waitFor();
    },
  },
  { path: "/?open=checkout", isLost: true },
  { path: "/history?from=-2h", isLost: true },
  { path: "/certificates", isLost: true },
];

describe.skipIf(!executable)("every page in Chromium", () => {
  let browser: Browser;
  let scene: FakeAdminVisit;

  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
    const incident = fewer(incidentSnapshot());
    const problems = [...(incident.problems ?? []), noticeProblem(), closedProblem()];
    const snapshot = inFleet(troubledFleet(), withCertificates({ ...incident, problems }));
    scene = await visitFakeAdmin(browser, { snapshot, reducedMotion: "reduce" });
    scene.admin.requestsApi.sampled = true;
  });
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]();
    await browser?.close();
  });

  test.each(cases.map((one) => [one.path, one] as const))("%s is accessible and fits", async (_, one) => {
    const { page, consoleErrors } = scene;
    consoleErrors.length = 0;
    scene.admin.respond = one.isLost ? (_, response) => void response.writeHead(503).end() : undefined;
    await page.setViewportSize({ width: 1_440, height: 900 });
    await scene.open(one.path);
    await one.open?.(page);
    expect(await faultsAtAllWidths(page)).toEqual([]);
    expect(consoleErrors.filter((words) => !/40[04]|422/.test(words))).toEqual([]);
  });
});
