import { afterEach, describe, expect, test } from "bun:test";

import { startDashboard } from "../../src/dashboard/dashboard.ts";
import { changeOf, eventReason } from "../../src/dashboard/events/timeline.tsx";
import { runtime } from "../../src/runtime/bun.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import {
  type FakeAdminApi,
  pool,
  snapshotOf,
  startFakeAdminApi,
  upstream,
} from "../support/fake-admin-api.ts";
import { incidentSnapshot } from "../support/problem-fixture.ts";
import { until } from "../support/wait.ts";

const open: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

function fewUpstreams(): Snapshot {
  const upstreams = [upstream("a", { weight: 3 }), upstream("b", { weight: 3 }), upstream("c")];
  return snapshotOf(pool({ upstreams }));
}

/** A dashboard that is requested like a browser navigates. */
async function scene(snapshot = fewUpstreams()) {
  const admin = await startFakeAdminApi(snapshot);
  const where = { hostname: "127.0.0.1", port: 0, balancerUrl: admin.url, adminUrl: admin.url };
  const dashboard = await startDashboard(where, runtime);
  open.push(
    () => admin.close(),
    () => dashboard.close(),
  );
  const ask = (path: string, headers: Record<string, string> = { Accept: "text/html" }) =>
    fetch(`http://127.0.0.1:${dashboard.port}${path}`, { headers, redirect: "manual" });
  return { admin, ask };
}

describe("an unknown address", () => {
  test("is a page with navigation for a browser, and plain text for a program", async () => {
    const { ask } = await scene();
    const page = await ask("/nothing/here");
    expect(page.status).toBe(404);
    const html = await page.text();
    for (const words of ["<h1>Page not found</h1>", 'href="/"', 'href="/requests"'])
      expect(html).toContain(words);
    const sentence = await ask("/nothing/here", { Accept: "*/*" });
    expect([sentence.status, sentence.headers.get("content-type")]).toEqual([
      404,
      "text/plain; charset=utf-8",
    ]);
  });

  test("leads to its page where a form had been sent without a script", async () => {
    const { ask } = await scene();
    for (const [path, to] of [
      ["/config/preview", "/config"],
      ["/config/apply", "/config"],
      ["/upstreams/a%20b/rehearsal", "/upstreams/a%20b"],
      ["/upstreams/a/rehearsal/end", "/upstreams/a"],
      ["/undo/k", "/"],
      ["/logout", "/"],
    ] as const) {
      const response = await ask(path);
      expect([path, response.status, response.headers.get("location")]).toEqual([path, 303, to]);
    }
  });
});

describe("a confirmation", () => {
  test("is an error for an unknown upstream", async () => {
    const { ask } = await scene();
    const page = await ask("/actions?act=remove&upstream=nobody");
    expect(page.status).toBe(422);
    const html = await page.text();
    expect(html).toContain("No upstream named &quot;nobody&quot;.");
    expect(html).not.toContain('action="/actions"');
  });

  test("of a weight starts with the current weight, so that an unchanged form changes nothing", async () => {
    const { ask } = await scene();
    const field = async (query: string) =>
      /name="weight"[^>]* value="(\d*)"/.exec(await (await ask(`/actions?act=weight&${query}`)).text())?.[1];
    expect(await field("upstream=a")).toBe("3");
    expect(await field("upstream=a&upstream=b")).toBe("3");
    expect(await field("upstream=a&upstream=c")).toBe("");
    expect(await field("upstream=a&weight=7")).toBe("7");
    expect(await field("upstream=a&weight=")).toBe("");
  });
});

describe("the page of an upstream", () => {
  /** Those of an upstream, without the ones of the pollers: one reads only what is new, one a few points of each upstream. */
  const whole = ({ historyQueries }: FakeAdminApi) =>
    historyQueries
      .map((query) => Object.fromEntries(new URLSearchParams(query)))
      .filter(
        ({ upstream, since, points }) =>
          upstream !== undefined && since === undefined && points === undefined,
      );

  test("reads the history of its window, or of the time of its address, and not both", async () => {
    const { admin, ask } = await scene();
    await ask("/upstreams/a?window=1h");
    expect(whole(admin)).toEqual([{ upstream: "a", window: "1h" }]);
    admin.historyQueries.length = 0;
    const html = await (await ask("/upstreams/a?from=2026-11-28T03:04:00Z&to=2026-11-28T03:24:00Z")).text();
    expect(whole(admin)).toEqual([
      { upstream: "a", from: "2026-11-28T03:04:00Z", to: "2026-11-28T03:24:00Z" },
    ]);
    expect(html).toContain('data-role="range-charts"');
  });
});

test("the page of an upstream begins with its problem, and is no green one then", async () => {
  const { ask } = await scene(incidentSnapshot());
  const read = async (id: string) => (await ask(`/upstreams/${id}`)).text();
  await until(async () => (await read("checkout-07")).includes("checkout-07 answers 30 %"), "the problem");
  const toneOf = (html: string) => /<section class="verdict" data-tone="(\w+)"/.exec(html)?.[1];
  expect(toneOf(await read("checkout-07"))).toBe("bad");
  const other = await read("checkout-01");
  expect(toneOf(other)).toBe("good");
  expect(other).not.toContain("checkout-07 answers");
});

describe("the configuration", () => {
  test("is shown completely, or without defaults", async () => {
    const { ask } = await scene();
    const rows = async (path: string) => [
      ...(await (await ask(path)).text()).matchAll(/<tr data-chosen="(\w+)">/g),
    ];
    const all = (await rows("/config")).map(([, chosen]) => chosen);
    const chosen = (await rows("/config?only=set")).map(([, chosen]) => chosen);
    expect(new Set(all)).toEqual(new Set(["yes", "no"]));
    expect(chosen).toEqual(all.filter((each) => each === "yes"));
  });
});

test("a login has its own event text", () => {
  const loginEvent = (to: string, reason: string): BalancerEvent => ({
    seq: 1,
    at: 1,
    kind: "login",
    pool: null,
    upstream: null,
    from: "",
    by: "ann",
    to,
    reason,
    detail: "from 192.0.2.1",
  });
  const words = (event: BalancerEvent) => [changeOf(event), ...eventReason(event)];
  expect(words(loginEvent("accepted", "password_right"))).toEqual(["logged in", "from 192.0.2.1"]);
  expect(words(loginEvent("refused", "password_wrong"))).toEqual([
    "login rejected",
    "password_wrong: from 192.0.2.1",
  ]);
  expect(words(loginEvent("ended", "logout"))).toEqual(["logged out", "from 192.0.2.1"]);
});
