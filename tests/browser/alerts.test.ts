/** The page of alerts in Chromium, over a real balancer and real receivers. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContextOptions } from "playwright-core";

import { AlertReceiver } from "../support/alert-receiver.ts";
import { alertSecret } from "../support/alerts.ts";
import { consoleMessages, faultsAtAllWidths, findChromium, launchChromium } from "../support/browser.ts";
import { temporaryFolder } from "../support/folder.ts";
import { Programs } from "../support/program.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { until } from "../support/wait.ts";

const executable = findChromium();
const inFolder = temporaryFolder("alerts-page");

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(60_000);

describe.skipIf(!executable)("the page of alerts in Chromium", () => {
  const programs = new Programs();
  let browser: Browser;
  let [ops, slack, robot]: AlertReceiver[] = [];
  let url = "";

  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
    [ops, slack, robot] = await Promise.all([1, 2, 3].map(() => AlertReceiver.start()));
    if (robot) robot.reactions = [503];
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const folder = inFolder("up");
    mkdirSync(folder);
    writeFileSync(join(folder, "key"), alertSecret);
    writeFileSync(join(folder, "slack"), slack?.url ?? "");
    const file = join(folder, "evenkeel.yaml");
    const hostile = `<i>robot</i> & "co"`;
    writeFileSync(
      file,
      `pools:
  checkout: { probe: { interval: 1s, changingInterval: 1s }, upstreams: ["${origin.url}", "http://127.0.0.1:9"] }
  search: { upstreams: ["${origin.url.replace("127.0.0.1", "localhost")}"] }
alerts:
  - { name: On-call, url: "${ops?.url}", level: warning, secretFile: ${folder}/key }
  - { name: "#shop-ops", format: slack, pools: [checkout, search], secretFile: ${folder}/slack }
  - { name: '${hostile}', url: "${robot?.url}", secretFile: ${folder}/key }
`,
    );
    const program = programs.evenkeel(
      ...["up", "--port", "0", "--host", "127.0.0.1", "--admin-port", "0", "--dashboard-port", "0"],
      ...["--config", file, "--state", join(folder, "state.db")],
    );
    url = `http://127.0.0.1:${await program.port("dashboard")}`;
    await until(
      () => [ops, slack, robot].every((one) => (one?.received.length ?? 0) > 0),
      "the alerts",
      20_000,
    );
  });
  afterAll(async () => {
    await browser?.close();
    await programs[Symbol.asyncDispose]();
    await Promise.all([ops, slack, robot].map((one) => one?.stop()));
  });

  const visit = async (options: BrowserContextOptions = {}) => {
    const context = await browser.newContext({ viewport: { width: 1_440, height: 900 }, ...options });
    const page = await context.newPage();
    const consoleErrors = consoleMessages(page);
    await page.goto(`${url}/alerts`);
    return { page, consoleErrors, [Symbol.asyncDispose]: () => context.close() };
  };

  test("is accessible and fits", async () => {
    await using scene = await visit();
    const { page, consoleErrors } = scene;
    await page.locator(".new-silence summary").click();
    expect(await faultsAtAllWidths(page)).toEqual([]);
    expect(consoleErrors).toEqual([]);
  });

  test("says who gets alerts, who fails, and what was sent to whom", async () => {
    await using scene = await visit();
    const { page } = scene;
    await page.getByRole("heading", { name: "Alerts go to 3 receivers" }).waitFor();
    const rows = page.locator(".receivers tbody tr");
    expect(await rows.nth(0).textContent()).toContain("Answered 200");
    expect(await rows.nth(1).textContent()).toContain("127.0.0.1:");
    expect(await rows.nth(1).textContent()).not.toContain("/hook");
    expect(await rows.nth(2).textContent()).toMatch(/<i>robot<\/i> & "co".*Status 503, tries again/s);
    const sent = await page.locator(".sent-list li").first().textContent();
    expect(sent).toMatch(/Opened:.*127\.0\.0\.1:9 refuses connections.*On-call, #shop-ops, <i>robot<\/i>/s);
    expect(await page.content()).not.toContain("<i>robot");
  });

  test("sends a test, also without JavaScript, and says what the receiver answered", async () => {
    await using scene = await visit({ javaScriptEnabled: false });
    const { page } = scene;
    await page.getByRole("button", { name: "Test On-call" }).click();
    await page.getByText(/^On-call took the test: status 200 in .*It answered: done$/).waitFor();
    expect(ops?.received.at(-1)?.json["event"]).toBe("test");
    await page.getByRole("button", { name: /^Test <i>robot/ }).click();
    await page.getByText(/did not take the test: status 503/).waitFor();
  });

  test("creates a silence and ends it, without JavaScript; a refused one keeps what was typed", async () => {
    await using scene = await visit({ javaScriptEnabled: false });
    const { page } = scene;
    const silence = async (fields: Readonly<Record<string, string>>) => {
      for (const [label, text] of Object.entries(fields))
        await page.getByLabel(label, { exact: true }).fill(text);
      await page.getByRole("button", { name: "Silence", exact: true }).click();
    };
    await page.locator(".new-silence summary").click();
    await silence({ Upstream: "127.0.0.1:9", For: "400d", Reason: "kernel update" });
    await page
      .getByRole("alert")
      .getByText(/at most 30 days/)
      .waitFor();
    expect(await page.getByLabel("Reason", { exact: true }).inputValue()).toBe("kernel update");
    await silence({ For: "2h" });
    await page.getByText("upstream 127.0.0.1:9", { exact: true }).waitFor();
    expect(await page.locator("#silences").textContent()).toContain("by dashboard: kernel update");
    await page.getByRole("button", { name: "End now: upstream 127.0.0.1:9" }).click();
    await page.getByText("Nothing is silenced.").waitFor();
  });
});
