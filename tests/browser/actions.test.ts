import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { accessibilityViolations, findChromium, launchChromium } from "../support/browser.ts";
import { BalancerFixture } from "../support/balancer-fixture.ts";
import { respondWith, type Origin, startOrigin } from "../support/origin.ts";
import { live, type Visit, visit } from "../support/visit.ts";
import { until } from "../support/wait.ts";

const executable = findChromium();

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(25_000);

let browser: Browser;

interface Fixture extends Visit {
  readonly room: BalancerFixture;
  /** Requests that wait for their response until they are released. */
  hold(count: number): Promise<void>;
  release(): Promise<void>;
}

const names = ["api-1", "api-2", "api-3"];

/** A real balancer with three upstreams that respond at once except on /held, and its dashboard. */
async function scene(options: BrowserContextOptions = {}): Promise<Fixture> {
  const fixture = new BalancerFixture();
  const held: (() => void)[] = [];
  const start = (): Promise<Origin> =>
    startOrigin(({ target }, socket) => {
      if (target !== "/held") return void socket.write(respondWith("ok"));
      held.push(() => void socket.write(respondWith("at last")));
    });
  const origins = await Promise.all(names.map(start));
  const lines = origins.map(({ url }, index) => `      - "${url};name=${names[index]}"\n`);
  fixture.write(`pools:\n  main:\n    probe: { path: / }\n    upstreams:\n${lines.join("")}`);
  await fixture.start("--engine", "wire");
  const visited = await visit(browser, { balancerUrl: fixture.url, adminUrl: fixture.admin }, options);
  await visited.open();
  const responses: Promise<unknown>[] = [];
  const release = async () => {
    for (const response of held.splice(0)) response();
    await Promise.all(responses.splice(0));
  };
  return {
    ...visited,
    room: fixture,
    release,
    async hold(count) {
      for (let i = 0; i < count; i++) {
        responses.push(fetch(`${fixture.url}/held`).then((response) => response.text(), () => undefined)); // prettier-ignore
      }
      await until(() => held.length === count, "the requests at their upstreams");
    },
    async [Symbol.asyncDispose]() {
      await release();
      await visited[Symbol.asyncDispose]();
      await fixture[Symbol.asyncDispose]();
      await Promise.all(origins.map((origin) => origin.close()));
    },
  };
}

const row = (page: Page, id: string) =>
  page.getByRole("row").filter({ has: page.getByText(id, { exact: true }) });
const dialog = (page: Page) => page.getByRole("dialog");
const click = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();
const menuOf = (page: Page, id: string) => click(page, `More for ${id}`);
const confirm = (page: Page) => dialog(page).locator("button.main").click();
const done = (page: Page) => page.locator("#done");
const reason = (page: Page) => page.locator(".action").getByRole("textbox", { name: "Reason" });

describe.skipIf(!executable)("an action in Chromium, on a real balancer", () => {
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
  });
  afterAll(() => browser?.close());

  test("drains with a countdown, shows what finishes, and is undone", async () => {
    await using visit = await scene();
    const { room: fixture, page, consoleErrors } = visit;
    await visit.hold(3);
    await live(page);
    const inFlight = row(page, "api-2").locator(".s-num").first();
    await until(async () => (await inFlight.textContent()) === "1", "its request in flight");
    await click(page, "Drain api-2");
    for (const words of [
      "api-2 takes no new requests; 1 in-flight request will finish.",
      "Requests left after 30\u00a0s continue until you abort them.",
      "Then api-1 and api-3 take 50\u00a0% each.",
    ]) {
      await dialog(page).getByText(words).waitFor();
    }
    await dialog(page).getByLabel("Drain deadline").selectOption("10 seconds");
    await dialog(page).getByText("Requests left after 10\u00a0s").waitFor();
    await reason(page).fill("kernel update");
    await confirm(page);
    await done(page).getByText("api-2 is draining").waitFor();
    await dialog(page).waitFor({ state: "hidden" });
    const note = row(page, "api-2").locator(".state-words");
    const left = async () =>
      Number(/^Draining: 1 in flight, (\d+)\s/.exec((await note.textContent()) ?? "")?.[1]);
    const first = await left();
    expect(first).toBeLessThanOrEqual(10);
    await until(async () => (await left()) < first, "the countdown");
    expect((await fixture.upstream("api-2"))?.modeSet).toMatchObject({
      by: "dashboard",
      why: "kernel update",
    });
    await done(page).getByRole("button", { name: "Undo" }).click();
    await done(page).getByText("Undone: api-2 is in the previous state again").waitFor();
    await row(page, "api-2").getByText("Serves").waitFor();
    expect((await fixture.upstream("api-2"))?.mode).toBe("ready");
    expect(consoleErrors).toEqual([]);
  });

  test("aborts remaining requests after the deadline, from the upstream's page", async () => {
    await using visit = await scene();
    const { room: fixture, page, url, consoleErrors } = visit;
    await visit.hold(3);
    await fixture.callAdmin("POST", "/api/upstreams/api-3/drain?deadline=300ms", { reason: "soon" });
    await page.goto(`${url}/upstreams/api-3`);
    await live(page);
    const drain = page.getByRole("region", { name: "Drain" });
    await drain.getByText("overdue").waitFor();
    expect(await accessibilityViolations(page)).toEqual([]);
    await drain.getByRole("button", { name: "Abort remaining requests" }).click();
    await dialog(page).getByText("1 in-flight request on api-3 will be aborted").waitFor();
    await reason(page).fill("it hangs");
    await confirm(page);
    await done(page).getByText("Remaining requests on api-3 aborted").waitFor();
    await drain.getByText("Drained").waitFor();
    expect(consoleErrors).toEqual([]);
  });

  test("sets a weight that was typed into the row, which live updates leave alone", async () => {
    await using visit = await scene();
    const { room: fixture, page, consoleErrors } = visit;
    await live(page);
    const weight = page.getByLabel("Weight of api-1", { exact: true });
    await menuOf(page, "api-1");
    await weight.fill("6");
    const seen = page.locator(".foot").getByText("read from");
    const before = await seen.textContent();
    await until(async () => (await seen.textContent()) !== before, "an update");
    expect(await weight.inputValue()).toBe("6");
    await weight.press("Enter");
    await dialog(page).getByText("The weight of api-1 changes from 1 to 6.").waitFor();
    await dialog(page).getByLabel("Weight").fill("2");
    await dialog(page)
      .getByText("Then api-1 takes 50\u00a0%, api-2 takes 25\u00a0% and api-3 takes 25\u00a0%.")
      .waitFor();
    await confirm(page);
    await done(page).getByText("Weight of api-1 set to 2").waitFor();
    expect((await fixture.upstream("api-1"))?.weight).toBe(2);
    await done(page).getByRole("button", { name: "Undo" }).click();
    await done(page).getByText("Undone").waitFor();
    expect(await fixture.upstream("api-1")).toMatchObject({ weight: 1, weightSet: null });
    await until(async () => (await weight.inputValue()) === "1", "the weight in the row");
    expect(consoleErrors).toEqual([]);
  });

  test("adds an upstream, shows the error of an invalid one at the form, and removes it again", async () => {
    await using visit = await scene();
    const { room: fixture, page, consoleErrors } = visit;
    const newcomer = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    await live(page);
    await page.getByRole("link", { name: "Add upstream to main" }).click();
    await page.getByLabel("Address").fill(newcomer.url);
    await page.getByLabel("Name").fill("api-1");
    await confirm(page);
    await dialog(page).getByRole("alert").filter({ hasText: "Cannot add api-1" }).waitFor();
    expect(await page.getByLabel("Address").inputValue()).toBe(newcomer.url);
    await page.getByLabel("Name").fill("api-4");
    await confirm(page);
    await done(page).getByText("api-4 added to main").waitFor();
    await row(page, "api-4").getByText("Serves").waitFor();
    await menuOf(page, "api-4");
    await click(page, "Remove api-4");
    await dialog(page).getByText("to restore it, add it again").waitFor();
    await reason(page).fill("only a trial");
    await confirm(page);
    await done(page).getByText("api-4 is being removed").waitFor();
    await row(page, "api-4").waitFor({ state: "detached" });
    const why = (await fixture.events("upstream=api-4")).map(({ detail }) => detail);
    expect(why).toContain("only a trial");
    // The browser itself logs the refusal.
    expect(consoleErrors.filter((words) => !words.includes("422"))).toEqual([]);
    await newcomer.close();
  });

  test("acts on several at once, and requires a confirmation before a pool has no available upstream", async () => {
    await using visit = await scene();
    const { room: fixture, page, consoleErrors } = visit;
    await live(page);
    const bar = page.getByRole("form", { name: "Actions for selected upstreams" });
    await bar.waitFor({ state: "hidden" });
    await page.getByLabel("Select api-2").check();
    await bar.getByText("1 selected").waitFor();
    await bar.getByRole("button", { name: "Select all shown" }).click();
    await bar.getByText("3 selected").waitFor();
    await bar.getByRole("button", { name: "Maintenance" }).click();
    await dialog(page).getByText("Pool main will have no available upstream: clients get 503.").waitFor();
    expect(await accessibilityViolations(page)).toEqual([]);
    await dialog(page).getByRole("link", { name: "Cancel" }).click();
    await dialog(page).waitFor({ state: "hidden" });
    await page.getByLabel("Select api-1").uncheck();
    await bar.getByRole("button", { name: "Maintenance" }).click();
    await dialog(page).getByText("api-1 takes all traffic").waitFor();
    await reason(page).fill("new switch");
    await confirm(page);
    await done(page).getByText("2 upstreams are in maintenance").waitFor();
    await bar.waitFor({ state: "hidden" });
    expect((await fixture.snapshot()).pools[0]?.upstreams.map(({ mode }) => mode).join(" ")).toBe(
      "ready maintenance maintenance",
    );
    await done(page).getByRole("button", { name: "Undo" }).click();
    await done(page).getByText("Undone: 2 upstreams are in the previous state again").waitFor();
    expect(consoleErrors).toEqual([]);
  });

  test("needs no JavaScript: drains several, and undoes it", async () => {
    await using visit = await scene({ javaScriptEnabled: false, viewport: { width: 390, height: 800 } });
    const { room: fixture, page } = visit;
    for (const id of ["api-1", "api-2"]) await page.getByLabel(`Select ${id}`).check();
    await page.locator("#bulk").getByRole("button", { name: "Drain" }).click();
    await page.getByText("api-3 takes all traffic").waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(390);
    await reason(page).fill("new switch");
    await click(page, "Drain 2 upstreams");
    await done(page).getByText("2 upstreams are draining").waitFor();
    expect((await fixture.upstream("api-2"))?.mode).toBe("draining");
    await done(page).getByRole("button", { name: "Undo" }).click();
    await done(page).getByText("Undone: 2 upstreams are in the previous state again").waitFor();
    expect((await fixture.upstream("api-2"))?.mode).toBe("ready");
    await page.getByRole("link", { name: "Dismiss" }).click();
    await page.getByRole("heading", { name: "All 3 upstreams serve" }).waitFor();
    expect(await done(page).textContent()).toBe("");
  });

  test("needs no JavaScript: adds one, keeps the input of a refused form, sets its weight and removes it", async () => {
    await using visit = await scene({ javaScriptEnabled: false });
    const { room: fixture, page } = visit;
    const newcomer = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    await page.getByRole("link", { name: "Add upstream to main" }).click();
    await page.getByLabel("Address").fill(newcomer.url);
    await page.getByLabel("Name").fill("api-1");
    await page.getByRole("button", { name: "Add upstream" }).click();
    await page.getByRole("alert").filter({ hasText: "Cannot add api-1" }).waitFor();
    expect(await page.getByLabel("Address").inputValue()).toBe(newcomer.url);
    await page.getByLabel("Name").fill("api-4");
    await page.getByRole("button", { name: "Add upstream" }).click();
    await done(page).getByText("api-4 added to main").waitFor();
    await menuOf(page, "api-4");
    await page.getByLabel("Weight of api-4", { exact: true }).fill("5");
    await page.getByLabel("Weight of api-4", { exact: true }).press("Enter");
    await page.getByText("The weight of api-4 changes from 1 to 5.").waitFor();
    await page.locator("button.main").click();
    await done(page).getByText("Weight of api-4 set to 5").waitFor();
    await menuOf(page, "api-4");
    await click(page, "Remove api-4");
    await reason(page).fill("only a trial");
    await page.locator("button.main").click();
    await done(page).getByText("api-4 is being removed").waitFor();
    await until(async () => !(await fixture.ids()).includes("api-4"), "its end");
    await newcomer.close();
  });

  test("previews the changes of a reload, and shows all problems of an invalid file", async () => {
    await using visit = await scene();
    const { room: fixture, page, url, consoleErrors } = visit;
    const before = readFileSync(fixture.file, "utf8");
    await fixture.callAdmin("POST", "/api/upstreams/api-2/mode", { mode: "maintenance", reason: "new disk" });
    await page.goto(`${url}/config`);
    const overlay = page.getByRole("region", { name: "Set at run time" });
    await overlay.getByRole("row").filter({ hasText: "mode maintenance" }).getByText("new disk").waitFor();
    await overlay.getByText("As a configuration file").click();
    await overlay.locator("pre").getByText("mode maintenance by ann").waitFor();
    const card = page.getByRole("region", { name: "Reload" });
    await card.getByRole("button", { name: /^Preview/ }).click();
    await card.getByText("The configuration has not changed").waitFor();
    fixture.write(`${before}    policy: p2c\n    retries: 2\n`);
    await card.getByRole("button", { name: /^Preview/ }).click();
    await card.getByText("~ pool main: policy round-robin → p2c").waitFor();
    fixture.write(`${before}    policy: p2c\n`);
    await card.getByRole("button", { name: "Apply 2 changes" }).click();
    await card.getByText("the file has changed since the preview").waitFor();
    expect((await fixture.snapshot()).pools[0]?.policy).toBe("round-robin");
    await card.getByRole("button", { name: "Apply 1 change" }).click();
    await card.getByText("Changes applied:").waitFor();
    expect((await fixture.snapshot()).pools[0]?.policy).toBe("p2c");
    fixture.write(`${before}    policy: best\n    retries: 9\n`);
    await card.getByRole("button", { name: /^Preview/ }).click();
    await card.getByText("Cannot load the configuration: 2 problems").waitFor();
    expect(await card.locator(".problems li").count()).toBe(2);
    // Text under the pointer must be legible too.
    await card.locator("button.main").hover();
    expect(await accessibilityViolations(page)).toEqual([]);
    await fixture.callAdmin("POST", "/api/reload");
    await page.reload();
    await card.getByText("requested by ann").waitFor();
    expect(consoleErrors).toEqual([]);
  });

  test("previews and applies without JavaScript too", async () => {
    await using visit = await scene({ javaScriptEnabled: false });
    const { room: fixture, page, url } = visit;
    fixture.write(`${readFileSync(fixture.file, "utf8")}    policy: p2c\n`);
    await page.goto(`${url}/config`);
    await page.getByRole("button", { name: "Preview changes" }).click();
    await page.getByText("~ pool main: policy round-robin → p2c").waitFor();
    await page.getByRole("button", { name: "Apply 1 change" }).click();
    await page.getByText("Changes applied:").waitFor();
    expect((await fixture.snapshot()).pools[0]?.policy).toBe("p2c");
  });

  test("appears at once among the events, and stays in the audit trail with actor and reason", async () => {
    await using visit = await scene();
    const { room: fixture, page, url, consoleErrors } = visit;
    await page.goto(`${url}/events?upstream=api-2`);
    await live(page);
    await page.evaluate("window.stayed = true");
    await fixture.callAdmin("POST", "/api/upstreams/api-1/mode", {
      mode: "draining",
      reason: "not asked for",
    });
    await fixture.callAdmin("POST", "/api/upstreams/api-2/mode", {
      mode: "draining",
      reason: "kernel update",
    });
    await page.getByText("kernel update").waitFor();
    await page.getByText("draining → drained").waitFor();
    expect(await page.getByText("not asked for").count()).toBe(0);
    expect(await page.evaluate("window.stayed")).toBe(true);
    expect(await accessibilityViolations(page)).toEqual([]);
    await page.getByRole("link", { name: "Audit" }).click();
    await live(page);
    const trail = page.locator("#events > li");
    expect(await trail.count()).toBe(2);
    expect(await trail.first().textContent()).toContain("kernel update");
    expect(await trail.first().locator(".event-by").textContent()).toBe("ann");
    await page.getByLabel("Contains").fill("NOT asked");
    await page.getByRole("button", { name: "Filter" }).click();
    await page.getByText("not asked for").waitFor();
    expect(await trail.count()).toBe(1);
    await page.getByLabel("By").fill("nobody");
    await page.getByRole("button", { name: "Filter" }).click();
    await page.getByText("No events match").waitFor();
    expect(await accessibilityViolations(page)).toEqual([]);
    expect(consoleErrors).toEqual([]);
  });

  test("leads through older events and back, page by page, without JavaScript", async () => {
    await using visit = await scene({ javaScriptEnabled: false });
    const { room: fixture, page, url } = visit;
    for (let weight = 1; weight <= 120; weight++)
      await fixture.callAdmin("PATCH", "/api/upstreams/api-1", { weight });
    await page.goto(`${url}/events?kind=weight`);
    const changes = () => page.locator(".event-change").allTextContents();
    const pages: string[][] = [await changes()];
    for (const name of ["Older", "Older", "Newer", "Newer"]) {
      await page.getByRole("link", { name, exact: true }).click();
      pages.push(await changes());
    }
    expect(pages[0]?.[0]).toBe("119 → 120");
    expect(pages.map((each) => each.length)).toEqual([50, 50, 19, 50, 50]);
    expect(new Set(pages.slice(0, 3).flat()).size).toBe(119);
    expect([pages[3], pages[4]]).toEqual([pages[1], pages[0]]);
    expect(await page.getByRole("link", { name: "Newest" }).count()).toBe(1);
  });

  test("is cancelled with Escape, which returns the focus to the button", async () => {
    await using visit = await scene();
    const { room: fixture, page, consoleErrors } = visit;
    await live(page);
    await page.getByRole("button", { name: "Drain api-1" }).focus();
    await page.keyboard.press("Enter");
    await dialog(page).waitFor();
    await page.keyboard.press("Escape");
    await dialog(page).waitFor({ state: "hidden" });
    expect(await page.evaluate("document.activeElement?.ariaLabel")).toBe("Drain api-1");
    expect((await fixture.upstream("api-1"))?.mode).toBe("ready");
    expect(consoleErrors).toEqual([]);
  });
});
