/** `bun tests/bench/pool.ts`: the cost of selecting an upstream, with few and many upstreams, with free slots and at the limit. */

import { seededRandom } from "../../src/lib/random.ts";
import { type BuiltInPolicy, policyEntry } from "../../src/policy/policies.ts";
import { Attempt } from "../../src/pool/attempt.ts";
import { httpResponseClassifier } from "../../src/proxy/response-class.ts";
import { completed } from "../../src/pool/outcome.ts";
import { Pool } from "../../src/pool/pool.ts";
import { Upstream } from "../../src/pool/upstream.ts";
import { outlierLimits } from "../support/pool-fixture.ts";

const rounds = 300_000;

function poolOf(count: number, policy: BuiltInPolicy, maxInFlight: number): Pool {
  const clock = () => performance.now();
  const random = seededRandom(1);
  const address = { protocol: "http", hostname: "127.0.0.1", port: 1 } as const;
  const limits = { rise: 2, fall: 3, outlier: outlierLimits, slowStartMs: 30_000, maxInFlight };
  const upstreams = Array.from({ length: count }, (_, i) => {
    return new Upstream({ id: `u${i}`, address, weight: 1, backup: false }, limits);
  });
  const created = policyEntry(policy).create({ random, clock });
  const pool = new Pool({ name: "main", policy: created, upstreams, random, clock, maxEjectedShare: 0.5 });
  for (const upstream of upstreams) pool.recordProbe(upstream, true);
  return pool;
}

/** Nanoseconds to select an upstream and to start, respond and end an attempt, with `load` attempts in flight. */
function measure(pool: Pool, load: number): number {
  const observer = { attemptEnded() {} };
  const open = Array.from(
    { length: load },
    () => new Attempt(() => performance.now(), observer, httpResponseClassifier),
  );
  for (const attempt of open) {
    const chosen = pool.select("", []);
    if (!chosen) throw new Error("Cannot start the load: it exceeds the pool's capacity");
    attempt.start(chosen, pool);
  }
  const dice = seededRandom(2);
  const run = (count: number) => {
    const startedAt = performance.now();
    for (let i = 0; i < count; i++) {
      const attempt = open[Math.floor(dice() * load)] as Attempt;
      attempt.responseStarted(200);
      attempt.end(completed);
      const chosen = pool.select("", []);
      if (!chosen) throw new Error("Cannot select an upstream: all are full");
      attempt.start(chosen, pool);
    }
    return ((performance.now() - startedAt) * 1e6) / count;
  };
  run(rounds / 10);
  return run(rounds);
}

for (const policy of ["round-robin", "p2c", "random"] as const) {
  for (const count of [3, 1_000]) {
    const room = measure(poolOf(count, policy, 256), count);
    const nearlyFull = measure(poolOf(count, policy, 2), 2 * count - 1);
    const costs = `${Math.round(room)} ns with free slots, ${Math.round(nearlyFull)} ns with one free slot`;
    console.log(`${policy.padEnd(12)} ${String(count).padStart(5)} upstreams: ${costs}`);
  }
}
const many = poolOf(1_000, "round-robin", 256);
const some = many.upstreams[0] as Upstream;
const startedAt = performance.now();
for (let i = 0; i < 500; i++) {
  many.setMode(some, i % 2 === 0 ? "draining" : "ready");
  many.select("", []);
}
console.log(
  `rebuild after a change among 1,000 upstreams: ${Math.round(((performance.now() - startedAt) * 1_000) / 500)} µs`,
);
