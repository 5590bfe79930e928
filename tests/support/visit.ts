/** A dashboard and a Chromium page that shows it, started and stopped together. */

import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { type Dashboard, startDashboard } from "../../src/dashboard/dashboard.ts";
import { runtime } from "../../src/runtime/bun.ts";
import { type FakeAdminApi, busySnapshot, startFakeAdminApi } from "./fake-admin-api.ts";
import { consoleMessages, trustedAuthority } from "./browser.ts";
import { startHttpsFront } from "./https-front.ts";

/** The balancer that the dashboard shows. */
export interface DashboardTarget {
  readonly balancerUrl: string;
  readonly adminUrl: string;
}

/** How the browser reaches the dashboard: directly, or through a balancer that speaks HTTP/2 over TLS. */
export type VisitProtocol = "http/1.1" | "h2";

export interface VisitOptions extends BrowserContextOptions {
  /** HTTP/2 by default, where the browser can verify the balancer's certificate. */
  readonly protocol?: VisitProtocol;
}

export interface Visit extends AsyncDisposable {
  /** The dashboard's URL without a path, as the browser sees it. */
  readonly url: string;
  readonly page: Page;
  /** Problems that the browser reported, including violations of the content security policy. */
  readonly consoleErrors: string[];
  /** Opens a path of the dashboard. Rejects if it did not come over the protocol of the visit. */
  open(path?: string): Promise<void>;
  stopDashboard(): void;
  /** Starts the dashboard again on the same port. */
  startDashboard(): Promise<void>;
}

/** The page is blank at first. */
export async function visit(
  browser: Browser,
  target: DashboardTarget,
  { protocol, ...options }: VisitOptions = {},
): Promise<Visit> {
  const authority = protocol === "http/1.1" ? undefined : trustedAuthority(browser);
  if (protocol === "h2" && !authority) throw new Error("Cannot use HTTP/2: certutil is not installed");
  // The dashboard believes the balancer about its client, as an operator would set it.
  const behind = authority ? { isTrustedProxy: () => true } : {};
  const start = (port: number): Promise<Dashboard> =>
    startDashboard({ hostname: "127.0.0.1", port, ...behind, ...target }, runtime);
  let dashboard = await start(0);
  const { port } = dashboard;
  const front = authority && (await startHttpsFront(authority, port));
  const url = front?.url ?? `http://127.0.0.1:${port}`;
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  return {
    url,
    page,
    consoleErrors: consoleMessages(page),
    async open(path = "/") {
      await page.goto(url + path);
      const [spoken, expected] = [await navigationProtocol(page), front ? "h2" : "http/1.1"];
      if (spoken !== expected) throw new Error(`Cannot visit over ${expected}: the page came over ${spoken}`);
    },
    stopDashboard: () => dashboard.close(),
    async startDashboard() {
      dashboard = await start(port);
    },
    async [Symbol.asyncDispose]() {
      await context.close();
      front?.close();
      dashboard.close();
    },
  };
}

/** The protocol over which the current page came (RFC 7301's names). */
const navigationProtocol = (page: Page) =>
  page.evaluate<string>('performance.getEntriesByType("navigation")[0].nextHopProtocol');

export interface FakeAdminVisit extends Visit {
  readonly admin: FakeAdminApi;
}

export interface FakeAdminOptions extends VisitOptions {
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
  await visited.open(path);
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
