import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser } from "playwright-core";

import type { AdminBackend } from "../../src/admin/admin-options.ts";
import { startAdmin } from "../../src/admin/admin.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { WebListener } from "../../src/runtime/runtime.ts";
import { consoleMessages, faultsAtAllWidths, findChromium, launchChromium } from "../support/browser.ts";

const executable = findChromium();
if (!executable) process.stderr.write("Skipped: no Chromium found for tests/browser; set CHROMIUM_PATH.\n");

setDefaultTimeout(25_000);

describe.skipIf(!executable)("the page of the admin API", () => {
  let browser: Browser;
  let admin: WebListener;
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
    const bug = (error: unknown) => {
      throw error;
    };
    // The page documents the API only and sends no request to a balancer.
    const unused = {} as unknown as AdminBackend;
    admin = await startAdmin({ hostname: "127.0.0.1", port: 0, bug }, unused, runtime);
  });
  afterAll(async () => {
    await browser.close();
    admin.close();
  });

  test("works in Chromium without a complaint, is accessible and fits", async () => {
    const page = await browser.newPage({ viewport: { width: 390, height: 900 } });
    const consoleErrors = consoleMessages(page);
    const asked: string[] = [];
    page.on("request", (request) => void asked.push(new URL(request.url()).pathname));
    await page.goto(`http://127.0.0.1:${admin.port}/api/docs`);
    expect(asked.filter((path) => path !== "/favicon.ico")).toEqual(["/api/docs", "/api/docs/style.css"]);

    await page.locator("summary", { hasText: "/api/upstreams/:id/mode" }).click();
    await page.getByRole("link", { name: "ModeChange" }).click();
    await page.locator("#schema-ModeChange").getByText("ready | draining | maintenance").waitFor();

    await page.evaluate(`document.querySelectorAll("details").forEach((entry) => { entry.open = true; })`);
    expect(await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth")).toBe(0);
    // Entries are alike, and axe takes seconds for all of them.
    await page.evaluate(`for (const section of document.querySelectorAll("section"))
      for (const entry of [...section.querySelectorAll("details")].slice(4)) entry.remove()`);
    expect(await faultsAtAllWidths(page)).toEqual([]);
    expect(consoleErrors.filter((text) => !text.includes("favicon"))).toEqual([]);
  });
});
