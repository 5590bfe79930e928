import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { formatTraceparent, readTraceparent, tracer } from "../../src/proxy/trace-context.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const parentId = "b7ad6b7169203331";

describe("a traceparent", () => {
  for (const [text, isSampled] of [
    [`00-${traceId}-${parentId}-01`, true],
    [`00-${traceId}-${parentId}-00`, false],
    [`00-${traceId}-${parentId}-03`, true],
    [`cc-${traceId}-${parentId}-01-what-the-future-brings`, true],
  ] as const) {
    test(`${text} is valid`, () => {
      expect(readTraceparent(text)).toEqual({ traceId, parentId, isSampled });
    });
  }

  for (const text of [
    "",
    `ff-${traceId}-${parentId}-01`,
    `00-${traceId}-${parentId}-01-more`,
    `00-${traceId}-${parentId}-1`,
    `00-${traceId.toUpperCase()}-${parentId}-01`,
    `00-${"0".repeat(32)}-${parentId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    ` 00-${traceId}-${parentId}-01`,
    `cc-${traceId}-${parentId}-01.more`,
  ]) {
    test(`${JSON.stringify(text)} is invalid`, () => expect(readTraceparent(text)).toBeUndefined());
  }
});

describe("a tracer", () => {
  test("follows the client's sampling decision, regardless of the configured share", () => {
    const [never, always] = [tracer(0, seededRandom(1)), tracer(1, seededRandom(1))];
    expect(never(`00-${traceId}-${parentId}-01`)).toMatchObject({ traceId, parentId });
    expect(always(`00-${traceId}-${parentId}-00`)).toBeUndefined();
  });

  test("starts a trace for its share of other requests, also if the client's header is invalid", () => {
    const half = tracer(0.5, seededRandom(7));
    const traced = Array.from({ length: 2_000 }, (_, i) => half(i % 2 === 0 ? undefined : "nonsense"));
    const contexts = traced.filter((context) => context !== undefined);
    expect(contexts.length).toBeGreaterThan(900);
    expect(contexts.length).toBeLessThan(1_100);
    expect(new Set(contexts.map((context) => context.traceId)).size).toBe(contexts.length);
    expect(contexts.every(({ parentId: parent }) => parent === undefined)).toBe(true);
  });

  test("sends upstreams a well-formed traceparent with its own span as their parent", () => {
    const context = tracer(0, seededRandom(3))(`00-${traceId}-${parentId}-01`);
    if (!context) throw new Error("the request is not traced");
    const outgoing = readTraceparent(formatTraceparent(context));
    expect(outgoing).toEqual({ traceId, parentId: context.spanId, isSampled: true });
    expect(context.spanId).not.toBe(parentId);
  });

  test("generates ids that are not all zeros, even from a random source of zeros", () => {
    const context = tracer(1, () => 0)(undefined);
    expect(context && readTraceparent(formatTraceparent(context))).toBeDefined();
  });
});
