/** A pool on a fake clock, with attempts that tests end themselves: the domain without an engine. */

import { defaults } from "../../src/config/config.ts";
import { type Random, seededRandom } from "../../src/lib/random.ts";
import { type BuiltInPolicy, policyEntry } from "../../src/policy/policies.ts";
import { Attempt } from "../../src/pool/attempt.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { cancelled, failure, type Outcome, completed } from "../../src/pool/outcome.ts";
import type { OutlierLimits } from "../../src/pool/outlier-detector.ts";
import { Pool } from "../../src/pool/pool.ts";
import { Upstream, type UpstreamLimits } from "../../src/pool/upstream.ts";
import { testLimits } from "./upstreams.ts";

/** The configuration's defaults. */
export const outlierLimits: OutlierLimits = defaults.pool.outlier;

export interface PoolFixtureOptions {
  readonly weights?: readonly number[];
  /** The indexes of the backups. */
  readonly backups?: readonly number[];
  readonly policy?: BuiltInPolicy;
  readonly limits?: Partial<UpstreamLimits>;
  readonly maxEjectedShare?: number;
  /** Whether every upstream starts with one passed probe. Default true. */
  readonly isProbed?: boolean;
  readonly seed?: number;
}

export interface PoolFixture {
  readonly now: { ms: number };
  readonly random: Random;
  readonly pool: Pool;
  readonly upstreams: readonly Upstream[];
  /** Calls of the pool's observer: "a up→ejected consecutive_failures", "panic true". */
  readonly changes: string[];
  /** Starts an attempt. */
  startAttempt(upstream: Upstream): Attempt;
  /** Starts an attempt and ends it at once. */
  runAttempt(upstream: Upstream | undefined, signal: "ok" | "bad" | "gone"): void;
  /** The ids of a list, joined. */
  ids(list: readonly Upstream[]): string;
}

const outcomes: Readonly<Record<"ok" | "bad" | "gone", Outcome>> = {
  ok: completed,
  bad: failure("head", "upstream_reset"),
  gone: cancelled,
};

export function createPoolFixture(options: PoolFixtureOptions = {}): PoolFixture {
  const { weights = [1, 1, 1], backups = [], seed = 1 } = options;
  const now = { ms: 1_000 };
  const random = seededRandom(seed);
  const clock = () => now.ms;
  const limits = {
    ...testLimits,
    outlier: outlierLimits,
    slowStartMs: 30_000,
    maxInFlight: 256,
    ...options.limits,
  };
  const address = { protocol: "http", hostname: "127.0.0.1", port: 1 } as const;
  const upstreams = weights.map((weight, i) => {
    const id = weights.length <= 26 ? String.fromCharCode(97 + i) : `u${i}`;
    return new Upstream({ id, address, weight, backup: backups.includes(i) }, limits);
  });
  const changes: string[] = [];
  const pool = new Pool({
    name: "main",
    policy: policyEntry(options.policy ?? "round-robin").create({ random, clock }),
    upstreams,
    random,
    clock,
    maxEjectedShare: options.maxEjectedShare ?? 0.5,
    observer: {
      outlierChanged: (_, { upstream, from, to, reason }) =>
        changes.push(`${upstream.id} ${from}→${to} ${reason}`),
      panicChanged: (_, isPanicking) => changes.push(`panic ${isPanicking}`),
    },
  });
  if (options.isProbed !== false) for (const upstream of upstreams) pool.recordProbe(upstream, true);
  const startAttempt = (upstream: Upstream) => {
    const attempt = new Attempt(clock, { attemptEnded() {} }, httpResponseClassifier);
    attempt.start(upstream, pool);
    return attempt;
  };
  const runAttempt: PoolFixture["runAttempt"] = (upstream, signal) => {
    if (!upstream) throw new Error("no upstream was selected");
    const attempt = startAttempt(upstream);
    if (signal === "ok") attempt.responseStarted(200);
    attempt.end(outcomes[signal]);
  };
  return {
    now,
    random,
    pool,
    upstreams,
    changes,
    startAttempt,
    runAttempt,
    ids: (list) => list.map(({ id }) => id).join(""),
  };
}
