import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import type { TracedExchange } from "../../src/telemetry/spans.ts";
import { openTraceExport } from "../../src/telemetry/trace-export.ts";

interface Collected {
  readonly url: string;
  readonly body: OtlpBody;
}

interface OtlpBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code: number };
  readonly attributes: readonly Attribute[];
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

const traceId = "0af7651916cd43dd8448eb211c80319c";
const exchange: TracedExchange = {
  context: { traceId, spanId: "00f067aa0ba902b7", parentId: "b7ad6b7169203331" },
  requestId: "r-1",
  startedAt: 1_700_000_000_000.25,
  durationMs: 30.5,
  method: "GET",
  target: "/cart?item=7",
  scheme: "http",
  host: "shop.example:8080",
  clientAddress: "192.0.2.1",
  pool: "shop",
  status: 200,
  reason: undefined,
  attempts: [
    { upstream: "api-1", startMs: 0, endMs: 1, status: 0, failure: "connect_refused" },
    { upstream: "api-2", startMs: 1, endMs: 30, status: 200, failure: undefined },
  ],
};

let collector: Server;
let endpoint = "";
const collected: Collected[] = [];

beforeAll(async () => {
  collector = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => (text += chunk.toString()));
    request.on("end", () => {
      collected.push({ url: request.url ?? "", body: JSON.parse(text) as OtlpBody });
      response.setHeader("content-type", "application/json").end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/`;
});
afterAll(() => void collector.close());

async function sent(given: TracedExchange): Promise<readonly OtlpSpan[]> {
  collected.length = 0;
  const spans = openTraceExport({ endpoint, serviceName: "edge", version: "1.2.3" });
  spans.take(given);
  await spans.close();
  return collected.flatMap(({ body }) =>
    body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
  );
}

const attributesOf = ({ attributes }: { readonly attributes: readonly Attribute[] }) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

describe("what a collector gets of one exchange", () => {
  test("is a server span with the client's for its parent, and a client span for each attempt below it", async () => {
    const [server, first, second, ...more] = await sent(exchange);
    expect(more).toEqual([]);
    expect(collected[0]?.url).toBe("/v1/traces");
    expect(server).toMatchObject({ traceId, spanId: "00f067aa0ba902b7", parentSpanId: "b7ad6b7169203331" });
    expect(server).toMatchObject({ name: "GET", kind: 2 });
    for (const attempt of [first, second])
      expect(attempt).toMatchObject({ traceId, parentSpanId: "00f067aa0ba902b7", kind: 3 });
    expect(new Set([server, first, second].map((span) => span?.spanId)).size).toBe(3);
  });

  test("tells times to the microsecond", async () => {
    const [server, , second] = await sent(exchange);
    expect(server?.startTimeUnixNano).toBe("1700000000000250000");
    expect(server?.endTimeUnixNano).toBe("1700000000030750000");
    expect(second?.startTimeUnixNano).toBe("1700000000001250000");
  });

  test("is named by the conventions for HTTP", async () => {
    const [server, first, second] = await sent(exchange);
    if (!server || !first || !second) throw new Error("Cannot go on: spans are missing");
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
    const [resource] = collected[0]?.body.resourceSpans ?? [];
    expect(resource && attributesOf(resource.resource)).toMatchObject({
      "service.name": "edge",
      "service.version": "1.2.3",
    });
  });

  test("marks a refusal as an error with its reason, and does not let a client choose names", async () => {
    const refused = { ...exchange, method: "BREW", status: 503, reason: "no_upstream", attempts: [] };
    const [server, ...more] = await sent(refused);
    if (!server) throw new Error("Cannot go on: no span");
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
