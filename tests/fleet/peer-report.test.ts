/** Reports in the store: small while all is well, bounded otherwise, and read with distrust. */

import { describe, expect, test } from "bun:test";

import {
  parseReport,
  type PeerReport,
  type SeenUpstream,
  serializeReport,
} from "../../src/fleet/peer-report.ts";

const report: PeerReport = {
  ...{ instance: "i-1", version: "0.2.0", configuration: "20a3e5668d7d", nonce: "n-1", startedAt: 1 },
  ...{ url: "https://lb1.example.com", inFlight: 3, requestsPerSecond: 10.5, errorShare: 0.01, omitted: 0 },
  parts: { pools: "aaaaaaaa", routes: "bbbbbbbb" },
  pools: { web: "cccccccc" },
  settings: "dddddddd",
  problems: { critical: 0, warning: 1 },
  upstreams: { s1: { status: "failing", inFlight: 2, problem: "upstream_down" } },
  drains: { s2: { order: "o-1", inFlight: 1 } },
  alerts: {
    receivers: ["ops"],
    seen: { "upstream_down\nweb\ns1\n\n\n": { level: "warning", isPart: false, to: [0], claim: 7 } },
    told: [
      {
        ...{
          receiver: "ops",
          thread: "lb1/p-aaaaa",
          key: "upstream_down\nweb\ns1\n\n\n",
          title: "s1 is down",
        },
        ...{ level: "closed", number: 2, by: "lb2", at: 5 },
      },
    ],
  },
};

const upstreams = (count: number, name: (index: number) => string): Record<string, SeenUpstream> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      name(index),
      { status: "failing", inFlight: index, problem: "upstream_down" },
    ]),
  );

describe("a report", () => {
  test("is read as it was written", () => {
    expect(parseReport(serializeReport(report))).toEqual(report);
  });

  test("has less than a kilobyte with any number of upstreams that are well", () => {
    expect(serializeReport({ ...report, upstreams: {} }).length).toBeLessThan(1_000);
  });

  test("names the first 500 of 1,000 upstreams that are not well, and tells how many it leaves out", () => {
    const text = serializeReport({
      ...report,
      upstreams: upstreams(1_000, (index) => `web/10.0.0.${index}:8080`),
    });
    expect(text.length).toBeLessThan(50_000);
    const read = parseReport(text);
    expect(Object.keys(read?.upstreams ?? {})).toHaveLength(500);
    expect(read).toMatchObject({ omitted: 500, drains: report.drains, pools: report.pools });
  });

  test("leaves out more when names are long, and keeps drains", () => {
    const long = upstreams(1_000, (index) => `${"x".repeat(250)}${index}`);
    const read = parseReport(serializeReport({ ...report, upstreams: long }));
    const named = Object.keys(read?.upstreams ?? {}).length;
    expect(named).toBeGreaterThan(100);
    expect(read).toMatchObject({ omitted: 1_000 - named, drains: report.drains });
  });

  test("is nothing when it is too long or has no name", () => {
    expect(parseReport("x".repeat(140_000))).toBeUndefined();
    expect(parseReport('{"instance":1}')).toBeUndefined();
    const odd = { ...report, inFlight: -1, errorShare: 7, startedAt: "x" };
    expect(parseReport(JSON.stringify(odd))).toMatchObject({ inFlight: 0, errorShare: 1, startedAt: 0 });
  });

  test("of another version has what it tells", () => {
    const { parts: _, pools: _pools, settings: _settings, problems: _problems, ...older } = report;
    expect(parseReport(JSON.stringify(older))).toMatchObject({
      ...{ parts: {}, pools: {}, settings: "", problems: { critical: 0, warning: 0 } },
    });
  });

  test.each([
    "javascript:alert(1)",
    "JAVASCRIPT://x.example/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "//evil.example",
    "https://lb1.example.com@evil.example",
    "https://user:secret@lb1.example.com",
    "https:\\\\evil.example",
    "http://",
    " https://lb1.example.com",
    "ftp://lb1.example.com",
    "https://lb1.example.com:99999",
  ])("has no link from %p", (url) => {
    expect(parseReport(JSON.stringify({ ...report, url }))?.url).toBe("");
  });

  test.each<[string, unknown]>([
    ["a text", "x"],
    ["a list", []],
    ["numbers", { upstreams: 5, pools: 7, parts: [1], drains: "x", problems: null, omitted: -1 }],
    [
      "wrong values inside",
      {
        upstreams: {
          a: 1,
          b: { status: 2 },
          c: { status: "x".repeat(300) },
          d: { status: "failing", inFlight: -5, problem: 3 },
        },
        pools: { p: 1 },
        problems: { critical: "many", warning: Number.NaN },
      },
    ],
  ])("with %s costs at most itself", (_, more) => {
    const read = parseReport(
      JSON.stringify(typeof more === "object" && !Array.isArray(more) ? { ...report, ...more } : more),
    );
    if (read === undefined) return;
    for (const { status, inFlight } of Object.values(read.upstreams)) {
      expect(status).toBe("failing");
      expect(inFlight).toBe(0);
    }
    expect(read).toMatchObject({ omitted: 0, pools: {}, problems: { critical: 0, warning: 0 } });
  });
});
