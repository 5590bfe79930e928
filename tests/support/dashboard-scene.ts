/** A dashboard over a fake admin API, asked by its own sockets and without a browser. */

import { type Dashboard, startDashboard } from "../../src/dashboard/dashboard.ts";
import { runtime } from "../../src/runtime/bun.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { type FakeAdminApi, startFakeAdminApi } from "./fake-admin-api.ts";

export class DashboardScene implements AsyncDisposable {
  readonly admin: FakeAdminApi;
  readonly #dashboard: Dashboard;

  private constructor(admin: FakeAdminApi, dashboard: Dashboard) {
    this.admin = admin;
    this.#dashboard = dashboard;
  }

  static async start(snapshot?: Snapshot): Promise<DashboardScene> {
    const admin = await startFakeAdminApi(snapshot);
    const where = { hostname: "127.0.0.1", port: 0, balancerUrl: admin.url, adminUrl: admin.url };
    return new DashboardScene(admin, await startDashboard(where, runtime));
  }

  /** As a browser navigates, unless other headers are given. */
  ask(path: string, headers: Readonly<Record<string, string>> = { Accept: "text/html" }): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#dashboard.port}${path}`, { headers, redirect: "manual" });
  }

  /** Sends a form as a page of the dashboard does. */
  send(path: string, fields: Readonly<Record<string, string>> = {}): Promise<Response> {
    const origin = `http://127.0.0.1:${this.#dashboard.port}`;
    return fetch(`${origin}${path}`, {
      ...{ method: "POST", redirect: "manual", headers: { Origin: origin, Accept: "text/html" } },
      body: new URLSearchParams(fields),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#dashboard.close();
    await this.admin.close();
  }
}

/** The text of markup, without its tags. */
export function textOf(html: string): string {
  return html
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll("\u00a0", " ")
    .replaceAll(/\s+/g, " ");
}

/** The addresses that markup links to, as they are followed. */
export function linksIn(html: string): readonly string[] {
  return [...html.matchAll(/href="([^"]*)"/g)].map(([, href = ""]) => href.replaceAll("&amp;", "&"));
}
