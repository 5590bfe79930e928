import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import type { TracedRecord } from "../../src/telemetry/spans.ts";
import { openTraceExport } from "../../src/telemetry/otlp-export.ts";
import { attributesOf, type Collector, type OtlpSpan, startCollector } from "../support/collector.ts";
import { until } from "../support/wait.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const exchange: TracedRecord = {
  traceId,
  trace: { traceId, spanId: "00f067aa0ba902b7", parentId: "b7ad6b7169203331" },
  requestId: "r-1",
  at: 1_700_000_000_000.25,
  durationMs: 30.5,
  method: "GET",
  target: "/cart?item=7",
  scheme: "http",
  listener: "main",
  protocol: "http/1.1",
  host: "shop.example:8080",
  clientAddress: "192.0.2.1",
  peerAddress: "192.0.2.1",
  matchedPath: null,
  pool: "shop",
  filter: null,
  route: "routes[0]",
  routeConditions: null,
  user: null,
  status: 200,
  reason: null,
  complaint: null,
  notRetried: null,
  retried: ["connect_refused"],
  key: null,
  queuedMs: 0,
  choices: [],
  bytesIn: 90,
  bytesOut: 180,
  isClientGone: false,
  attempts: [
    {
      upstream: "api-1",
      startMs: 0,
      connectMs: null,
      headMs: null,
      endMs: 1,
      status: 0,
      outcome: "failure",
      phase: "connect",
      reason: "connect_refused",
      rehearsed: false,
    },
    {
      upstream: "api-2",
      startMs: 1,
      connectMs: 0.5,
      headMs: 20,
      endMs: 29,
      status: 200,
      outcome: "response",
      phase: null,
      reason: null,
      rehearsed: false,
    },
  ],
};

let collector: Collector;
beforeEach(async () => void (collector = await startCollector()));
afterEach(() => collector.close());

function exportTo(endpoint: string) {
  const losses: [spans: number, cause: string][] = [];
  const options = { endpoint, serviceName: "edge", version: "1.2.3" };
  const spans = openTraceExport({ ...options, onLoss: (...loss) => losses.push(loss) });
  const lost = () => losses.reduce((sum, [count]) => sum + count, 0);
  return { spans, losses, lost };
}

async function sent(record: TracedRecord): Promise<readonly OtlpSpan[]> {
  const { spans, losses } = exportTo(`${collector.url}/`);
  spans.accept(record);
  await spans.close();
  expect(losses).toEqual([]);
  return collector.spans();
}

describe("the export of one exchange", () => {
  test("has a server span below the span of the client, and below it a client span for each attempt", async () => {
    const [server, first, second, ...more] = await sent(exchange);
    expect(more).toEqual([]);
    expect(collector.paths).toEqual(["/v1/traces"]);
    expect(server).toMatchObject({ traceId, spanId: "00f067aa0ba902b7", parentSpanId: "b7ad6b7169203331" });
    expect(server).toMatchObject({ name: "GET", kind: 2 });
    for (const attempt of [first, second])
      expect(attempt).toMatchObject({ traceId, parentSpanId: "00f067aa0ba902b7", kind: 3 });
    expect(new Set([server, first, second].map((span) => span?.spanId)).size).toBe(3);
  });

  test("has times to the microsecond", async () => {
    const [server, , second] = await sent(exchange);
    expect(server?.startTimeUnixNano).toBe("1700000000000250000");
    expect(server?.endTimeUnixNano).toBe("1700000000030750000");
    expect(second?.startTimeUnixNano).toBe("1700000000001250000");
  });

  test("has names of the semantic conventions for HTTP", async () => {
    const [server, first, second] = await sent(exchange);
    if (!server || !first || !second) throw new Error("spans are missing");
    expect(attributesOf(server)).toMatchObject({
      "http.request.method": "GET",
      "url.path": "/cart",
      "url.query": "item=7",
      "url.scheme": "http",
      "server.address": "shop.example",
      "client.address": "192.0.2.1",
      "evenkeel.request_id": "r-1",
      "evenkeel.pool": "shop",
    });
    expect(Number(attributesOf(server)["http.response.status_code"])).toBe(200);
    expect(server.status.code).toBe(0);
    expect(attributesOf(first)).toMatchObject({
      "evenkeel.upstream": "api-1",
      "error.type": "connect_refused",
    });
    expect(first.status.code).toBe(2);
    expect(Number(attributesOf(second)["http.request.resend_count"])).toBe(1);
    expect(collector.resource()).toMatchObject({
      "service.name": "edge",
      "service.version": "1.2.3",
    });
  });

  test("marks a refusal as an error with its reason, and does not use unknown methods as span names", async () => {
    const refused = {
      ...exchange,
      method: "BREW",
      status: 503,
      reason: "no_upstream",
      attempts: [],
    } as const;
    const [server, ...more] = await sent(refused);
    if (!server) throw new Error("no span");
    expect(more).toEqual([]);
    expect(server.name).toBe("HTTP");
    expect(server.status.code).toBe(2);
    expect(attributesOf(server)).toMatchObject({
      "http.request.method": "_OTHER",
      "http.request.method_original": "BREW",
      "error.type": "no_upstream",
    });
  });
});

describe("a collector that does not accept spans", () => {
  test("is reported with the number of lost spans", async () => {
    collector.close();
    const { spans, losses } = exportTo(collector.url);
    spans.accept(exchange);
    await spans.close();
    expect(losses.map(([lost]) => lost)).toEqual([3]);
    expect(losses[0]?.[1]).not.toBe("");
  }, 20_000);

  test("loses spans beyond the limit of the queue, which are counted too", async () => {
    const slow = await startCollector();
    const { spans, losses, lost } = exportTo(slow.url);
    // All without a pause: nothing can have been sent yet.
    for (let i = 0; i < 5_000; i++) spans.accept(exchange);
    expect(lost()).toBe(15_000 - 8_190);
    expect(losses[0]).toEqual([3, "the collector is too slow and the queue is full"]);
    await spans.close();
    expect(slow.spans()).toHaveLength(8_190);
    spans.accept(exchange);
    slow.close();
  }, 20_000);

  test.each([429, 503])(
    "gets no requests for a while after it responded with %s and Retry-After, except at shutdown",
    async (status) => {
      const busy = await startCollector({ status, retryAfter: "60" });
      const { spans, lost } = exportTo(busy.url);
      const batch = () => {
        for (let i = 0; i < 200; i++) spans.accept(exchange);
      };
      batch();
      await until(() => lost() > 0, "the first rejection");
      const received = busy.paths.length;
      batch();
      batch();
      // A request after that arrives before the next batch.
      await fetch(`${busy.url}/later`, { method: "POST", body: "x" });
      expect(busy.paths.slice(received)).toEqual(["/later"]);
      await spans.close();
      expect(busy.paths.slice(received + 1)).toContain("/v1/traces");
      expect(lost()).toBe(1_800);
      busy.close();
    },
  );
});
