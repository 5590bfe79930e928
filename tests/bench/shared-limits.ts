/**
 * A limit of 1,000/s with a burst of 100 that three balancers share through a real store: what is admitted under four demands,
 * and what a decision costs. Run it with: bun tests/bench/shared-limits.ts
 */

import { LeaseDesk } from "../../src/filter/lease-desk.ts";
import { RateLimiter, TableSpace } from "../../src/filter/rate-limiter.ts";
import { SharedLimiter } from "../../src/filter/shared-limiter.ts";
import { StoredBudgets } from "../../src/fleet/budget-store.ts";
import { systemClock as clock, systemSchedule as schedule } from "../../src/lib/clock.ts";
import { FleetStores } from "../support/fleet-store.ts";
import { hasRedis, RedisServer } from "../support/redis-server.ts";

const [perSecond, burst, seconds] = [1_000, 100, 10];

interface Demand {
  readonly name: string;
  /** Requests per second at each balancer. */
  readonly at: readonly number[];
  /** Seconds after which the store stands still for three. */
  readonly freezeAfter?: number;
}

const demands: readonly Demand[] = [
  { name: "800 + 800 + 800/s", at: [800, 800, 800] },
  { name: "2,000 + 100 + 100/s", at: [2_000, 100, 100] },
  { name: "200 + 300 + 200/s", at: [200, 300, 200] },
  { name: "800 + 800 + 800/s, frozen for 3 s", at: [800, 800, 800], freezeAfter: 3 },
];

interface Result {
  readonly admitted: number;
  readonly refused: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly storeCpuMs: number;
}

async function run({ at, freezeAfter }: Demand): Promise<Result> {
  await using redis = await RedisServer.start();
  using stores = new FleetStores();
  const space = new TableSpace();
  const limiters = await Promise.all(
    at.map(async () => {
      const budgets = new StoredBudgets(await stores.open(redis.port), () => at.length);
      const desk = new LeaseDesk({ budgets, clock, schedule });
      const rate = { perMs: perSecond / 1_000, burst };
      const own = new RateLimiter({ clock, ...rate, maxKeys: 1_024, space, onEviction() {} });
      return new SharedLimiter({ clock, desk, own, identity: "bench", ...rate, processes: 1 });
    }),
  );
  const cpuBefore = cpuOf(redis);
  const costs: number[] = [];
  let [admitted, refused] = [0, 0];
  const sent = at.map(() => 0);
  const startedAt = clock();
  const faults =
    freezeAfter === undefined
      ? []
      : [
          schedule(freezeAfter * 1_000, () => redis.freeze()),
          schedule((freezeAfter + 3) * 1_000, () => redis.thaw()),
        ];
  while (clock() - startedAt < seconds * 1_000) {
    for (const [index, limiter] of limiters.entries()) {
      const due = ((clock() - startedAt) / 1_000) * (at[index] ?? 0);
      for (; (sent[index] as number) < due; sent[index] = (sent[index] as number) + 1) {
        const before = clock();
        if (limiter.waitMs("n") > 0) {
          limiter.missed();
          refused += 1;
        } else {
          limiter.take();
          admitted += 1;
        }
        costs.push(clock() - before);
      }
    }
    await new Promise<void>((resolve) => void schedule(1, resolve));
  }
  for (const cancel of faults) cancel();
  costs.sort((left, right) => left - right);
  return {
    ...{ admitted, refused },
    p99Ms: costs[Math.floor(costs.length * 0.99)] ?? 0,
    maxMs: costs.at(-1) ?? 0,
    storeCpuMs: cpuOf(redis) - cpuBefore,
  };
}

/** Milliseconds of processor time of the server. */
function cpuOf(redis: RedisServer): number {
  const seconds = [...redis.command("INFO", "cpu").matchAll(/used_cpu_(?:sys|user):([\d.]+)/g)];
  return Math.round(seconds.reduce((sum, [, text]) => sum + Number(text) * 1_000, 0));
}

if (hasRedis) {
  const limit = perSecond * seconds + burst;
  console.log(
    "demand                              admitted   of limit  refused  p99 µs  max ms  store CPU ms",
  );
  for (const demand of demands) {
    const { admitted, refused, p99Ms, maxMs, storeCpuMs } = await run(demand);
    const wanted = Math.min(limit, demand.at.reduce((sum, rate) => sum + rate, 0) * seconds);
    const share = ((admitted / wanted - 1) * 100).toFixed(1);
    console.log(
      [
        demand.name.padEnd(34),
        String(admitted).padStart(10),
        `${share} %`.padStart(10),
        String(refused).padStart(8),
        (p99Ms * 1_000).toFixed(1).padStart(7),
        maxMs.toFixed(2).padStart(7),
        String(storeCpuMs).padStart(13),
      ].join(" "),
    );
  }
}
