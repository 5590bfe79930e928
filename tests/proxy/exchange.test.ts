import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { policyEntry } from "../../src/policy/policies.ts";
import type { Attempt } from "../../src/pool/attempt.ts";
import { failure, type FailurePhase, type FailureReason } from "../../src/pool/outcome.ts";
import { Pool } from "../../src/pool/pool.ts";
import { Exchange } from "../../src/proxy/exchange.ts";
import type { Head } from "../../src/proxy/head.ts";
import type { NotRetried, Refusal } from "../../src/proxy/refusal.ts";
import { testTimeouts } from "../support/stage.ts";
import { upstreamsOf } from "../support/upstreams.ts";

function headOf(method = "GET", target = "/"): Head {
  return {
    method,
    target,
    host: "a.example",
    clientAddress: "192.0.2.1",
    scheme: "http",
    header: () => undefined,
  };
}

function setUp(count: number, retries = 1) {
  const random = seededRandom(5);
  const policy = policyEntry("round-robin").create({ random, clock: () => 0 });
  const upstreams = upstreamsOf(Array.from({ length: count }, () => 1));
  const pool = new Pool({ name: "main", policy, upstreams, random, clock: () => 1 });
  for (const upstream of upstreams) pool.recordProbe(upstream, true);
  const heard: string[] = [];
  const exchange = new Exchange({
    routes: () => [{ path: "/", destination: { pool, timeouts: testTimeouts, retries } }],
    clock: () => 1,
    observer: {
      attemptEnded: ({ upstream }, outcome) => heard.push(`${upstream.id} ${outcome.kind}`),
      retried: (name, { reason }) => heard.push(`${name} retried ${reason}`),
      notRetried: () => {},
      refused: (name, { reason, status }) => heard.push(`${name} refused ${reason} ${status}`),
    },
  });
  return { exchange, pool, upstreams, heard };
}

function attemptOf(step: Attempt | Refusal): Attempt {
  if (step.kind !== "attempt") throw new Error(`a refusal: ${step.reason}`);
  return step;
}

interface Row {
  readonly method?: string;
  readonly phase: FailurePhase;
  readonly reason: FailureReason;
  readonly replayable?: boolean;
  readonly upstreams?: number;
  readonly retries?: number;
  /** Undefined where another attempt follows. */
  readonly notRetried?: NotRetried;
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
    test(`${notRetried ? `stops (${notRetried})` : "tries elsewhere"} when ${when}`, () => {
      const { exchange, heard } = setUp(upstreams, retries);
      const first = attemptOf(exchange.open(headOf(method)).next());
      const { id } = first.upstream;
      const failed = failure(phase, reason);
      first.end(failed);
      exchange.isReplayable = replayable;
      const step = exchange.again(failed);
      if (notRetried === undefined) {
        expect(attemptOf(step).upstream.id).not.toBe(id);
        expect(heard).toEqual([`${id} failure`, `main retried ${reason}`]);
      } else {
        expect(step).toMatchObject({ kind: "refusal", reason, notRetried });
        expect(heard.at(-1)).toStartWith(`main refused ${reason}`);
      }
    });
  }

  test("tries at most as often as configured, each time elsewhere", () => {
    const { exchange } = setUp(5, 2);
    const failed = failure("connect", "connect_refused");
    let step: Attempt | Refusal = exchange.open(headOf()).next();
    const tried = new Set<string>();
    while (step.kind === "attempt") {
      tried.add(step.upstream.id);
      step.end(failed);
      step = exchange.again(failed);
    }
    expect(tried.size).toBe(3);
    expect(step).toMatchObject({ reason: "connect_refused", status: 502, notRetried: "retries_spent" });
  });

  test("refuses with no_upstream when none is fit, and with no_route when none matches", () => {
    const { exchange, pool, upstreams } = setUp(1);
    for (const upstream of upstreams) pool.setMode(upstream, "maintenance");
    expect(exchange.open(headOf()).next()).toMatchObject({ reason: "no_upstream", status: 503 });
    expect(exchange.open(headOf("GET", "*")).next()).toMatchObject({ reason: "no_route", status: 404 });
  });

  test("begins anew when it is reused", () => {
    const { exchange } = setUp(2);
    const failed = failure("connect", "connect_refused");
    for (let i = 0; i < 5; i++) {
      attemptOf(exchange.open(headOf()).next()).end(failed);
      attemptOf(exchange.again(failed)).end({ kind: "response" });
    }
  });
});
