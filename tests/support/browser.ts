/** The machine's own Chromium, without a download: for browser tests and the project's pictures. */

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, chromium, type Page } from "playwright-core";

const paths = [
  process.env["CHROMIUM_PATH"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Where Chromium is; undefined if there is none. */
export function findChromium(): string | undefined {
  return paths.find((path) => path !== undefined && existsSync(path));
}

/**
 * Chromium heeds the last such list alone. First what Playwright would have listed and tests on loopback can tell; then
 * the two pages that Chromium loads for its address bar, which nobody sees here, with each window: as dear as ours.
 */
const withoutFeatures = [
  ...["AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "PaintHolding"],
  ...["HttpsUpgrades", "HttpsFirstBalancedModeAutoEnable", "AvoidCorsURLLoaderRestartOnRedirect"],
  ...["OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch", "MediaRouter"],
  ...["WebUIOmniboxPopup", "WebUIOmniboxAimPopup"],
];

export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--disable-features=${withoutFeatures.join(",")}`,
    ],
  });
}

/**
 * What the page complains of from now on: errors and warnings of its console, breaches of the content security policy
 * among them, and what nobody caught.
 * @param complaints where to note them: several pages may share a list
 */
export function complaintsOf(page: Page, complaints: string[] = []): string[] {
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  return complaints;
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export interface AxeOptions {
  /** A selector; the whole page without it. */
  readonly within?: string;
  /** Only these rules of its. */
  readonly only?: readonly string[];
}

/** What axe-core holds against the page, however small: the rule and the element. */
export async function breaches(page: Page, { within = "html", only }: AxeOptions = {}): Promise<string[]> {
  await page.evaluate(axe);
  const options = only ? { runOnly: only } : {};
  return page.evaluate<string[]>(`
    axe.run(${JSON.stringify(within)}, ${JSON.stringify(options)}).then(({ violations }) => violations
      .flatMap(({ id, nodes }) => nodes.map(({ target }) => id + " " + target)))`);
}
