/** Pictures of the dashboard in every width and theme: bun scripts/screenshot.ts [outDir] [--url http://…] [--readme] */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startDashboard } from "../src/dashboard/dashboard.ts";
import { runtime } from "../src/runtime/bun.ts";
import { busySnapshot, startAdminStandIn } from "../tests/support/admin-stand-in.ts";
import { findChromium, launchChromium } from "../tests/support/browser.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    // A running dashboard; without it, one is started on made-up numbers.
    url: { type: "string" },
    // Writes docs/dashboard.png as well.
    readme: { type: "boolean", default: false },
  },
});

const themes = ["light", "dark"] as const;
const shapes = [
  { width: 390, height: 844 },
  { width: 820, height: 1180 },
  { width: 1440, height: 720 },
] as const;

interface Source {
  readonly url: string;
  close(): Promise<void>;
}

/** A dashboard on a stand-in for the admin side, on a working day. */
async function startSample(): Promise<Source> {
  const admin = await startAdminStandIn(busySnapshot());
  const dashboard = await startDashboard(
    { hostname: "127.0.0.1", port: 0, balancerUrl: admin.url, adminUrl: admin.url },
    runtime,
  );
  return {
    url: `http://127.0.0.1:${dashboard.port}`,
    async close() {
      dashboard.close();
      await admin.close();
    },
  };
}

const outDir = positionals[0] ?? "dist/screenshots";
const executable = findChromium();
if (!executable) throw new Error("Cannot take pictures: no Chromium found; install it or set CHROMIUM_PATH");

const source: Source = values.url ? { url: values.url, close: async () => {} } : await startSample();
const browser = await launchChromium(executable);
try {
  mkdirSync(outDir, { recursive: true });
  for (const theme of themes) {
    for (const { width, height } of shapes) {
      const page = await browser.newPage({
        viewport: { width, height },
        deviceScaleFactor: width < 1000 ? 2 : 1,
        colorScheme: theme,
        reducedMotion: "reduce",
      });
      await page.goto(source.url);
      await page.waitForSelector("html[data-link=live]");
      const path = join(outDir, `dashboard-${width}-${theme}.png`);
      await page.screenshot({ path, fullPage: true });
      process.stdout.write(`${path}\n`);
      if (values.readme && width === 1440 && theme === "light") {
        mkdirSync("docs", { recursive: true });
        await page.screenshot({ path: "docs/dashboard.png" });
        process.stdout.write("docs/dashboard.png\n");
      }
      await page.close();
    }
  }
} finally {
  await browser.close();
  await source.close();
}
