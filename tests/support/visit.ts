/** A dashboard and a Chromium page that shows it, started and stopped together. */

import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { type Dashboard, startDashboard } from "../../src/dashboard/dashboard.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { type FakeAdminApi, busySnapshot, startFakeAdminApi } from "./fake-admin-api.ts";
import { consoleMessages } from "./browser.ts";

/** The balancer that the dashboard shows. */
export interface DashboardTarget {
  readonly balancerUrl: string;
  readonly adminUrl: string;
}

export interface Visit extends AsyncDisposable {
  /** The dashboard's URL without a path. */
  readonly url: string;
  readonly page: Page;
  /** Problems that the browser reported, including violations of the content security policy. */
  readonly consoleErrors: string[];
  stopDashboard(): void;
  /** Starts the dashboard again on the same port. */
  startDashboard(): Promise<void>;
}

/** The page is blank at first. */
export async function visit(
  browser: Browser,
  target: DashboardTarget,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const start = (port: number): Promise<Dashboard> =>
    startDashboard({ hostname: "127.0.0.1", port, ...target }, runtime);
  let dashboard = await start(0);
  const { port } = dashboard;
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  return {
    url: `http://127.0.0.1:${port}`,
    page,
    consoleErrors: consoleMessages(page),
    stopDashboard: () => dashboard.close(),
    async startDashboard() {
      dashboard = await start(port);
    },
    async [Symbol.asyncDispose]() {
      await context.close();
      dashboard.close();
    },
  };
}

export interface FakeAdminVisit extends Visit {
  readonly admin: FakeAdminApi;
}

export interface FakeAdminOptions extends BrowserContextOptions {
  readonly snapshot?: FakeAdminApi["snapshot"];
  /** The status of the balancer's responses from the start. */
  readonly balancerStatus?: number;
  /** The page's first path. */
  readonly path?: string;
}

/** A dashboard on a fake admin API, and a page of it. */
export async function visitFakeAdmin(
  browser: Browser,
  { snapshot = busySnapshot(), balancerStatus = 200, path = "/", ...options }: FakeAdminOptions = {},
): Promise<FakeAdminVisit> {
  const admin = await startFakeAdminApi(snapshot);
  admin.balancerStatus = balancerStatus;
  const visited = await visit(browser, { balancerUrl: admin.url, adminUrl: admin.url }, options);
  await visited.page.goto(visited.url + path);
  return {
    admin,
    ...visited,
    async [Symbol.asyncDispose]() {
      await visited[Symbol.asyncDispose]();
      await admin.close();
    },
  };
}

/** Resolves when the page's live stream has begun. */
export const live = (page: Page) => page.waitForSelector("html[data-link=live]");
