import { expect, test } from "bun:test";

import { families } from "../../src/metrics/families.ts";
import { Metrics } from "../../src/metrics/metrics.ts";
import { renderPrometheus } from "../../src/metrics/prometheus.ts";
import { Exchange } from "../../src/proxy/exchange.ts";
import { refusal } from "../../src/proxy/refusal.ts";
import type { ExchangeSummary, RecordSink } from "../../src/proxy/record.ts";
import { testHead } from "../support/request-head.ts";
import { routeTable } from "../support/routes.ts";

const sink: RecordSink = {
  wants: () => false,
  wantsSlow: () => false,
  wantsFailed: () => false,
  accept: () => {},
};

const gone = {
  requestId: "1",
  ...{ clientAddress: "192.0.2.1", peerAddress: "192.0.2.1", scheme: "http", listener: "main" },
  ...{ protocol: "http/1.1", bytesIn: 0, bytesOut: 0, isClientGone: false },
} as const satisfies Partial<ExchangeSummary>;

async function linesOf(metrics: Metrics): Promise<readonly string[]> {
  const text = await renderPrometheus(families(metrics, []));
  return text.split("\n").filter((line) => line.startsWith("evenkeel_route_"));
}

/** Requests to a route with a name and to one without. */
function requestsTo(metrics: Metrics, now: () => number, setNow: (ms: number) => void): void {
  const answer = { name: "respond", admit: () => refusal("no_upstream") };
  const table = routeTable([
    { path: "/named", name: "shop", counter: "shop", handling: { filters: [answer] } },
    { path: "/", counter: "/", handling: { filters: [answer] } },
  ]);
  const exchange = new Exchange({ routes: () => table, clock: now, observer: metrics, records: [sink] });
  const request = (target: string, status: number, durationMs: number) => {
    exchange.open(testHead({ target }));
    exchange.next();
    setNow(now() + durationMs);
    exchange.close({ ...gone, status });
  };
  request("/named", 503, 20);
  request("/named/x", 503, 20);
  request("/named", 101, 5_000);
  request("/other", 503, 20);
}

test("metrics have routes with a name, the others are only counted", async () => {
  let now = 1_000;
  const metrics = new Metrics(() => now);
  requestsTo(
    metrics,
    () => now,
    (ms) => void (now = ms),
  );
  const lines = await linesOf(metrics);
  expect(lines.filter((line) => line.includes("requests_total"))).toEqual([
    'evenkeel_route_requests_total{route="shop",code="503"} 2',
    'evenkeel_route_requests_total{route="shop",code="101"} 1',
  ]);
  expect(lines).toContain('evenkeel_route_duration_seconds_count{route="shop"} 2');
  expect(lines.find((line) => line.includes("_sum"))).toBe(
    'evenkeel_route_duration_seconds_sum{route="shop"} 0.04',
  );
  expect(lines).toContain('evenkeel_route_refusals_total{route="shop"} 3');
  expect(lines.join()).not.toContain('route="/"');
  expect(metrics.routes.of("/").requests).toEqual({ all: 1, errors: 1 });
});

test("the counts of several processes add up", async () => {
  let now = 1_000;
  const parts = [0, 1].map(() => new Metrics(() => now));
  for (const part of parts)
    requestsTo(
      part,
      () => now,
      (ms) => void (now = ms),
    );
  const sum = new Metrics(() => now);
  for (let round = 0; round < 2; round++) {
    sum.routes.clear();
    for (const part of parts) sum.routes.add(JSON.parse(JSON.stringify(part.routes.counts)));
  }
  expect(await linesOf(sum)).toContain('evenkeel_route_requests_total{route="shop",code="503"} 4');
  expect(await linesOf(sum)).toContain('evenkeel_route_duration_seconds_count{route="shop"} 4');
});
