/** The installed Chromium, for browser tests and the project's screenshots. Nothing is downloaded. */

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, chromium, type Page } from "playwright-core";

import type { TestAuthority } from "./acme-authority.ts";
import { createTrustedAuthority, hasCertutil } from "./trusted-authority.ts";

const paths = [
  process.env["CHROMIUM_PATH"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** The path of Chromium; undefined if it is not installed. */
export function findChromium(): string | undefined {
  return paths.find((path) => path !== undefined && existsSync(path));
}

/**
 * Chromium reads only the last such list. The first lines are Playwright's own entries that matter on loopback; the
 * last line is the two pages that Chromium loads for its address bar with each window, which cost as much as ours.
 */
const withoutFeatures = [
  ...["AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "PaintHolding"],
  ...["HttpsUpgrades", "HttpsFirstBalancedModeAutoEnable", "AvoidCorsURLLoaderRestartOnRedirect"],
  ...["OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch", "MediaRouter"],
  ...["WebUIOmniboxPopup", "WebUIOmniboxAimPopup"],
];

/** The authorities of the tests, by the Chromium that trusts them. */
const authorities = new WeakMap<Browser, TestAuthority>();

/** The authority whose certificates this Chromium accepts; undefined where it cannot trust one. */
export function trustedAuthority(browser: Browser): TestAuthority | undefined {
  return authorities.get(browser);
}

export async function launchChromium(executablePath: string): Promise<Browser> {
  const trusted = hasCertutil ? await createTrustedAuthority() : undefined;
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    ...(trusted && { env: { ...process.env, HOME: trusted.home } }),
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
  if (trusted) {
    authorities.set(browser, trusted.authority);
    browser.once("disconnected", trusted.remove);
  }
  return browser;
}

/**
 * Collects the page's problems from now on: errors and warnings of its console, including violations of the content
 * security policy, and uncaught errors.
 * @param consoleErrors the list they are added to; several pages may share one
 */
export function consoleMessages(page: Page, consoleErrors: string[] = []): string[] {
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") consoleErrors.push(message.text());
  });
  page.on("pageerror", (error) => consoleErrors.push(error.message));
  return consoleErrors;
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export interface AxeOptions {
  /** A selector; the whole page by default. */
  readonly within?: string;
  /** Runs only these rules. */
  readonly only?: readonly string[];
}

/** Every violation that axe-core finds on the page: the rule and the element. */
export async function accessibilityViolations(
  page: Page,
  { within = "html", only }: AxeOptions = {},
): Promise<string[]> {
  if (!(await page.evaluate<boolean>("'axe' in window"))) await page.evaluate(axe);
  const options = { resultTypes: ["violations"], ...(only && { runOnly: only }) };
  return page.evaluate<string[]>(`
    axe.run(${JSON.stringify(within)}, ${JSON.stringify(options)}).then(({ violations }) => violations
      .flatMap(({ id, nodes }) => nodes.map(({ target }) => id + " " + target)))`);
}

/**
 * What is wrong with the page as it stands, at three widths and in both themes: violations that axe-core finds, and pixels
 * that a reader must scroll to the side for. The page stays narrow and light.
 */
export async function faultsAtAllWidths(page: Page): Promise<string[]> {
  const faults: string[] = [];
  for (const width of [1_440, 820, 390]) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of ["dark", "light"] as const) {
      await page.emulateMedia({ colorScheme });
      const violations = await accessibilityViolations(page);
      faults.push(...violations.map((violation) => `${width} ${colorScheme}: ${violation}`));
    }
    const hidden = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
    if (hidden !== 0) faults.push(`${width}: ${hidden} pixels too wide`);
  }
  return faults;
}
