/** Keys and the choices of a viewer in Chromium: each key does what the list of keys says. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser } from "playwright-core";
import { findChromium, launchChromium } from "../support/browser.ts";
import { incidentSnapshot } from "../support/problem-fixture.ts";
import { until } from "../support/wait.ts";
import { type FakeAdminVisit, live, visitFakeAdmin } from "../support/visit.ts";

const executable = findChromium();

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(60_000);

describe.skipIf(!executable)("keys in Chromium", () => {
  let browser: Browser;
  let scene: FakeAdminVisit;

  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
    scene = await visitFakeAdmin(browser, { snapshot: incidentSnapshot(), reducedMotion: "reduce" });
  });
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]();
    await browser?.close();
  });

  const press = async (...keys: readonly string[]) => {
    for (const key of keys) await scene.page.keyboard.press(key);
  };
  const focused = () => scene.page.evaluate<string>("document.activeElement.textContent.trim()");
  const dialog = (title: string) =>
    scene.page.getByRole("dialog").getByRole("heading", { name: title, exact: true });
  const theme = () => scene.page.evaluate<string>("getComputedStyle(document.body).colorScheme");

  /** The overview, live. */
  const overview = async (path = "/") => {
    await scene.open(path);
    await live(scene.page);
  };

  test("walk along the rows, select, and act through the dialog", async () => {
    await overview();
    await press("j");
    expect(await focused()).toBe("checkout");
    await press("j", "d");
    await dialog("Drain checkout-07").waitFor();
    await press("Escape");
    await dialog("Drain checkout-07").waitFor({ state: "detached" });
    expect(await focused()).toBe("checkout-07");
    await press("w");
    await dialog("Set weight of checkout-07").waitFor();
    await press("Escape", "x", "j", "j", "Shift+X");
    expect(await scene.page.locator("#bulk-count").textContent()).toBe("3 selected");
    await press("m");
    await dialog("Put 3 upstreams in maintenance").waitFor();
    await press("Escape", "k", "Enter");
    await scene.page.waitForURL("**/upstreams/*");
    await scene.page.keyboard.press("d");
    await scene.page
      .getByRole("dialog")
      .getByRole("heading", { name: /^Drain / })
      .waitFor();
    expect(scene.admin.posts).toEqual([]);
    expect(scene.consoleErrors).toEqual([]);
  });

  test("show problems, press their button, and change the table", async () => {
    await overview();
    await press("2");
    expect(await focused()).toBe("search-03 is 8 times slower than its peers");
    await press("a");
    await dialog("Drain search-03").waitFor();
    await press("Escape", "p");
    await scene.page.waitForURL("**/?show=problems**");
    await live(scene.page);
    await press("p");
    await scene.page.waitForURL((url) => !url.searchParams.has("show"));
    await live(scene.page);
    await press("j", "e");
    await scene.page.waitForURL("**/?close=checkout**");
    await live(scene.page);
    await press("s");
    await scene.page.locator("#sort-menu:popover-open").waitFor();
    expect(scene.consoleErrors).toEqual([]);
  });

  test("find by name, and go to pages with the time that is shown", async () => {
    const { page } = scene;
    await overview();
    await press("/");
    await dialog("Find").waitFor();
    // Letters are text here.
    await page.keyboard.type("checkout-1");
    await page.locator("#found a").first().getByText("checkout-10", { exact: true }).waitFor();
    await press("ArrowDown", "ArrowDown", "ArrowUp", "Enter");
    await page.waitForURL("**/upstreams/checkout-10");
    await press("Control+k");
    await page.keyboard.type("search-03");
    await page.locator("#found a").first().getByText("search-03", { exact: true }).waitFor();
    await press("Enter");
    await page.waitForURL("**/upstreams/search-03");
    await scene.open("/history?from=-2h&to=-1h");
    await press("g", "r");
    await page.waitForURL("**/requests?*from=*");
    await press("g", "o");
    await page.waitForURL((url) => url.pathname === "/");
    await press("t");
    expect(await page.evaluate<string>("document.activeElement.name")).toBe("from");
    await press("Escape", "?");
    await dialog("All keys").waitFor();
    expect(scene.consoleErrors).toEqual([]);
  });

  test("are off in a field, with another modifier, and when the viewer turns them off", async () => {
    const { page } = scene;
    await overview();
    await page.locator("#filter").focus();
    await press("d", "?", "j");
    expect(await page.locator("#filter").inputValue()).toBe("d?j");
    await press("Escape", "Alt+j", "Control+j");
    expect(await focused()).not.toBe("checkout");
    await page.locator("#view-button").click();
    await page.getByRole("group", { name: "Keys" }).getByRole("radio", { name: "Off" }).check();
    await press("Escape", "j", "?");
    expect(await page.getByRole("dialog").count()).toBe(0);
    expect(await page.locator(".table-keys").isVisible()).toBe(false);
    await overview();
    await press("j", "Control+k");
    expect(await page.getByRole("dialog").count()).toBe(0);
    await page.locator("#view-button").click();
    await page.getByRole("group", { name: "Keys" }).getByRole("radio", { name: "On" }).check();
    await press("Escape", "j");
    expect(await focused()).toBe("checkout");
    expect(scene.consoleErrors).toEqual([]);
  });

  test("choose theme, rows and times, which stay on the next page", async () => {
    const { page } = scene;
    await page.emulateMedia({ colorScheme: "light" });
    await overview();
    await press("Shift+D", "Shift+D");
    expect(await theme()).toBe("dark");
    const paper = () => page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
    const darkPaper = await paper();
    await page.locator("#view-button").click();
    await page.getByRole("radio", { name: "Roomy" }).check();
    expect((await page.locator("#servers tbody tr").nth(1).boundingBox())?.height).toBe(40);
    await press("Escape", "z");
    await page.locator("[data-zone-name]").first().getByText("local", { exact: true }).waitFor();
    await scene.open("/events");
    expect([await theme(), await paper()]).toEqual(["dark", darkPaper]);
    await page.getByText("Times in local").waitFor();
    await press("Shift+D", "z");
    expect(await theme()).toBe("light dark");
    await page.getByText("Times in UTC").waitFor();
  });

  test("begin with a link that skips to the content", async () => {
    await scene.open("/alerts");
    await press("Tab");
    expect(await focused()).toBe("Skip to the content");
    await press("Enter");
    expect(await scene.page.evaluate<string>("document.activeElement.id")).toBe("content");
  });

  test("come with a header that says Live only while the page moves", async () => {
    const { page } = scene;
    const shown = () => page.locator(".link > span:visible").allTextContents();
    await overview();
    expect(await shown()).toEqual(["Live"]);
    await overview("/?from=-2h&to=-1h");
    expect(await shown()).toEqual(["Connected"]);
    await overview("/upstreams/checkout-07?from=-2h&to=-1h");
    expect(await shown()).toEqual(["Connected"]);
    await overview("/requests");
    expect(await shown()).toEqual(["Live"]);
    await page.getByRole("button", { name: "Pause" }).click();
    expect(await shown()).toEqual(["Connected"]);
    await scene.open("/routes");
    expect(await shown()).toEqual([]);
    scene.admin.respond = (_, response) => void response.writeHead(503).end();
    for (const path of ["/", "/upstreams/checkout-07", "/requests", "/events"]) {
      await overview(path);
      await until(async () => String(await shown()) === "No news", `no Live on ${path}`);
    }
    scene.admin.respond = undefined;
    await until(async () => String(await shown()) === "Live", "Live again", 15_000);
  });
});
