import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { accountsOf, type AdminStand, startAdminStand } from "../admin/fixture.ts";
import { calmSnapshot } from "../support/fake-admin-api.ts";
import {
  accessibilityViolations,
  faultsAtAllWidths,
  findChromium,
  launchChromium,
} from "../support/browser.ts";
import { live, type Visit, visit, type VisitOptions } from "../support/visit.ts";
import { until } from "../support/wait.ts";

const executable = findChromium();
const { users = [] } = await accountsOf();

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(25_000);

let browser: Browser;

interface Fixture extends Visit {
  readonly admin: AdminStand;
}

async function scene(options: VisitOptions = {}): Promise<Fixture> {
  const admin = await startAdminStand({ users }, { snapshot: calmSnapshot() });
  const adminUrl = `http://127.0.0.1:${admin.port}`;
  const visited = await visit(browser, { balancerUrl: adminUrl, adminUrl }, options);
  await visited.open();
  return {
    admin,
    ...visited,
    async [Symbol.asyncDispose]() {
      await visited[Symbol.asyncDispose]();
      admin[Symbol.dispose]();
    },
  };
}

async function login(page: Page, name: string, password = `${name}'s password`) {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

const loginShown = (page: Page) => page.getByRole("heading", { name: "Log in" }).waitFor();
const drain = (page: Page) => page.getByRole("button", { name: "Drain localhost:8082" });
const confirm = (page: Page) => page.getByRole("dialog").locator("button.main").click();
const said = (admin: AdminStand) => admin.acts.map(({ by }) => by);

describe.skipIf(!executable)("the login in Chromium", () => {
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
  });
  afterAll(() => browser?.close());

  test("lets an operator log in, act and log out without console errors", async () => {
    await using visit = await scene();
    const { admin, page, url, consoleErrors } = visit;
    expect(page.url()).toBe(`${url}/login?next=%2F`);
    await login(page, "otto");
    await live(page);
    expect(page.url()).toBe(`${url}/`);
    expect(await page.locator(".who").innerText()).toMatch(/otto\s+operator\s+Log out/);
    await drain(page).click();
    await confirm(page);
    await until(() => admin.acts.length > 0, "the act");
    expect(said(admin)).toEqual(["otto"]);
    expect(await page.getByRole("alert").count()).toBe(0);
    expect(consoleErrors).toEqual([]);
    await page.getByRole("button", { name: "Log out" }).click();
    await loginShown(page);
    await page.goBack();
    await loginShown(page);
    // Chromium logs requests of a page that were still in flight, and those that it repeats on the way back.
    expect(consoleErrors.filter((words) => !words.includes("401"))).toEqual([]);
  });

  test("does all that without JavaScript, over plain HTTP/1.1", async () => {
    await using visit = await scene({ javaScriptEnabled: false, protocol: "http/1.1" });
    const { admin, page } = visit;
    await login(page, "otto");
    await drain(page).click();
    await page.getByText("takes no new requests").waitFor();
    await drain(page).click();
    await page.getByRole("heading", { name: "All 3 upstreams serve" }).waitFor();
    expect(said(admin)).toEqual(["otto"]);
    await page.getByRole("button", { name: "Log out" }).click();
    await loginShown(page);
  });

  test("rejects a wrong password with an error, and keeps the name", async () => {
    await using visit = await scene();
    const { page } = visit;
    await login(page, "otto", "wrong");
    await page.getByRole("alert").filter({ hasText: "Wrong name or password." }).waitFor();
    expect(await page.getByLabel("Name").inputValue()).toBe("otto");
    expect(await page.getByLabel("Password").inputValue()).toBe("");
    await page.getByLabel("Password").fill("otto's password");
    await page.keyboard.press("Enter");
    await live(page);
  });

  test("shows a viewer everything but no actions", async () => {
    await using visit = await scene();
    const { admin, page, url, consoleErrors } = visit;
    await login(page, "vera");
    await live(page);
    await page.getByText("localhost:8082").first().waitFor();
    expect(await drain(page).count()).toBe(0);
    // What is left sorts, filters and folds.
    expect(await page.locator('main form[method="post"] button:visible').count()).toBe(0);
    await page.goto(`${url}/actions?act=drain&upstream=localhost%3A8082`);
    await page.getByText("You have read-only access").waitFor();
    expect(await page.locator("main button:visible").count()).toBe(0);
    await page.goto(url);
    await live(page);
    expect(consoleErrors).toEqual([]);
    // The balancer also refuses a viewer who makes the buttons visible.
    await page.evaluate("document.body.dataset.role = 'admin'");
    await drain(page).click();
    await confirm(page);
    await page.getByRole("alert").filter({ hasText: "Cannot do this: the role operator is required (vera has viewer)." }).waitFor();
    expect(admin.acts).toEqual([]);
  }); // prettier-ignore

  test("refuses a forged form, as a page and as a notice", async () => {
    await using visit = await scene();
    const { admin, page } = visit;
    await login(page, "ada");
    await live(page);
    await page.evaluate(`document.querySelector('meta[name="csrf"]').content = "forged"`);
    await drain(page).click();
    await confirm(page);
    await page.getByRole("alert").filter({ hasText: "Nothing was changed" }).waitFor();
    await page.evaluate(`{
      const form = document.createElement("form");
      form.method = "post";
      form.action = "/actions";
      form.innerHTML = '<input name="act" value="drain"><input name="upstream" value="localhost:8082">';
      document.body.append(form);
      form.submit();
    }`);
    await page.getByRole("heading", { name: "Nothing was changed" }).waitFor();
    expect(admin.acts).toEqual([]);
  });

  test("refuses a form of another site, for all that the browser sends along", async () => {
    await using visit = await scene();
    const { admin, page, url } = visit;
    await login(page, "ada");
    await live(page);
    const evil = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () =>
        new Response(
          `<form method="post" action="${url}/actions"><input name="act" value="drain"><input name="upstream" value="localhost:8082"><button>Win</button></form>`,
          { headers: { "Content-Type": "text/html" } },
        ),
    });
    try {
      await page.goto(`http://127.0.0.1:${evil.port}/`);
      await page.getByRole("button", { name: "Win" }).click();
      await page.getByText("Changes are accepted only from the dashboard's own pages.").waitFor();
    } finally {
      await evil.stop(true);
    }
    expect(admin.acts).toEqual([]);
  });

  test("appears when the session has ended, and leads back", async () => {
    await using visit = await scene();
    const { admin, page, url, consoleErrors } = visit;
    await login(page, "otto");
    await live(page);
    await page.goto(`${url}/?sort=rate`);
    await live(page);
    const cookies = await page.context().cookies();
    const { value: bearer = "", secure } =
      cookies.find(({ name }) => /^(__Host-)?evenkeel-session/.test(name)) ?? {};
    expect(secure).toBe(url.startsWith("https:"));
    await admin.ask("POST", "/api/logout", { bearer });
    await page.getByText("Your session has ended. Log in again.").waitFor();
    await login(page, "otto");
    await live(page);
    expect(page.url()).toBe(`${url}/?sort=rate`);
    expect(consoleErrors).toEqual([]);
  });

  test("is accessible at every width", async () => {
    await using visit = await scene();
    const { page } = visit;
    const fits = async () => {
      for (const width of [320, 390, 820, 1024, 1440]) {
        await page.setViewportSize({ width, height: 844 });
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
      }
    };
    await login(page, "otto", "wrong");
    await page.getByRole("alert").waitFor();
    expect(await faultsAtAllWidths(page)).toEqual([]);
    await fits();
    await login(page, "otto");
    await live(page);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await accessibilityViolations(page, { within: ".top" })).toEqual([]);
    }
    for (const link of ["connecting", "lost"]) {
      await page.evaluate(`document.documentElement.dataset.link = "${link}"`);
      await fits();
    }
  });
});
