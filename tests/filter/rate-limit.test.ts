import { expect, test } from "bun:test";

import { limitKeyFor } from "../../src/filter/limit-key.ts";
import { createRateLimit, type RateLimitOptions } from "../../src/filter/rate-limit.ts";
import { RateLimiter, TableSpace } from "../../src/filter/rate-limiter.ts";
import { FilterMeter } from "../../src/metrics/filter-meter.ts";
import { requestOf, type RequestFields } from "./filtered-request.ts";

function limitOf(
  { burst, by = "client", missing = "client" }: { burst: number; by?: string; missing?: "client" | "refuse" },
  change: Partial<RateLimitOptions> = {},
): RateLimitOptions {
  const options = {
    clock: () => 1_000,
    perMs: 1 / 60_000,
    maxKeys: 64,
    space: new TableSpace(),
    onEviction() {},
  };
  return {
    limiter: new RateLimiter({ ...options, burst }),
    keyOf: limitKeyFor({ by, missing, ipv6Prefix: 64 }),
    identity: { place: "routes[0]", route: "shop", name: "default" },
    ...{ quota: burst, windowSeconds: burst * 60, headers: "refused", isDryRun: false },
    ...change,
  };
}

function setUp(...limits: RateLimitOptions[]) {
  const meter = new FilterMeter();
  const filter = createRateLimit(limits, meter);
  const ask = (fields: RequestFields = {}) => {
    const request = requestOf(fields);
    return { verdict: filter.admit(request), request };
  };
  const isRefused = (fields?: RequestFields) => ask(fields).verdict !== undefined;
  return { meter, ask, isRefused };
}

test("of several limits the first that is empty answers, and the others take nothing", () => {
  const [wide, narrow] = [limitOf({ burst: 3 }), limitOf({ burst: 1 })];
  const { ask, isRefused } = setUp(wide, { ...narrow, identity: { ...narrow.identity, name: "narrow" } });
  expect([isRefused(), isRefused(), isRefused(), isRefused()]).toEqual([false, true, true, true]);
  expect(wide.limiter.waitMs("c192.0.2.7")).toBe(0);
  wide.limiter.take();
  expect(wide.limiter.left).toBe(1);
  const { request } = ask();
  expect(request.responseEdit?.added).toEqual([
    ["Retry-After", "60"],
    ["RateLimit-Policy", '"narrow";q=1;w=60'],
    ["RateLimit", '"narrow";r=0;t=60'],
  ]);
});

test("a limit in dry run counts, refuses none, and does not stop the others", () => {
  const { isRefused, meter } = setUp(limitOf({ burst: 1 }, { isDryRun: true }), limitOf({ burst: 2 }));
  expect([isRefused(), isRefused(), isRefused()]).toEqual([false, false, true]);
  expect(meter.limits.map(({ mode, count }) => [mode, count])).toEqual([
    ["dry_run", 2],
    ["refused", 1],
  ]);
});

test("requests without the key are refused where the limit says so, without a time to wait", () => {
  const { ask } = setUp(limitOf({ burst: 5, by: "header:X-Api-Key", missing: "refuse" }));
  const { verdict, request } = ask();
  expect(verdict).toMatchObject({ reason: "rate_limited", status: 429 });
  expect(request.responseEdit).toBeUndefined();
  expect(ask({ headers: { "x-api-key": "k" } }).verdict).toBeUndefined();
});

test("a request without a key takes nothing from the request before it", () => {
  const limit = limitOf({ burst: 2, by: "header:X-Api-Key", missing: "refuse" }, { isDryRun: true });
  const { isRefused } = setUp(limit);
  expect([isRefused({ headers: { "x-api-key": "k" } }), isRefused(), isRefused()]).toEqual([
    false,
    false,
    false,
  ]);
  expect(limit.limiter.waitMs("vk")).toBe(0);
});

test("no fields where the limit wants none", () => {
  const { ask } = setUp(limitOf({ burst: 1 }, { headers: "none" }));
  ask();
  expect(ask().request.responseEdit?.added).toEqual([["Retry-After", "60"]]);
});

test("a dry run tells how long a limit has no request left, and takes nothing", () => {
  const meter = new FilterMeter();
  const filter = createRateLimit([limitOf({ burst: 2 })], meter);
  for (let i = 0; i < 5; i++)
    expect(filter.foresee?.(requestOf({}))).toEqual({
      verdict: "passes",
      why: "it is within the limits; nothing was taken",
    });
  for (let i = 0; i < 2; i++) expect(filter.admit(requestOf({}))).toBeUndefined();
  expect(filter.foresee?.(requestOf({}))).toEqual({
    verdict: "answers",
    refusal: "rate_limited",
    why: "the limit default has no request left for 60 s",
  });
  expect(filter.admit(requestOf({}))).toBeDefined();
  const elsewhere = createRateLimit([limitOf({ burst: 2 })], meter, true);
  expect(elsewhere.foresee?.(requestOf({}))?.verdict).toBe("unknown");
});
