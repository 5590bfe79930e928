/** `bun tests/bench/problems.ts`: what the list of problems costs each second, with few and many upstreams, well and failing. */

import { seededRandom } from "../../src/lib/random.ts";
import { ProblemList } from "../../src/problems/problem-list.ts";
import { samplerStand } from "../support/problem-sampler.ts";

const seconds = 300;

interface Case {
  readonly name: string;
  /** Names of the pools, with how many upstreams each has. */
  readonly pools: readonly (readonly [name: string, upstreams: number])[];
  /** Share of the upstreams that fail requests. */
  readonly failing: number;
}

const cases: readonly Case[] = [
  { name: "1 pool of 3", pools: [["main", 3]], failing: 0 },
  { name: "1 pool of 1,000, all well", pools: [["main", 1_000]], failing: 0 },
  { name: "1 pool of 1,000, 10 fail requests", pools: [["main", 1_000]], failing: 0.01 },
  { name: "1 pool of 1,000, all fail requests", pools: [["main", 1_000]], failing: 1 },
  {
    name: "100 pools of 10, 100 fail requests",
    pools: Array.from({ length: 100 }, (_, index) => [`pool${index}`, 10] as const),
    failing: 0.1,
  },
];

interface Cost {
  /** Of each second, milliseconds, the fastest first. */
  readonly times: readonly number[];
  /** Processor time of all threads, garbage collection included, milliseconds a second. */
  readonly cpuMs: number;
}

/** The first seconds are compiled, not measured. */
const warmSeconds = 60;

function measure({ pools, failing }: Case): Cost {
  let number = 0;
  const text = pools
    .map(([name, count]) => {
      const ids = Array.from({ length: count }, () => {
        number += 1;
        return `u${number}@10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;
      });
      return `${name}: ${ids.join(" ")}`;
    })
    .join(" | ");
  const stand = samplerStand(text);
  const upstreams = stand.registry.pools.flatMap((pool) =>
    pool.upstreams.map((upstream) => {
      pool.recordProbe(upstream, true);
      stand.probes.set(upstream.id, { success: true, detail: "status 200" });
      return upstream;
    }),
  );
  const every = failing > 0 ? Math.round(1 / failing) : Infinity;
  const list = new ProblemList({ random: seededRandom(1) });
  const times: number[] = [];
  let cpuMicros = 0;
  for (let second = 0; second < seconds; second++) {
    stand.time.now += 1_000;
    for (const [index, upstream] of upstreams.entries())
      for (let request = 0; request < 2; request++)
        stand.request(upstream, index % every === 0 && request === 0 ? 500 : 200, 5 + (index % 40));
    // As the history does in the same second, before the sample is taken.
    for (const upstream of upstreams) stand.metrics.of(upstream);
    const startedAt = performance.now();
    const before = process.cpuUsage();
    list.observe(stand.sampler.take());
    const { user, system } = process.cpuUsage(before);
    times.push(performance.now() - startedAt);
    if (second >= warmSeconds) cpuMicros += user + system;
  }
  return {
    times: times.slice(warmSeconds).sort((one, other) => one - other),
    cpuMs: cpuMicros / 1_000 / (seconds - warmSeconds),
  };
}

for (const one of cases) {
  const { times, cpuMs } = measure(one);
  const at = (share: number) => (times[Math.floor(share * (times.length - 1))] ?? 0).toFixed(2);
  console.log(
    `${one.name}: median ${at(0.5)} ms, 99th percentile ${at(0.99)} ms, processor ${cpuMs.toFixed(2)} ms a second`,
  );
}
