/** The rows of every page as CSV and JSON: the same rows, safe for spreadsheets, and links to them. */

import { describe, expect, test } from "bun:test";

import { csvFile } from "../../src/dashboard/csv-file.ts";
import { certificateOf, withCertificates } from "../support/certificate-fixture.ts";
import { DashboardScene, linksIn } from "../support/dashboard-scene.ts";
import { pool, snapshotOf, upstream } from "../support/fake-admin-api.ts";
import { fleetOf, peerOf } from "../support/fleet-fixture.ts";
import { incidentSnapshot, problemOf } from "../support/problem-fixture.ts";
import { someRequest } from "../support/requests-fixture.ts";
import { routeReport } from "../support/route-reports.ts";

/** A text that a spreadsheet would run, with all that CSV quotes. */
const formula = `=HYPERLINK("http://evil.example","a,b")\r\n+1`;

const subject = {
  balancer: "b",
  peer: null,
  address: null,
  pool: formula,
  upstream: formula,
  certificate: null,
};
const alerts = {
  receivers: [
    {
      ...{ name: formula, format: "json", address: formula, kinds: null, level: "warning", pools: null },
      ...{ failing: null, waiting: 0, nextTryAt: null, last: null },
      counts: { sent: 1, failed: 0, refused: 0, expired: 0, dropped: 0 },
    },
  ],
  sent: [
    {
      ...{ id: 1, receiver: formula, type: "problem.opened", at: 0, state: "sent", tries: 1, endedAt: 1 },
      answer: formula,
      problem: { id: "p", kind: "queue", level: "warning", title: formula, subject, end: null },
    },
  ],
  silences: [],
};

/** A balancer all of whose names and texts are formulas. */
async function hostileScene(): Promise<DashboardScene> {
  const upstreams = [upstream(formula, { url: formula }), upstream("other")];
  const problem = problemOf({ title: formula, subject: { ...subject, balancer: "b" } });
  const hits = { ...problem.hits, routes: [formula] };
  const scene = await DashboardScene.start({
    ...snapshotOf(pool({ name: formula, upstreams })),
    fleet: fleetOf({ peers: [peerOf(formula, { isSelf: true, version: formula, url: formula })] }),
    certificates: [certificateOf({ names: [formula], days: 9, source: formula })],
    problems: [{ ...problem, hits }],
  });
  const { admin } = scene;
  const report = routeReport({ route: formula, rps: 1 });
  const leadsTo = { kind: "pool", words: formula, pools: [formula] } as const;
  admin.routes = { routes: [{ ...report, name: formula, leadsTo }], others: null };
  admin.requestsApi.requests = [someRequest(1, { target: formula, host: formula, reason: "queue_full" })];
  const texts = { from: formula, to: formula, reason: formula, by: formula, detail: formula };
  admin.events = [{ seq: 1, at: 0, kind: "mode", pool: formula, upstream: formula, ...texts }];
  admin.alerts = alerts;
  return scene;
}

/** Reads what RFC 4180 describes. */
function parseCsv(text: string): readonly (readonly string[])[] {
  const rows: string[][] = [];
  for (const [, quoted, plain = "", end = ""] of text.matchAll(
    /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g,
  )) {
    const row = rows.at(-1);
    const cell = quoted?.replaceAll('""', '"') ?? plain;
    if (row && !row.includes("\n")) row.push(cell);
    else rows.push([cell]);
    if (end === "\r\n") rows.at(-1)?.push("\n");
  }
  return rows.map((row) => row.slice(0, -1));
}

const files = [
  "upstreams",
  "requests",
  "routes",
  "history",
  "certificates",
  "events",
  "audit",
  "alerts",
  "fleet",
];

describe("the CSV of every page", () => {
  test.each(files)("%s has whole rows, and no cell that a spreadsheet would run", async (name) => {
    await using scene = await hostileScene();
    const response = await scene.ask(`/${name}.csv`);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/csv; charset=utf-8"]);
    expect(response.headers.get("content-disposition")).toBe(`attachment; filename="${name}.csv"`);
    const text = await response.text();
    const [heading = [], ...rows] = parseCsv(text);
    expect(heading.length).toBeGreaterThan(8);
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.filter((row) => row.length !== heading.length)).toEqual([]);
    const isNumber = (cell: string) => /^-?\d+(\.\d+)?(e-?\d+)?$/.test(cell);
    expect(rows.flat().filter((cell) => /^[=+\-@\t\r]/.test(cell) && !isNumber(cell))).toEqual([]);
    // All pages but the charts have the text, as a text.
    if (name !== "history") expect(rows.flat()).toContain(`'${formula}`);
  }); // prettier-ignore

  test("writes each row by its columns", async () => {
    const response = csvFile("n", { a: (row: number) => row, "b, c": (row) => `x${row}` }, [1, 2]);
    expect(await response.text()).toBe('a,"b, c"\r\n1,x1\r\n2,x2\r\n');
  });

  test.each(files)("and the JSON of %s say why they have nothing", async (name) => {
    await using scene = await DashboardScene.start();
    scene.admin.respond = (_, response) => void response.writeHead(503).end();
    for (const ending of ["csv", "json"]) {
      const response = await scene.ask(`/${name}.${ending}`);
      expect([response.status, response.headers.get("content-type")]).toEqual([422, "text/plain; charset=utf-8"]);
      expect(await response.text()).toContain("The admin API returned status 503.");
    }
  }); // prettier-ignore
});

test("the JSON of every page has as many rows as its CSV", async () => {
  await using scene = await hostileScene();
  const json = async (name: string) =>
    (await (await scene.ask(`/${name}.json`)).json()) as Record<string, unknown>;
  const lists = { upstreams: "upstreams", requests: "requests", routes: "routes", certificates: "certificates", events: "events", audit: "events", alerts: "sent", fleet: "balancers" }; // prettier-ignore
  for (const [name, list] of Object.entries(lists)) {
    const rows = parseCsv(await (await scene.ask(`/${name}.csv`)).text()).length - 1;
    const entries = (await json(name))[list] as readonly unknown[];
    expect([name, entries.length]).toEqual([name, rows]);
  }
});

test("the upstreams of a file are those of the view, worst first, also where the page folds them", async () => {
  await using scene = await DashboardScene.start(incidentSnapshot());
  const names = async (query: string) =>
    parseCsv(await (await scene.ask(`/upstreams.csv${query}`)).text()).map(([, name]) => name);
  expect(await names("")).toHaveLength(61);
  expect((await names("")).slice(0, 2)).toEqual(["upstream", "checkout-07"]);
  expect(await names("?show=problems")).toEqual(["upstream", "checkout-07", "search-03"]);
  expect((await names("?filter=web-1&sort=name&dir=down")).slice(1, 3)).toEqual(["web-19", "web-18"]);
});

describe("a page", () => {
  const pages: readonly (readonly [page: string, files: string, isCopied: boolean])[] = [
    ["/", "/upstreams", false],
    ["/?sort=errors&dir=down", "/upstreams?sort=errors&dir=down", false],
    ["/requests", "/requests", true],
    ["/requests?which=failed&pool=main", "/requests?which=failed&pool=main", true],
    ["/routes?filter=a&sort=p95", "/routes?sort=p95&dir=down&filter=a", true],
    ["/certificates", "/certificates", true],
    ["/alerts", "/alerts", true],
    ["/events?kind=mode", "/events?kind=mode", true],
    ["/audit", "/audit", true],
    ["/fleet", "/fleet", false],
  ];
  test.each(pages)("%s links to the files of %s", async (page, rows, isCopied) => {
    await using scene = await DashboardScene.start({ ...withCertificates(), fleet: fleetOf() });
    scene.admin.alerts = alerts;
    const html = await (await scene.ask(page)).text();
    const [path, query = ""] = rows.split("?");
    const suffix = query === "" ? "" : `?${query}`;
    for (const ending of ["csv", "json"]) expect(linksIn(html)).toContain(`${path}.${ending}${suffix}`);
    if (isCopied) expect(html.replaceAll("&amp;", "&")).toContain(`href="${rows}" data-role="copy-link"`);
  });

  test.each(["/history", "/requests", "/routes", "/events", "/audit"])("%s with a relative time has a link with a fixed one", async (path) => {
    await using scene = await DashboardScene.start();
    const html = (await (await scene.ask(`${path}?from=-2h&to=now`)).text()).replaceAll("&amp;", "&");
    const link = /href="([^"]*)" data-role="copy-link"/.exec(html)?.[1] ?? "";
    const query = new URL(link, "http://x").searchParams;
    const [from, to] = ["from", "to"].map((name) => Date.parse(query.get(name) ?? ""));
    expect((to ?? 0) - (from ?? 0)).toBe(7_200_000);
    expect(Math.abs(Date.now() - (to ?? 0))).toBeLessThan(60_000);
    expect(linksIn(html)).toContain(link.replace("?", ".csv?"));
  }); // prettier-ignore
});
