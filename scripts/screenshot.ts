/**
 * Pictures of the dashboard in every width and theme, of the real system under load:
 * bun scripts/screenshot.ts [outDir] [--base-port 8080] [--url http://… | --sample] [--minutes 5] [--only dashboard] [--readme]
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sleep } from "../src/lib/clock.ts";
import { startDashboard } from "../src/dashboard/dashboard.ts";
import { runtime } from "../src/runtime/bun.ts";
import { busySnapshot, startAdminStandIn } from "../tests/support/admin-stand-in.ts";
import { findChromium, launchChromium } from "../tests/support/browser.ts";
import { until } from "../tests/support/wait.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    // The balancer's port; the demo servers take the next three, dashboard and admin side the tenth and eleventh.
    "base-port": { type: "string", default: "8080" },
    // A dashboard that runs already.
    url: { type: "string" },
    // Made-up numbers instead of a running system: the same picture every time.
    sample: { type: "boolean", default: false },
    // For how long the system runs before it is pictured: charts of a young system are empty.
    minutes: { type: "string", default: "0" },
    // The views that are wanted, by their names with commas; all of them without it.
    only: { type: "string", default: "" },
    // Writes docs/dashboard.png as well.
    readme: { type: "boolean", default: false },
  },
});

const themes = ["light", "dark"] as const;
const shapes = [
  { width: 390, height: 844 },
  { width: 820, height: 1180 },
  { width: 1440, height: 900 },
] as const;

/** What is looked at, and by what it is known to be complete. */
const isDrawn = "html[data-link=live] .chart canvas";
const upstreamPage = `/upstreams/${encodeURIComponent(`localhost:${Number(values["base-port"]) + 2}`)}`;
interface Look {
  readonly name: string;
  readonly address: string;
  readonly ready: string;
  /** What is clicked before, by the names of the controls. */
  readonly clicks?: readonly string[];
}
const lastOne = `localhost:${Number(values["base-port"]) + 3}`;
const views: readonly Look[] = [
  { name: "dashboard", address: "/", ready: isDrawn },
  { name: "drain", address: "/", ready: isDrawn, clicks: [`Drain ${lastOne}`] },
  { name: "drained", address: "/", ready: isDrawn, clicks: [`Drain ${lastOne}`, `Drain ${lastOne}`] },
  {
    name: "bulk",
    address: "/",
    ready: isDrawn,
    clicks: [`Select ${lastOne}`, `Select localhost:${Number(values["base-port"]) + 1}`],
  },
  { name: "add", address: "/", ready: isDrawn, clicks: ["Add upstream to main"] },
  { name: "upstream", address: upstreamPage, ready: isDrawn },
  { name: "events", address: "/events", ready: "html[data-link=live] .event" },
  { name: "audit", address: "/audit", ready: "html[data-link=live] .event" },
  { name: "requests", address: "/requests", ready: "[data-tail] .request" },
  { name: "dry-run", address: "/requests/dry-run", ready: ".dry-run-form" },
  { name: "configuration", address: "/config", ready: "table" },
  { name: "reload", address: "/config", ready: "table", clicks: ["See what would change"] },
];

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

/** Three demo servers and a balancer under load, of which one server has said that it is not ready. */
async function startSystem(basePort: number): Promise<Source> {
  const url = (offset: number) => `http://localhost:${basePort + offset}`;
  const servers = [1, 2, 3];
  const children: ChildProcess[] = [];
  const start = (...command: string[]) => {
    const child = spawn(process.execPath, ["src/main.ts", ...command], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    children.push(child);
  };
  for (const server of servers)
    start("backend", "--port", String(basePort + server), "--name", `demo-${server}`);
  const ports = ["--port", String(basePort), "--dashboard-port", String(basePort + 10)];
  const admin = ["--admin-port", String(basePort + 11), "--state", ":memory:"];
  start("up", ...ports, ...admin, "--probe-path", "/readyz", "--upstreams", servers.map(url).join(","));
  let loaded = true;
  async function close(): Promise<void> {
    loaded = false;
    const gone = children.map((child) => new Promise((resolve) => child.once("exit", resolve)));
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(gone);
  }
  const answers = (address: string) => fetch(address).then((response) => response.ok, () => false); // prettier-ignore
  try {
    await until(() => answers(url(0)), "the balancer's answer", 15_000);
    const client = async (index: number) => {
      while (loaded) {
        await fetch(url(0)).then((response) => response.arrayBuffer(), () => {}); // prettier-ignore
        // A day of a minute: the more clients are awake, the busier it is.
        const awake = 30 + 14 * Math.sin(performance.now() / 9_500) + 4 * Math.sin(performance.now() / 1_900);
        if (index > awake) await sleep(400);
      }
    };
    for (let index = 0; index < 48; index++) void client(index);
    const headers = { "Content-Type": "application/json" };
    const served = async (count: number) => {
      const status = (await (await fetch(`${url(10)}/api/status`)).json()) as {
        snapshot: { pools: { traffic: { requests: number } }[] } | null;
      };
      return (status.snapshot?.pools[0]?.traffic.requests ?? 0) >= count;
    };
    await until(() => served(5_000), "enough traffic for a picture", 60_000);
    await sleep(Number(values.minutes) * 60_000);
    await fetch(`${url(2)}/admin/ready/`, { method: "POST", headers, body: '{"ready":false}' });
    const page = async () => (await fetch(url(10))).text();
    await until(async () => (await page()).includes("2 of 3 upstreams serve"), "the failing probe", 30_000);
  } catch (error) {
    await close();
    throw error;
  }
  return { url: url(10), close };
}

function startSource(): Source | Promise<Source> {
  if (values.url) return { url: values.url, close: async () => {} };
  return values.sample ? startSample() : startSystem(Number(values["base-port"]));
}

const outDir = positionals[0] ?? "dist/screenshots";
const names = values.only.split(",").filter((name) => name !== "");
const wanted = views.filter(({ name }) => names.length === 0 || names.includes(name));
const executable = findChromium();
if (!executable) throw new Error("Cannot take pictures: no Chromium found; install it or set CHROMIUM_PATH");

const source = await startSource();
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
      for (const { name, address, ready, clicks = [] } of wanted) {
        await page.goto(source.url + address);
        // Charts are drawn when they are seen, which on a phone is further down.
        await page
          .locator(".chart, .settings, .event, .requests, .dry-run-form")
          .first()
          .scrollIntoViewIfNeeded();
        await page.waitForSelector(ready);
        for (const click of clicks) {
          // A dialog that is open covers the rest.
          const dialog = page.locator("dialog[open]");
          const place = (await dialog.count()) > 0 ? dialog : page;
          await place.locator(`[aria-label="${click}"], button:text-is("${click}")`).last().click();
        }
        if (clicks.length > 0)
          await page.waitForSelector("dialog[open] .buttons, body:has(.pick:checked), .diff, .done-line");
        await page.evaluate("scrollTo(0, 0)");
        const path = join(outDir, `${name}-${width}-${theme}.png`);
        await page.screenshot({ path, fullPage: clicks.length === 0 });
        process.stdout.write(`${path}\n`);
        if (values.readme && name === "dashboard" && width === 1440 && theme === "light") {
          mkdirSync("docs", { recursive: true });
          await page.screenshot({ path: "docs/dashboard.png" });
          process.stdout.write("docs/dashboard.png\n");
        }
      }
      await page.close();
    }
  }
} finally {
  await browser.close();
  await source.close();
}
