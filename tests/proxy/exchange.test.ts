import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { policyEntry } from "../../src/policy/policies.ts";
import type { Attempt } from "../../src/pool/attempt.ts";
import { failure, type FailurePhase, type FailureReason, completed } from "../../src/pool/outcome.ts";
import { Pool } from "../../src/pool/pool.ts";
import type { Upstream } from "../../src/pool/upstream.ts";
import { Exchange } from "../../src/proxy/exchange.ts";
import type { Wait } from "../../src/proxy/queue.ts";
import type { RequestHead } from "../../src/proxy/request-head.ts";
import type { RetryVeto, Refusal } from "../../src/proxy/refusal.ts";
import { Queue } from "../../src/proxy/queue.ts";
import { RetryBudget } from "../../src/proxy/retry-budget.ts";
import type { Destination } from "../../src/proxy/route.ts";
import { createPoolFixture } from "../support/pool-fixture.ts";
import { FakeTime } from "../support/fake-time.ts";
import { testTimeouts } from "../support/engine-fixture.ts";
import { endedWith, goodRecord } from "../support/records.ts";
import { routeTable, routeTo } from "../support/routes.ts";
import { upstreamsOf } from "../support/upstreams.ts";

function headOf(method = "GET", target = "/"): RequestHead {
  return {
    method,
    target,
    host: "a.example",
    clientAddress: "192.0.2.1",
    peerAddress: "192.0.2.1",
    scheme: "http",
    listener: "main",
    header: () => undefined,
  };
}

function setUp(count: number, rules: Partial<Destination> = {}) {
  const random = seededRandom(5);
  const policy = policyEntry("round-robin").create({ random, clock: () => 0 });
  const upstreams = upstreamsOf(Array.from({ length: count }, () => 1));
  const pool = new Pool({ name: "main", policy, upstreams, random, clock: () => 1 });
  for (const upstream of upstreams) pool.recordProbe(upstream, true);
  const events: string[] = [];
  const table = routeTable([
    { path: "/", destination: { pool, timeouts: testTimeouts, retries: 1, ...rules } },
  ]);
  const exchange = new Exchange({
    routes: () => table,
    clock: () => 1,
    observer: {
      attemptEnded: ({ upstream }, outcome) => events.push(`${upstream.id} ${outcome.kind}`),
      retried: (name, { reason }) => events.push(`${name} retried ${reason}`),
      hedged: (name, result) => events.push(`${name} hedge ${result}`),
      notRetried: (name, _, veto) => events.push(`${name} not retried ${veto}`),
      refused: (name, { reason, status }) => events.push(`${name} refused ${reason} ${status}`),
    },
  });
  return { exchange, pool, upstreams, events };
}

function attemptOf(step: Attempt | Refusal | Wait): Attempt {
  if (step.kind !== "attempt") throw new Error(step.kind === "wait" ? "a wait" : `a refusal: ${step.reason}`);
  return step;
}

interface Row {
  readonly method?: string;
  readonly phase: FailurePhase;
  readonly reason: FailureReason;
  readonly replayable?: boolean;
  readonly upstreams?: number;
  readonly retries?: number;
  /** Undefined if another attempt follows. */
  readonly notRetried?: RetryVeto;
}

const rows: readonly Row[] = [
  { phase: "connect", reason: "connect_refused" },
  { method: "POST", phase: "connect", reason: "connect_refused" },
  {
    method: "POST",
    phase: "connect",
    reason: "connect_refused",
    replayable: false,
    notRetried: "body_not_replayable",
  },
  { phase: "head", reason: "upstream_reset" },
  { method: "PUT", phase: "head", reason: "upstream_reset" },
  { method: "DELETE", phase: "head", reason: "head_timeout" },
  { method: "POST", phase: "head", reason: "upstream_reset", notRetried: "method_not_idempotent" },
  { method: "PATCH", phase: "head", reason: "upstream_reset", notRetried: "method_not_idempotent" },
  { method: "get", phase: "head", reason: "upstream_reset", notRetried: "method_not_idempotent" },
  { phase: "body", reason: "body_truncated", notRetried: "answer_begun" },
  { phase: "head", reason: "head_invalid" },
  { phase: "head", reason: "answer_refused", notRetried: "answer_refused" },
  { phase: "connect", reason: "connect_refused", upstreams: 1, notRetried: "no_other_upstream" },
  { phase: "connect", reason: "connect_refused", retries: 0, notRetried: "retries_spent" },
];

describe("an exchange", () => {
  for (const {
    method = "GET",
    phase,
    reason,
    replayable = true,
    upstreams = 3,
    retries = 1,
    notRetried,
  } of rows) {
    const when = `${method} failed in phase ${phase}, body ${replayable ? "" : "not "}replayable, ${upstreams} upstreams, ${retries} retries`;
    test(`${notRetried ? `stops (${notRetried})` : "retries on another upstream"} when ${when}`, () => {
      const { exchange, events } = setUp(upstreams, { retries });
      const first = attemptOf(exchange.open(headOf(method)).next());
      const { id } = first.upstream;
      const failed = failure(phase, reason);
      first.end(failed);
      const step = exchange.retryAfter(failed, replayable);
      if (notRetried === undefined) {
        expect(attemptOf(step).upstream.id).not.toBe(id);
        expect(events).toEqual([`${id} failure`, `main retried ${reason}`]);
      } else {
        expect(step).toMatchObject({ kind: "refusal", reason, notRetried });
        expect(events.at(-1)).toStartWith(`main refused ${reason}`);
      }
    });
  }

  test("retries at most as often as configured, each time on another upstream", () => {
    const { exchange } = setUp(5, { retries: 2 });
    const failed = failure("connect", "connect_refused");
    let step: Attempt | Refusal | Wait = exchange.open(headOf()).next();
    const tried = new Set<string>();
    while (step.kind === "attempt") {
      tried.add(step.upstream.id);
      step.end(failed);
      step = exchange.retryAfter(failed, true);
    }
    expect(tried.size).toBe(3);
    expect(step).toMatchObject({ reason: "connect_refused", status: 502, notRetried: "retries_spent" });
  });

  test("refuses with no_upstream when no upstream is available, and with no_route when no route matches", () => {
    const { exchange, pool, upstreams } = setUp(1);
    for (const upstream of upstreams) pool.setMode(upstream, "maintenance");
    expect(exchange.open(headOf()).next()).toMatchObject({ reason: "no_upstream", status: 503 });
    expect(exchange.open(headOf("GET", "*")).next()).toMatchObject({ reason: "no_route", status: 404 });
  });

  test("starts over when it is reused", () => {
    const { exchange } = setUp(2);
    const failed = failure("connect", "connect_refused");
    for (let i = 0; i < 5; i++) {
      attemptOf(exchange.open(headOf()).next()).end(failed);
      attemptOf(exchange.retryAfter(failed, true)).end({ kind: "response" });
    }
  });
});

describe("an exchange with a retry budget", () => {
  /** A budget for one retry in total. */
  const small = () => new RetryBudget({ share: 0, perSecond: 0.1 }, () => 1);

  function failOnce(exchange: Exchange, failed = failure("head", "upstream_reset")): Attempt | Refusal {
    attemptOf(exchange.open(headOf()).next()).end(failed);
    return exchange.retryAfter(failed, true);
  }

  test("stops when it is exhausted, and reports that", () => {
    const { exchange, events } = setUp(3, { retryBudget: small() });
    attemptOf(failOnce(exchange)).end(completed);
    expect(failOnce(exchange)).toMatchObject({ reason: "upstream_reset", notRetried: "retry_budget" });
    expect(events).toContain("main not retried retry_budget");
  });

  test("withdraws nothing if nothing was sent", () => {
    const retryBudget = small();
    const { exchange } = setUp(3, { retryBudget });
    for (let i = 0; i < 10; i++)
      attemptOf(failOnce(exchange, failure("connect", "connect_timeout"))).end(completed);
    expect(retryBudget.balance).toBe(1);
  });

  test("withdraws nothing if there is no other upstream", () => {
    const retryBudget = small();
    const { exchange } = setUp(1, { retryBudget });
    expect(failOnce(exchange)).toMatchObject({ notRetried: "no_other_upstream" });
    expect(retryBudget.balance).toBe(1);
  });

  test("deposits with each request that reaches the pool", () => {
    const retryBudget = new RetryBudget({ share: 0.5, perSecond: 0 }, () => 1);
    const { exchange } = setUp(1, { retryBudget });
    for (let i = 0; i < 6; i++) attemptOf(exchange.open(headOf()).next()).end(completed);
    expect(retryBudget.balance).toBe(3);
  });
});

describe("an exchange with retry statuses", () => {
  const retryStatuses = new Set([503]);
  const rows: readonly (readonly [status: number, method: string, replayable: boolean, goesOn: boolean])[] = [
    [503, "GET", true, true],
    [503, "PUT", true, true],
    [503, "POST", true, false],
    [503, "GET", false, false],
    [502, "GET", true, false],
    [200, "GET", true, false],
  ];
  for (const [status, method, replayable, isRetried] of rows) {
    test(`${isRetried ? "retries" : "forwards the response"} after ${status} to ${method}, body ${replayable ? "" : "not "}replayable`, () => {
      const { exchange, upstreams, events } = setUp(3, { retryStatuses });
      const first = attemptOf(exchange.open(headOf(method)).next());
      const { id } = first.upstream;
      first.responseStarted(status);
      const step = exchange.responseReceived(status, replayable);
      expect(upstreams.reduce((sum, { inFlight }) => sum + inFlight, 0)).toBe(1);
      if (!isRetried) return expect(step).toBe("pass");
      expect(step).toBe(first);
      expect(first.upstream.id).not.toBe(id);
      expect(events).toEqual([`${id} response`, `main retried status_${status}`]);
    });
  }

  test("forwards the response of the last attempt", () => {
    const { exchange } = setUp(3, { retryStatuses });
    attemptOf(exchange.open(headOf()).next()).responseStarted(503);
    expect(exchange.responseReceived(503, true)).not.toBe("pass");
    expect(exchange.responseReceived(503, true)).toBe("pass");
  });

  test("uses the held response when the next attempt fails, and reports no refusal", () => {
    const { exchange, events } = setUp(3, { retryStatuses });
    attemptOf(exchange.open(headOf()).next()).responseStarted(503);
    const second = exchange.responseReceived(503, true);
    if (second === "pass") throw new Error("the response was forwarded");
    const failed = failure("connect", "connect_refused");
    second.end(failed);
    expect(exchange.retryAfter(failed, true)).toMatchObject({
      usesHeldResponse: true,
      status: 503,
      notRetried: "retries_spent",
    });
    expect(events.filter((line) => line.includes("refused connect_refused"))).toEqual([]);
    attemptOf(exchange.open(headOf()).next()).end(failed);
    attemptOf(exchange.retryAfter(failed, true)).end(failed);
    expect(exchange.retryAfter(failed, true)).toMatchObject({ status: 502 });
  });

  test("stays within the budget", () => {
    const retryBudget = new RetryBudget({ share: 0, perSecond: 0 }, () => 1);
    const { exchange, events } = setUp(3, { retryStatuses, retryBudget });
    attemptOf(exchange.open(headOf()).next()).responseStarted(503);
    expect(exchange.responseReceived(503, true)).toBe("pass");
    expect(events).toEqual(["main not retried retry_budget"]);
  });
});

describe("an exchange with limits", () => {
  test("refuses a body by its Content-Length before anything is counted, and checks streamed bodies", () => {
    const retryBudget = new RetryBudget({ share: 1, perSecond: 0 }, () => 1);
    const { exchange } = setUp(1, { maxRequestBodyBytes: 100, retryBudget });
    const withLength = (length: string) => ({ ...headOf("POST"), header: () => length });
    expect(exchange.open(withLength("101")).next()).toMatchObject({
      reason: "request_too_large",
      status: 413,
    });
    expect(retryBudget.balance).toBe(0);
    attemptOf(exchange.open(withLength("100")).next()).end(completed);
    expect(exchange.allowsBodySize(100)).toBe(true);
    expect(exchange.allowsBodySize(101)).toBe(false);
  });

  test("refuses with queue_full when all available upstreams are full", () => {
    const { exchange, upstreams, pool } = setUp(2);
    for (const upstream of upstreams) Object.assign(upstream, { maxInFlight: 0 });
    pool.setMode(upstreams[0] as Upstream, "draining");
    expect(exchange.open(headOf()).next()).toMatchObject({ reason: "queue_full", status: 503 });
    pool.setMode(upstreams[1] as Upstream, "draining");
    expect(exchange.open(headOf()).next()).toMatchObject({ reason: "no_upstream", status: 503 });
  });
});

describe("a request that waits on an upstream that went down", () => {
  const failing = (pool: Pool, upstream: Upstream) => {
    for (let i = 0; i < 3; i++) pool.recordProbe(upstream, false);
  };

  test("is rescued to an upstream that is up, without using a retry", () => {
    const { exchange, pool, events } = setUp(3);
    const { upstream } = attemptOf(exchange.open(headOf()).next());
    failing(pool, upstream);
    const moved = exchange.rescue(true);
    expect(moved?.upstream).not.toBe(upstream);
    expect(events).toEqual([`${upstream.id} failure`, "main retried rescued"]);
    expect(upstream.inFlight).toBe(0);
    const failed = failure("head", "upstream_reset");
    moved?.end(failed);
    expect(attemptOf(exchange.retryAfter(failed, true)).upstream.isDown).toBe(false);
  });

  for (const [name, rules, isReplayable] of [
    ["its method is not idempotent", { method: "POST" }, true],
    ["its body cannot be sent again", {}, false],
    ["there is no other upstream", { upstreams: 1 }, true],
    ["the pool has no retries", { retries: 0 }, true],
  ] as const satisfies readonly (readonly [string, object, boolean])[]) {
    test(`is not rescued if ${name}`, () => {
      const { method = "GET", upstreams = 3, retries = 1 } = rules as Partial<Row>;
      const { exchange, pool, events } = setUp(upstreams, { retries });
      const attempt = attemptOf(exchange.open(headOf(method)).next());
      failing(pool, attempt.upstream);
      expect(exchange.rescue(isReplayable)).toBeUndefined();
      expect(attempt.isWaiting).toBe(true);
      expect(events).toEqual([]);
    });
  }

  test("two hundred that wait on one upstream are all rescued after the retries are exhausted, but not endlessly", () => {
    const budget = new RetryBudget({ share: 0, perSecond: 0 }, () => 1);
    expect(budget.tryWithdraw()).toBe(false);
    for (let i = 0; i < 200; i++) expect(budget.tryWithdrawRescue()).toBe(true);
    for (let i = 0; i < 100; i++) budget.tryWithdrawRescue();
    expect(budget.tryWithdrawRescue()).toBe(false);
    const workersShare = new RetryBudget({ share: 0, perSecond: 0, rescues: 3 }, () => 1);
    workersShare.deposit();
    const allowed = [1, 2, 3, 4, 5].map(() => workersShare.tryWithdrawRescue());
    expect(allowed).toEqual([true, true, true, true, false]);
  });
});

describe("a request that waits long", () => {
  const hedging = (rules: Partial<Destination> = {}, count = 3) => {
    const setup = setUp(count, { mayHedge: true, ...rules });
    return { ...setup, first: attemptOf(setup.exchange.open(headOf()).next()) };
  };

  test("gets one second attempt on another upstream in addition to its retries, and the first response wins", () => {
    const { exchange, first, events } = hedging();
    const second = exchange.hedge(true);
    expect(second?.upstream).not.toBe(first.upstream);
    expect(exchange.hedge(true)).toBeUndefined();
    const failed = failure("head", "upstream_reset");
    second?.end(failed);
    expect(exchange.retryAfter(failed, true)).toBe(first);
    first.end(failed);
    const third = attemptOf(exchange.retryAfter(failed, true));
    third.responseStarted(200);
    exchange.commit(third);
    third.end(completed);
    exchange.reset();
    expect(events.filter((line) => line.startsWith("main"))).toEqual([
      "main retried hedged",
      "main retried upstream_reset",
      "main hedge lost",
    ]);
  });

  test("leaves nothing behind that frees a later request's status retry from the budget", () => {
    const retryBudget = new RetryBudget({ share: 0, perSecond: 0.1 }, () => 1);
    const { exchange, first } = hedging({ retryBudget, retryStatuses: new Set([503]) });
    const second = exchange.hedge(true) as Attempt;
    first.end(failure("head", "upstream_reset"));
    second.responseStarted(200);
    second.end(completed);
    exchange.close({ ...endedWith(goodRecord), status: 200 });
    // The hedge paid with the only retry. Its upstream is ejected afterwards.
    const { upstream: ejected } = second;
    ejected.outlier.ejectUnresponsive(1);
    let next = attemptOf(exchange.open(headOf()).next());
    if (next.upstream === ejected) {
      next.end(completed);
      next = attemptOf(exchange.open(headOf()).next());
    }
    expect(next.upstream).not.toBe(ejected);
    next.responseStarted(503);
    expect(exchange.responseReceived(503, true)).toBe("pass");
  });

  test("judges a status retry by the attempt that got the status, not by a hedge that ended before", () => {
    const retryBudget = new RetryBudget({ share: 0, perSecond: 0.1 }, () => 1);
    const { exchange, first } = hedging({ retryBudget, retryStatuses: new Set([503]) });
    const second = exchange.hedge(true) as Attempt;
    second.end(failure("head", "upstream_reset"));
    second.upstream.outlier.ejectUnresponsive(1);
    expect(exchange.retryAfter(failure("head", "upstream_reset"), true)).toBe(first);
    first.responseStarted(503);
    expect(exchange.responseReceived(503, true)).toBe("pass");
  });

  test("reports a won hedge when only the second attempt remains", () => {
    const { exchange, first, events } = hedging();
    const second = exchange.hedge(true) as Attempt;
    const failed = failure("head", "upstream_reset");
    first.end(failed);
    expect(exchange.retryAfter(failed, true)).toBe(second);
    second.responseStarted(200);
    exchange.commit(second);
    second.end(completed);
    expect(events.at(-2)).toBe("main hedge won");
    const next = attemptOf(exchange.open(headOf()).next());
    next.responseStarted(200);
    next.end(completed);
    exchange.reset();
    expect(events.filter((line) => line.includes("hedge "))).toEqual(["main hedge won"]);
  });

  for (const [name, forbid] of [
    ["the pool does not hedge", () => hedging({ mayHedge: false })],
    ["there is no other upstream", () => hedging({}, 1)],
    [
      "the budget is exhausted",
      () => hedging({ retryBudget: new RetryBudget({ share: 0, perSecond: 0 }, () => 1) }),
    ],
    ["its body cannot be sent again", () => ({ ...hedging(), isReplayable: false })],
    [
      "other requests are queued",
      () => {
        const { clock, schedule } = new FakeTime();
        const limits = { maxWaiting: 2, timeoutMs: 5_000, whenNoneFit: false };
        const queue = new Queue({ pool: setUp(1).pool, limits, clock, schedule });
        const setup = hedging({ queue });
        queue.enqueue({ tryToLeave: () => false, queueTimedOut() {} });
        return setup;
      },
    ],
    [
      "the others are full",
      () => {
        const setup = hedging();
        for (const upstream of setup.upstreams) setup.pool.setLimits(upstream, { maxInFlight: 0 });
        return setup;
      },
    ],
    [
      "the others are backups",
      () => {
        const setup = hedging();
        for (const upstream of setup.upstreams)
          setup.pool.adjust(upstream, { weight: 1, backup: upstream !== setup.first.upstream });
        return setup;
      },
    ],
  ] as const) {
    test(`is not hedged if ${name}`, () => {
      const { exchange, first, isReplayable } = { isReplayable: true, ...forbid() };
      expect(exchange.hedge(isReplayable)).toBeUndefined();
      expect(first.isWaiting).toBe(true);
    });
  }

  test("is not hedged if it is a POST", () => {
    const { exchange } = setUp(3, { mayHedge: true });
    attemptOf(exchange.open(headOf("POST")).next());
    expect(exchange.hedge(true)).toBeUndefined();
  });
});

describe("a request that finds no slot", () => {
  function full(limits: { maxWaiting?: number; whenNoneFit?: boolean } = {}, refused = () => {}) {
    const time = new FakeTime();
    const { pool, upstreams, startAttempt } = createPoolFixture({
      weights: [1, 1],
      limits: { maxInFlight: 1 },
    });
    const queue = new Queue({
      pool,
      clock: time.clock,
      schedule: time.schedule,
      limits: { maxWaiting: 2, timeoutMs: 5_000, whenNoneFit: false, ...limits },
    });
    const events: string[] = [];
    const observer = { attemptEnded() {}, retried() {}, notRetried() {}, hedged() {}, refused };
    const destination = { pool, timeouts: testTimeouts, retries: 1, queue };
    const send = (name: string) => {
      const exchange = new Exchange({ routes: () => routeTo(destination), clock: time.clock, observer });
      const step = exchange.open(headOf()).next();
      if (step.kind !== "wait") events.push(`${name} ${step.kind === "refusal" ? step.reason : "at once"}`);
      else
        exchange.park({
          resume: (turn) => events.push(`${name} ${turn.kind === "refusal" ? turn.reason : "served"}`),
          failed: (bug) => events.push(`${name} ${String(bug)}`),
        });
      return exchange;
    };
    const held = upstreams.map((upstream) => startAttempt(upstream));
    return { time, pool, upstreams, queue, events, send, held, startAttempt };
  }

  test("waits for one in FIFO order, behind earlier requests", async () => {
    const { time, events, send, held, queue } = full();
    send("first");
    send("second");
    expect(queue.size).toBe(2);
    held[0]?.end(completed);
    send("third");
    await time.advance(0);
    expect(events).toEqual(["third queue_full", "first served"]);
    held[1]?.end(completed);
    send("fourth");
    await time.advance(0);
    expect(events).toEqual(["third queue_full", "first served", "second served"]);
    expect(queue.size).toBe(1);
  });

  test("is refused after the queue timeout, even if the refusal of another request throws", async () => {
    const { time, events, send, queue } = full();
    const faulty = send("faulty");
    faulty.park({
      resume() {
        throw new Error("a bug for the test");
      },
      failed() {},
    });
    send("late");
    expect(await time.advance(5_100).catch(String)).toBe("Error: a bug for the test");
    await time.advance(200);
    expect([events, queue.size, time.waits]).toEqual([["late queue_timeout"], 0, []]);
  });

  test("leaves the queue if a bug throws on its turn, receives the bug, and does not block requests behind it", async () => {
    const { time, events, send, held, pool, queue } = full();
    send("unlucky");
    send("next");
    let isLeft = true;
    pool.setPolicy({
      pick(available) {
        const [first] = available;
        if (!isLeft && first) return first;
        isLeft = false;
        throw new Error("a bug for the test");
      },
    });
    held[0]?.end(completed);
    await time.advance(0);
    expect(events).toEqual(["unlucky Error: a bug for the test", "next served"]);
    expect(queue.size).toBe(0);
  });

  test.each([
    ["when no upstream is left", 100],
    ["after the queue timeout", 5_100],
  ])("receives a bug thrown while it is refused %s", async (_, waitMs) => {
    const { time, events, send, pool, upstreams, queue } = full({}, () => {
      throw new Error("a bug for the test");
    });
    send("unlucky");
    if (waitMs === 100) for (const upstream of upstreams) pool.setMode(upstream, "maintenance");
    await time.advance(waitMs);
    expect([events, queue.size]).toEqual([["unlucky Error: a bug for the test"], 0]);
  });

  test("is refused after the queue timeout, and the queue then needs no timer", async () => {
    const { time, events, send } = full();
    send("late");
    await time.advance(4_900);
    expect(events).toEqual([]);
    await time.advance(200);
    expect(events).toEqual(["late queue_timeout"]);
    expect(time.waits).toEqual([]);
  });

  test("is dropped when its client disconnects", async () => {
    const { time, events, send, held, queue } = full();
    send("gone").reset();
    expect(queue.size).toBe(0);
    send("next");
    held[0]?.end(completed);
    await time.advance(6_000);
    expect(events).toEqual(["next served"]);
  });

  test("is refused when no upstream is left", async () => {
    const { time, events, send, pool, upstreams } = full();
    send("early");
    for (const upstream of upstreams) pool.setMode(upstream, "maintenance");
    await time.advance(100);
    send("later");
    expect(events).toEqual(["early no_upstream", "later no_upstream"]);
  });

  test("waits for an upstream to become available if that is configured", async () => {
    const { time, events, send, pool, upstreams, held } = full({ whenNoneFit: true });
    for (const attempt of held) attempt.end(completed);
    for (const upstream of upstreams) for (let i = 0; i < 3; i++) pool.recordProbe(upstream, false);
    send("patient");
    await time.advance(1_000);
    expect(events).toEqual([]);
    const [a] = upstreams;
    for (let i = 0; i < 2; i++) if (a) pool.recordProbe(a, true);
    await time.advance(0);
    expect(events).toEqual(["patient served"]);
  });
});
