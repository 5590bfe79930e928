import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import type { Browser } from "playwright-core";

import { selfSigned } from "../../src/tls/self-signed.ts";
import { consoleMessages, findChromium, launchChromium } from "../support/browser.ts";
import { temporaryFolder } from "../support/folder.ts";
import { Programs } from "../support/program.ts";
import { live, visitFakeAdmin } from "../support/visit.ts";
import { until } from "../support/wait.ts";

const executable = findChromium();

// Bun kills the browser, and with it every other test, when one test takes longer than this.
setDefaultTimeout(25_000);

const inFolder = temporaryFolder("browser-https");
let browser: Browser;

interface Loaded {
  readonly url: string;
  readonly protocol: string;
}

describe.skipIf(!executable)("Chromium over https and HTTP/2", () => {
  beforeAll(async () => {
    browser = await launchChromium(executable ?? "");
  });
  afterAll(() => browser?.close());

  test("shows the dashboard behind a balancer: pages, scripts, streams of events, and a form", async () => {
    await using programs = new Programs();
    await using behind = await visitFakeAdmin(browser, {});
    const { cert, key } = selfSigned("localhost", "");
    writeFileSync(inFolder("a.crt"), cert);
    writeFileSync(inFolder("a.key"), key);
    const config = inFolder("evenkeel.yaml");
    writeFileSync(
      config,
      `certificates: [{ folder: ${inFolder(".")} }]
listen: { host: 127.0.0.1, port: 0, tls: true, protocols: [http2, http1] }
admin: { port: 0 }
pools: { main: { upstreams: ["${behind.url}"] } }\n`,
    );
    const proxy = programs.evenkeel("proxy", "--config", config);
    const origin = `https://localhost:${await proxy.port("balancer")}`;
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    const consoleErrors = consoleMessages(page);
    await page.goto(`${origin}/`);
    await live(page);
    const loaded = await page.evaluate<Loaded[]>(`
      performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
        .map(({ name, nextHopProtocol }) => ({ url: name, protocol: nextHopProtocol }))`);
    expect(loaded.length).toBeGreaterThan(3);
    // A stream has no protocol before its end.
    const ended = loaded.filter(({ protocol }) => protocol !== "");
    expect(ended.filter(({ protocol }) => protocol !== "h2")).toEqual([]);
    await page.goto(`${origin}/upstreams/localhost%3A8082`);
    await live(page);
    await until(async () => (await page.title()).includes("8082"), "the page of the upstream");
    await page.goto(`${origin}/`);
    await live(page);
    await page.getByRole("button", { name: "Drain localhost:8081", exact: true }).click();
    await page.locator("dialog button.main").click();
    await until(() => behind.admin.posts.length > 0, "the action");
    expect(consoleErrors).toEqual([]);
    const metrics = await (await fetch(`http://127.0.0.1:${await proxy.port("admin")}/metrics`)).text();
    expect(metrics).toMatch(/protocol="h2"\} [1-9]/);
    await context.close();
  });
});
