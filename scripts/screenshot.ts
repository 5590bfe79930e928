/**
 * Takes screenshots of the dashboard in every width and theme, from the real system under load:
 * bun scripts/screenshot.ts [outDir] [--base-port 8080] [--url http://… | --sample] [--minutes 5] [--only dashboard] [--readme]
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sleep } from "../src/lib/clock.ts";
import { startDashboard } from "../src/dashboard/dashboard.ts";
import { runtime } from "../src/runtime/bun.ts";
import type { Snapshot } from "../src/snapshot/snapshot.ts";
import type { BalancerEvent } from "../src/state/event.ts";
import { busySnapshot, startFakeAdminApi } from "../tests/support/fake-admin-api.ts";
import { withCertificates } from "../tests/support/certificate-fixture.ts";
import { inFleet, troubledFleet } from "../tests/support/fleet-fixture.ts";
import { incidentSnapshot } from "../tests/support/problem-fixture.ts";
import { findChromium, launchChromium } from "../tests/support/browser.ts";
import { until } from "../tests/support/wait.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    // Port of the balancer. The demo servers use the next three; dashboard and admin API use base + 10 and base + 11.
    "base-port": { type: "string", default: "8080" },
    // URL of a running dashboard.
    url: { type: "string" },
    // Sample data instead of a running system: the same screenshots every time.
    sample: { type: "boolean", default: false },
    // Minutes that the system runs before the screenshots: charts of a new system are empty.
    minutes: { type: "string", default: "0" },
    // Comma-separated names of views; default all.
    only: { type: "string", default: "" },
    // Also writes docs/dashboard.png; with --sample, of an incident among sixty upstreams.
    readme: { type: "boolean", default: false },
  },
});

const themes = ["light", "dark"] as const;
const shapes = [
  { width: 390, height: 844 },
  { width: 820, height: 1180 },
  { width: 1440, height: 900 },
  { width: 1920, height: 1080 },
] as const;

/** Selector of a page whose charts are drawn. */
const isDrawn = "html[data-link=live] figure canvas";
const [, second, third] = [1, 2, 3].map((offset) => `localhost:${Number(values["base-port"]) + offset}`);
const button = (name: string) => `[aria-label="${name}"], button:text-is("${name}")`;
// On a phone a row's other actions are in its menu; elsewhere they are there too.
const drain = [button(`More for ${third}`), ".menu:popover-open button[value=drain]"];

interface View {
  readonly name: string;
  readonly address: string;
  /** Selector that matches when the page is complete. */
  readonly ready: string;
  /** Selectors of elements to click before the screenshot. */
  readonly clicks?: readonly string[];
  /** Selector that matches when the clicks took effect. With it only the viewport is captured, not the whole page. */
  readonly then?: string;
  /** Selector of an element to click after the screenshot: it takes back what the clicks did. */
  readonly undo?: string;
}

const views: readonly View[] = [
  // So short a time that the charts of a new system are full.
  { name: "dashboard", address: values.sample ? "/" : "/?from=-5m&to=now", ready: isDrawn },
  {
    name: "drain",
    address: "/",
    ready: isDrawn,
    clicks: drain,
    then: "dialog[open] .buttons",
  },
  {
    name: "drained",
    address: "/",
    ready: isDrawn,
    clicks: [...drain, "dialog[open] button.main"],
    then: ".done-line",
    undo: '.done-line button:text-is("Undo")',
  },
  {
    name: "bulk",
    address: "/",
    ready: isDrawn,
    clicks: [button(`Select ${second}`), button(`Select ${third}`)],
    then: "body:has(.pick:checked)",
  },
  {
    name: "add",
    address: "/",
    ready: isDrawn,
    clicks: [button("Add upstream to main")],
    then: "dialog[open] .buttons",
  },
  { name: "upstream", address: `/upstreams/${encodeURIComponent(second ?? "")}`, ready: isDrawn },
  { name: "history", address: "/history", ready: ".range-charts canvas" },
  { name: "moment", address: "/history?from=-1h&at=-30m&compare=-7d", ready: ".range-charts canvas" },
  { name: "routes", address: "/routes", ready: "h1" },
  { name: "certificates", address: "/certificates", ready: "h1" },
  { name: "alerts", address: "/alerts", ready: "h1" },
  { name: "fleet", address: "/fleet", ready: "html[data-link=live] h1" },
  { name: "keys", address: "/keys", ready: ".key-groups" },
  { name: "events", address: "/events", ready: "html[data-link=live] .event" },
  { name: "audit", address: "/audit", ready: "html[data-link=live] .event" },
  // Not the first element of the list: that is its header, which is hidden on a phone.
  { name: "requests", address: "/requests", ready: "html[data-link=live] .requests > .request" },
  { name: "slowest", address: "/requests?which=slowest", ready: ".requests > .request" },
  {
    name: "explain",
    address: "/requests?which=slowest",
    ready: ".requests > .request",
    clicks: [".requests a"],
    then: ".account",
  },
  { name: "dry-run", address: "/requests/dry-run", ready: ".dry-run-form" },
  {
    name: "foreseen",
    address: "/requests/dry-run?host=shop.example&target=/cart",
    ready: ".dry-run-form",
    clicks: [button("Start dry run")],
    then: ".destination",
  },
  { name: "configuration", address: "/config", ready: ".settings" },
  {
    name: "reload",
    address: "/config",
    ready: ".settings",
    clicks: [button("Preview changes")],
    then: "#reload-result .remark:not(.quiet)",
  },
  { name: "nothing", address: "/nothing/here", ready: "h1" },
];

interface Source {
  readonly url: string;
  close(): Promise<void>;
}

/** The incident of the README's picture: what failed at one upstream counts for its pool. */
function pictured(): Snapshot {
  const snapshot = incidentSnapshot();
  const pools = snapshot.pools.map((pool) =>
    pool.name === "checkout"
      ? { ...pool, traffic: { ...pool.traffic, errors: 13_020, errorShare: 0.025 } }
      : pool,
  );
  return { ...snapshot, pools };
}

/** What happened to its upstreams. */
function picturedEvents(): readonly BalancerEvent[] {
  const rows = [
    [40, "reload", null, null, "", "applied", "configuration", "bob", "~ pool search: retries 1 → 2"],
    [15, "probe", "checkout", "checkout-07", "passing", "failing", "probe_failed", "prober", "connection refused"],
    [14.5, "probe", "checkout", "checkout-07", "failing", "passing", "probe_passed", "prober", "status 200"],
    [10, "mode", "web", "web-11", "ready", "draining", "operator", "ann", "kernel update"],
  ] as const; // prettier-ignore
  const now = Date.now();
  return rows.map(([minutes, kind, pool, upstream, from, to, reason, by, detail], index) => ({
    ...{ seq: index + 1, at: now - minutes * 60_000 },
    ...{ kind, pool, upstream, from, to, reason, by, detail },
  }));
}

/** A dashboard with a fake admin API and sample data. */
async function startSample(): Promise<Source> {
  const everything = () => inFleet(troubledFleet(), withCertificates(busySnapshot()));
  const admin = await startFakeAdminApi(values.readme ? pictured() : everything());
  if (values.readme) admin.events = picturedEvents();
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

/** Three demo servers and a balancer under load; one of the servers is not ready. */
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
  const responds = (address: string) => fetch(address).then((response) => response.ok, () => false); // prettier-ignore
  try {
    await until(() => responds(url(0)), "a response of the balancer", 15_000);
    const client = async (index: number) => {
      while (loaded) {
        await fetch(url(0)).then((response) => response.arrayBuffer(), () => {}); // prettier-ignore
        // The number of active clients goes up and down, a daily cycle in about a minute.
        const active =
          30 + 14 * Math.sin(performance.now() / 9_500) + 4 * Math.sin(performance.now() / 1_900);
        if (index > active) await sleep(400);
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
    await until(() => served(5_000), "enough traffic for a screenshot", 60_000);
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
const selected = views.filter(({ name }) => names.length === 0 || names.includes(name));
const executable = findChromium();
if (!executable)
  throw new Error("Cannot take screenshots: no Chromium found. Install it or set CHROMIUM_PATH.");

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
      for (const { name, address, ready, clicks = [], then, undo } of selected) {
        await page.goto(source.url + address);
        // Charts are drawn when they are scrolled into view, which is further down on a phone.
        const chart = page.locator("figure").first();
        if ((await chart.count()) > 0) await chart.scrollIntoViewIfNeeded();
        await page.waitForSelector(ready);
        for (const click of clicks) await page.locator(click).first().click();
        if (then !== undefined) await page.waitForSelector(then);
        await page.evaluate("scrollTo(0, 0)");
        const path = join(outDir, `${name}-${width}-${theme}.png`);
        await page.screenshot({ path, fullPage: then === undefined });
        process.stdout.write(`${path}\n`);
        if (undo !== undefined) {
          await page.locator(undo).click();
          await page.locator(undo).waitFor({ state: "detached" });
        }
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
