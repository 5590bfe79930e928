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

  test("reads the history of the time of its address, or of the last hour", async () => {
    const { admin, ask } = await scene();
    await ask("/upstreams/a");
    const [last, ...further] = whole(admin);
    expect(further).toEqual([]);
    expect(last?.["upstream"]).toBe("a");
    expect(Date.parse(last?.["to"] ?? "") - Date.parse(last?.["from"] ?? "")).toBe(3_600_000);
    admin.historyQueries.length = 0;
    await ask("/upstreams/a?from=2026-11-28T03:04:00Z&to=2026-11-28T03:24:00Z");
    expect(whole(admin)).toEqual([
      { pool: "main", upstream: "a", from: "2026-11-28T03:04:00Z", to: "2026-11-28T03:24:00Z" },
    ]);
  });

  test("leads to its pool, with the time that it shows", async () => {
    const { ask } = await scene(incidentSnapshot());
    const html = await (await ask("/upstreams/checkout-07?from=-2h&to=now")).text();
    const crumb = /<nav class="crumb".*?<\/nav>/s.exec(html)?.[0] ?? "";
    expect(
      [...crumb.matchAll(/href="([^"]+)"/g)].map(([, address]) => address?.replaceAll("&amp;", "&")),
    ).toEqual(["/?from=-2h&to=now", "/?open=checkout&from=-2h&to=now#pool-checkout"]);
  });

  test("has the bands of its own problems only", async () => {
    const { ask } = await scene(incidentSnapshot());
    const bands = async (id: string) =>
      [...(await (await ask(`/upstreams/${id}`)).text()).matchAll(/<li data-level="(\w+)" data-from/g)].map(
        ([, level]) => level,
      );
    expect(await bands("checkout-07")).toEqual(["critical"]);
    expect(await bands("search-03")).toEqual(["warning"]);
    expect(await bands("checkout-01")).toEqual([]);
  });

  test("marks its own events and those of its pool and of the balancer", async () => {
    const { admin, ask } = await scene(incidentSnapshot());
    const [some] = admin.events;
    if (!some) throw new Error("Cannot mark events: there are none");
    const panic = { ...some, kind: "panic" as const, upstream: null, from: "calm", to: "panic", detail: "" };
    admin.events = [
      { ...some, seq: 1, kind: "reload", pool: null, from: "", to: "applied", detail: "" },
      { ...panic, seq: 2, pool: "search" },
      { ...panic, seq: 3, pool: "checkout" },
      {
        ...{ ...panic, seq: 4, kind: "problem", pool: "checkout", upstream: "checkout-07", from: "" },
        ...{ to: "critical", detail: "p-k7m2x: checkout-07 answers 30 % of its requests with 500" },
      },
    ];
    const html = await (await ask("/upstreams/checkout-07")).text();
    const marks = [
      ...html.matchAll(
        /<li data-at="\d+" data-number="(\d)" data-tone="(\w+)".*?<\/time> <span>(.*?)<\/span>/g,
      ),
    ];
    expect(marks.map(([, number, tone, text]) => `${number} ${tone}: ${text}`)).toEqual([
      "1 calm: Reload: applied",
      "2 bad: checkout: calm → panic",
      "3 bad: checkout-07 answers 30 % of its requests with 500",
    ]);
  });

  test("stands beside the peers that get requests, and is red where it has a problem", async () => {
    const { ask } = await scene(incidentSnapshot());
    const read = async (id: string) => (await ask(`/upstreams/${id}`)).text();
    await until(async () => (await read("checkout-07")).includes("checkout-07 answers 30 %"), "the problem");
    const lines = async (id: string) =>
      [
        ...(await read(id)).matchAll(/class="peers" role="img" aria-label="([^"]+)".*?data-tone="(\w+)"/gs),
      ].map(([, text, tone]) => `${tone}: ${text?.replaceAll("\u00a0", " ")}`);
    expect(await lines("checkout-07")).toEqual([
      "bad: Error share: checkout-07 30 %, peers 0 %",
      "calm: p95: checkout-07 96 ms, peers 130 ms",
    ]);
    expect(await lines("checkout-01")).toEqual([
      "calm: Error share: checkout-01 0 %, peers 0 % to 30 %, median 0 %",
      "calm: p95: checkout-01 130 ms, peers 96 ms to 130 ms, median 130 ms",
    ]);
    expect(await read("web-03")).toContain("Beside its 20 peers");
  });

  test("names the routes of the kept requests of its time, also in the part that is read again", async () => {
    const { admin, ask } = await scene();
    const time = "from=2026-11-28T03:04:00Z&to=2026-11-28T03:24:00Z";
    const html = await (await ask(`/upstreams/a?${time}`)).text();
    expect(admin.requestsApi.queries).toContain(`summary ${new URLSearchParams(time)}&upstream=a`);
    const part = await (await ask(`/upstreams/a/served?${time}`)).text();
    for (const text of [html, part]) {
      expect(text.includes("of 1,794 requests kept in this time")).toBe(true);
      // By its place in the requests, by host and path for people.
      expect(/<a href="([^"]+)">shop.example.com\/checkout</.exec(text)?.[1]).toBe(
        "/requests?from=2026-11-28T03%3A04%3A00Z&amp;to=2026-11-28T03%3A24%3A00Z&amp;upstream=a&amp;which=kept&amp;route=routes%5B0%5D",
      );
    }
    expect(html).not.toContain("/served?");
    expect(await (await ask("/upstreams/a")).text()).toContain('hx-get="/upstreams/a/served?from=-1h');
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
