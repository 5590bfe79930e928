/** The pages of routes and of certificates in Chromium: how they renew themselves. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser } from "playwright-core";
import { findChromium, launchChromium } from "../support/browser.ts";
import { certificateOf, withCertificates } from "../support/certificate-fixture.ts";
import { incidentSnapshot } from "../support/problem-fixture.ts";
import { routeReport } from "../support/route-reports.ts";
import { type FakeAdminVisit, visitFakeAdmin } from "../support/visit.ts";

const executable = findChromium();

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(60_000);

describe.skipIf(!executable)("the pages of routes and certificates in Chromium", () => {
  let browser: Browser;
  let scene: FakeAdminVisit;

  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
    const snapshot = withCertificates(incidentSnapshot());
    scene = await visitFakeAdmin(browser, { snapshot, path: "/routes", reducedMotion: "reduce" });
  });
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]();
    await browser?.close();
  });

  test("a route leads to its pool on the overview, and the list renews itself while a filter is typed", async () => {
    const { page, admin, consoleErrors } = scene;
    await page.setViewportSize({ width: 390, height: 900 });
    await scene.open("/routes");
    await page.getByRole("button", { name: "Filter", exact: true }).waitFor();
    await page.getByRole("link", { name: "Errors", exact: true }).click();
    await page.waitForURL("**/routes?sort=errors&dir=down");
    await page.locator('th[aria-sort="descending"]').waitFor();
    await page.getByRole("searchbox").fill("half a wo");
    admin.routes = { routes: [routeReport({ route: "new.example.com/", rps: 7 })], others: null };
    await page.getByRole("link", { name: "new.example.com/", exact: true }).waitFor();
    expect(await page.locator("tbody tr").count()).toBe(1);
    expect(await page.getByRole("searchbox").inputValue()).toBe("half a wo");
    await page.getByRole("link", { name: "main", exact: true }).click();
    await page.waitForURL("**/?open=main#pool-main");
    expect(consoleErrors).toEqual([]);
  });

  test("certificates renew themselves, and their files are read again", async () => {
    const { page, admin, consoleErrors } = scene;
    await page.setViewportSize({ width: 1_440, height: 900 });
    await scene.open("/");
    await page.getByRole("link", { name: /legacy\.example\.com ended/ }).click();
    await page.waitForURL("**/certificates#certificate-legacy.example.com");
    await page.getByRole("heading", { name: "2 of 5 certificates need attention" }).waitFor();
    admin.rotation = { changed: ["/etc/evenkeel/legacy.pem"], removed: [], refused: [] };
    await page.getByRole("button", { name: "Read the files again" }).click();
    await page.getByText("/etc/evenkeel/legacy.pem has another certificate").waitFor();
    // Without another click.
    admin.snapshot = { ...admin.snapshot, problems: [], certificates: [certificateOf({ names: ["a.example"], days: 60 })] };
    await page.getByRole("heading", { name: "The certificate is in order" }).waitFor();
    expect(consoleErrors).toEqual([]);
  }); // prettier-ignore
});
