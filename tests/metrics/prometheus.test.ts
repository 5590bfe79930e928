import { alertFamilies } from "../../src/alerts/alert-families.ts";
import { problemFamilies } from "../../src/problems/problem-families.ts";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { metricsFile, metricsPage } from "../../scripts/metrics-docs.ts";
import { memoryFamilies, processFamilies, stateFamily } from "../../src/metrics/process-families.ts";
import { upgradeFamilies } from "../../src/metrics/upgrade-families.ts";
import { families } from "../../src/metrics/families.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { BalancerFixture } from "../support/balancer-fixture.ts";
import { type Origin, startOrigin } from "../support/origin.ts";
import { type ParsedExposition, readExposition } from "../support/exposition-format.ts";

const head = (name: string, type = "counter") => `# HELP ${name} What.\n# TYPE ${name} ${type}\n`;
const buckets = (...counts: number[]) =>
  counts
    .map(
      (count, index) => `h_seconds_bucket{le="${index === counts.length - 1 ? "+Inf" : index}"} ${count}\n`,
    )
    .join("");

describe("the reader of the exposition format", () => {
  test("accepts valid text", () => {
    const valid = `${head("a_total")}a_total{x="1",y="a\\"b\\\\\\n"} 1\na_total{x="2",y=""} 0\n${head("b", "gauge")}b -1.5e3\n`;
    const histogram = `${head("h_seconds", "histogram")}${buckets(1, 2, 4)}h_seconds_sum 3.5\nh_seconds_count 4\n`;
    expect(readExposition(valid + histogram).problems).toEqual([]);
  });

  test.each([
    ["samples without TYPE", "a_total 1\n"],
    ["TYPE after its samples", `# HELP a_total What.\na_total 1\n# TYPE a_total counter\n`],
    ["TYPE before HELP", "# TYPE a_total counter\n# HELP a_total What.\na_total 1\n"],
    [
      "a family in two places",
      `${head("a_total")}a_total{x="1"} 1\n${head("b", "gauge")}b 1\na_total{x="2"} 1\n`,
    ],
    ["a series twice", `${head("a_total")}a_total{x="1",y="2"} 1\na_total{y="2",x="1"} 1\n`],
    ["a counter without _total", `${head("a")}a 1\n`],
    ["a gauge with _total", `${head("a_total", "gauge")}a_total 1\n`],
    ["a counter below 0", `${head("a_total")}a_total -1\n`],
    ["milliseconds", `${head("a_ms", "gauge")}a_ms 1\n`],
    ["a name with a dash", `${head("a-b", "gauge")}a-b 1\n`],
    ["a label without quotes", `${head("a", "gauge")}a{x=1} 1\n`],
    ["a label with a wrong escape", `${head("a", "gauge")}a{x="\\d"} 1\n`],
    ["labels that differ", `${head("a", "gauge")}a{x="1"} 1\na{y="1"} 1\n`],
    ["no number", `${head("a", "gauge")}a one\n`],
    ["an unknown type", `${head("a", "number")}a 1\n`],
    ["no HELP text", "# HELP a  \n# TYPE a gauge\na 1\n"],
    ["no end of the last line", `${head("a", "gauge")}a 1`],
    [
      "buckets that shrink",
      `${head("h_seconds", "histogram")}${buckets(3, 2, 4)}h_seconds_sum 1\nh_seconds_count 4\n`,
    ],
    [
      "+Inf that is not the count",
      `${head("h_seconds", "histogram")}${buckets(1, 2)}h_seconds_sum 1\nh_seconds_count 4\n`,
    ],
    ["a histogram without a sum", `${head("h_seconds", "histogram")}${buckets(1, 4)}h_seconds_count 4\n`],
    [
      "buckets without +Inf",
      `${head("h_seconds", "histogram")}h_seconds_bucket{le="1"} 4\nh_seconds_sum 1\nh_seconds_count 4\n`,
    ],
  ])("finds %s", (_what, text) => expect(readExposition(text).problems).not.toEqual([]));
});

describe("the real metrics", () => {
  const fixture = new BalancerFixture();
  let text = "";
  let rude: Origin;
  let read: ParsedExposition;
  const marker = "xyzzy";

  beforeAll(async () => {
    await fixture.startServers("a", "b");
    rude = await startOrigin((request, socket) => {
      if (request.target === "/readyz") socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      else socket.destroy();
    });
    fixture.write(
      `${fixture.poolWith(["a", "b"], "    maxRequestBody: 1KiB\n")}      - "${rude.url};name=rude"\n`,
    );
    await fixture.start();
    for (let request = 0; request < 30; request++) {
      const response = await fetch(`${fixture.url}/work/${marker}-${request}?q=${marker}`, {
        headers: { "X-Marker": marker, "X-Request-Id": marker, Cookie: `${marker}=1` },
      });
      await response.text();
    }
    await (await fetch(`${fixture.url}/${marker}`)).text();
    await (await fetch(`${fixture.url}/work`, { method: "POST", body: marker.repeat(1_000) })).text();
    await fixture.callAdmin("POST", "/api/reload");
    text = await (await fetch(`${fixture.admin}/metrics`)).text();
    read = readExposition(text);
  });
  afterAll(async () => {
    await fixture[Symbol.asyncDispose]();
    await rude.close();
  });

  test("are valid", () => expect(read.problems).toEqual([]));

  test("are all families of the table, each with its labels", () => {
    const memory = memoryFamilies({ rssBytes: 1, limitBytes: null, shedding: false });
    const table = [
      ...families(new Metrics(() => 0), []),
      ...memory,
      ...problemFamilies([]),
      ...alertFamilies([]),
      stateFamily(false),
      ...upgradeFamilies({ generation: 0, since: null, failures: 0 }),
      ...processFamilies({
        bugs: 0,
        lostLogLines: 0,
        exhausted: {},
        handshakesRefused: {},
        extensionFailures: {},
      }),
    ];
    expect([...read.families.keys()]).toEqual(table.map(({ name }) => name));
    for (const { name, type, labels } of table) {
      expect(read.families.get(name)?.type).toBe(type);
      for (const series of read.families.get(name)?.series ?? []) {
        const { le: _le, ...own } = series.labels;
        expect(Object.keys(own)).toEqual([...labels]);
      }
    }
    const withSamples = [...read.families.values()].filter(({ series }) => series.length > 0);
    expect(withSamples.length).toBeGreaterThan(12);
  });

  test("have label values from the configuration and fixed vocabularies, never from requests", () => {
    expect(text).not.toContain(marker);
    const values = (label: string) =>
      new Set(
        [...read.families.values()].flatMap(({ series }) => series.map(({ labels }) => labels[label] ?? "")),
      );
    expect([...values("pool")].toSorted()).toEqual(["", "main"]);
    expect([...values("upstream")].toSorted()).toEqual(["", "a", "b", "rude"]);
    for (const code of values("code")) expect(code).toMatch(/^([1-5]\d\d)?$/);
    for (const reason of values("reason")) expect(reason).toMatch(/^[a-z0-9_]*$/);
    expect(values("reason")).toContain("request_too_large");
  });

  test("never go back from one scrape to the next", async () => {
    await (await fetch(`${fixture.url}/work`)).text();
    const later = readExposition(await (await fetch(`${fixture.admin}/metrics`)).text());
    let compared = 0;
    for (const [name, { type, series }] of read.families) {
      if (type === "gauge") continue;
      for (const before of series) {
        const after = later.families
          .get(name)
          ?.series.find((each) => each.name === before.name && Bun.deepEquals(each.labels, before.labels));
        expect(after?.value ?? -1).toBeGreaterThanOrEqual(before.value);
        compared += 1;
      }
    }
    expect(compared).toBeGreaterThan(100);
  });
});

test("docs/metrics.md is current: run bun scripts/metrics-docs.ts after a change", () =>
  expect(readFileSync(metricsFile, "utf8")).toBe(metricsPage()));
