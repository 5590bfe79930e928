/** Pools with real upstreams behind them, for tests whose routes lead to several pools. */

import { systemClock } from "../../src/lib/clock.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { type BuiltInPolicy, policyEntry } from "../../src/policy/policies.ts";
import { Pool } from "../../src/pool/pool.ts";
import { Upstream, type UpstreamLimits } from "../../src/pool/upstream.ts";
import type { Destination } from "../../src/proxy/route.ts";
import { testTimeouts } from "./engine-fixture.ts";
import { testLimits } from "./upstreams.ts";

export interface TestPoolOptions {
  /** Ports of the upstreams, which are called by them: `127.0.0.1:8080`. */
  readonly ports: readonly number[];
  readonly policy?: BuiltInPolicy;
  readonly limits?: Partial<UpstreamLimits>;
}

/** A pool whose upstreams have passed a probe. */
export function testPool(name: string, { ports, policy = "round-robin", limits }: TestPoolOptions): Pool {
  const random = seededRandom(1);
  const upstreams = ports.map((port) => {
    const address = { protocol: "http" as const, hostname: "127.0.0.1", port };
    const spec = { id: `127.0.0.1:${port}`, weight: 1, backup: false, address };
    return new Upstream(spec, { ...testLimits, ...limits });
  });
  const pool = new Pool({
    name,
    policy: policyEntry(policy).create({ random, clock: systemClock }),
    upstreams,
    random,
    clock: systemClock,
    maxEjectedShare: 0.5,
  });
  for (const upstream of upstreams) pool.recordProbe(upstream, true);
  return pool;
}

export function destinationTo(pool: Pool, more: Partial<Destination> = {}): Destination {
  return { pool, timeouts: testTimeouts, retries: 1, ...more };
}
