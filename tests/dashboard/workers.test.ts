import { describe, expect, test } from "bun:test";

import { renderPage } from "../../src/dashboard/overview/page.tsx";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { busySnapshot, calmSnapshot } from "../support/fake-admin-api.ts";

function pageOf(snapshot: Snapshot): string {
  const at = Date.now();
  const gate = {
    url: "http://x",
    reachable: true,
    status: 200,
    detail: "status 200",
    latencyMs: 1,
    checkedAt: at,
  };
  const state = {
    at,
    readAt: at,
    adminUrl: "http://x",
    listenerCheck: gate,
    snapshot,
    outage: undefined,
    trends: [],
  };
  return renderPage({ state });
}

/** The text of the section. */
function visibleText(html: string): string {
  const section = /<section class="pool workers"[\s\S]*?<\/section>/.exec(html)?.[0] ?? "";
  return section
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}

describe("workers on the overview", () => {
  test("are listed with their load and summed up", () => {
    const words = visibleText(pageOf(busySnapshot()));
    expect(words).toStartWith("Workers 2 of 3 serve 4 restarts");
    expect(words).toContain("Serving pid 41870 93 in flight · 1.2M requests · never restarted");
    expect(words).toContain("Serving pid 42113 89 in flight · 1.2M requests · 1 restart");
    expect(words).toContain("Starting pid 42977 0 in flight · 0 requests · 3 restarts");
  });

  test("a worker that restarts has no pid", () => {
    const worker = { pid: 0, ready: false, restarts: 1, inFlight: 0, requests: 0 };
    expect(visibleText(pageOf({ ...busySnapshot(), workers: [worker] }))).toContain(
      "Starting no process yet",
    );
  });

  test("are not mentioned where a single process does everything", () => {
    expect(pageOf(calmSnapshot())).not.toContain("Workers");
  });

  test("become no markup, whatever their numbers are", () => {
    const hostile = `<i>"'&raw` as unknown as number;
    const worker = { pid: hostile, ready: true, restarts: hostile, inFlight: hostile, requests: hostile };
    const html = pageOf({ ...busySnapshot(), workers: [worker] });
    expect(html).toContain("pid &lt;i");
    for (const raw of ["<i>", `"'`, "&raw"]) expect(html).not.toContain(raw);
  });
});
