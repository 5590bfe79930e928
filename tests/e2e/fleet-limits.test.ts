/** A rate limit that three balancers share: Bun and Deno, both engines, with workers and without, and a real store. */

import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { findDeno } from "../support/deno.ts";
import { type FleetMember, startMember } from "../support/fleet-programs.ts";
import { temporaryFolder } from "../support/folder.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { hasRedis, RedisServer } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("fleet-limits");
const main = join(import.meta.dirname, "../../src/main.ts");

const [perSecond, burst] = [150, 60];

/** Unshared limits stand beside it, to see that they stay alone. */
const config = `pools: { main: { upstreams: ["http://127.0.0.1:9"] } }
routes:
  - { host: own.test, rateLimit: { rate: 1/h, burst: 2, key: none, shared: false }, respond: { text: own } }
  - { name: all, rateLimit: { rate: ${perSecond}/s, burst: ${burst}, key: none }, respond: { text: ok } }
`;

interface Demand {
  readonly members: readonly FleetMember[];
  /** Requests per second at each member. */
  readonly perSecond: number;
  readonly seconds: number;
}

const maxLate = 3;

/** Sends requests at times that do not depend on the answers. @returns times of admitted ones, and the number of refused ones */
async function send({ members, perSecond: rate, seconds }: Demand) {
  const admitted: number[] = [];
  const others = new Map<number, number>();
  const requests: Promise<void>[] = [];
  const waits: number[] = [];
  const startedAt = performance.now();
  let [sent, skipped] = [0, 0];
  while (performance.now() - startedAt < seconds * 1_000) {
    const due = ((performance.now() - startedAt) / 1_000) * rate;
    // After a moment without processor time, what is late is left out: clients would not send it at once either.
    skipped += Math.max(0, Math.floor(due - sent - skipped - maxLate));
    for (; sent + skipped < due; sent++) {
      for (const { url } of members) {
        const sentAt = performance.now();
        requests.push(
          fetch(url).then(async (response) => {
            await response.arrayBuffer();
            waits.push(performance.now() - sentAt);
            if (response.status === 200) admitted.push(performance.now());
            else others.set(response.status, (others.get(response.status) ?? 0) + 1);
          }),
        );
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  await Promise.all(requests);
  const refused = others.get(429) ?? 0;
  others.delete(429);
  waits.sort((left, right) => left - right);
  const medianMs = waits[Math.floor(waits.length / 2)] ?? 0;
  return { admitted, medianMs, refused, others: [...others], sent: sent * members.length };
}

function mostIn(times: readonly number[], ms: number): number {
  const sorted = times.toSorted((left, right) => left - right);
  let [from, most] = [0, 0];
  for (let to = 0; to < sorted.length; to++) {
    while ((sorted[to] ?? 0) - (sorted[from] ?? 0) >= ms) from += 1;
    most = Math.max(most, to - from + 1);
  }
  return most;
}

describe.if(hasRedis)("a shared rate limit", () => {
  test("admits its rate over all balancers, refuses nothing below it, and goes on without the store", async () => {
    const deno = await findDeno();
    await using redis = await RedisServer.start();
    await using programs = new Programs();
    const kinds: readonly (readonly [string, readonly string[], readonly string[]])[] = [
      ["one", fromBuild, ["--engine", "wire"]],
      ["two", fromBuild, ["--engine", "fetch", "--workers", "2"]],
      ["three", deno ? [deno, "run", "-A", "--unstable-net", main] : fromBuild, ["--engine", "wire"]],
    ];
    const members = await Promise.all(
      kinds.map(([name, command, flags]) =>
        startMember(programs, { name, redis: redis.url, config, command, flags, inFolder }),
      ),
    );
    // Warms up connections, and lets all hear of each other.
    await send({ members, perSecond: 20, seconds: 2 });

    // Without load of others none is refused, as the tests of the limiter show in simulated time. A busy machine bunches some.
    const below = await send({ members, perSecond: (perSecond * 0.85) / 3, seconds: 4 });
    expect(below.refused).toBeLessThanOrEqual(below.sent * 0.06);
    expect(below.others).toEqual([]);

    const above = await send({ members, perSecond: perSecond * 0.8, seconds: 6 });
    // Times are those of the answers: a busy machine shifts some by a few milliseconds.
    const lease = perSecond / 10;
    expect(mostIn(above.admitted, 5_000)).toBeLessThanOrEqual(5 * perSecond + burst + 3 * lease);
    expect(above.admitted.length).toBeGreaterThan(Math.min(above.sent, 6 * perSecond) * 0.9);
    expect(above.others).toEqual([]);

    redis.freeze();
    const alone = await send({ members, perSecond: perSecond * 0.8, seconds: 4 });
    expect(alone.others).toEqual([]);
    // No request waits for the store: with it frozen most would wait for half a second.
    expect(alone.medianMs).toBeLessThan(above.medianMs * 3 + 20);
    const [first] = members;
    await until(
      async () =>
        /evenkeel_rate_limit_lease_calls_total\{result="failure"\} [1-9]/.test(
          await (await fetch(`${first?.admin}/metrics`)).text(),
        ),
      "the failed calls in the metrics",
    );
    // Each balancer has its share.
    expect(alone.admitted.length).toBeGreaterThan(Math.min(alone.sent, 4 * perSecond) * 0.8);
    expect(mostIn([...above.admitted, ...alone.admitted], 5_000)).toBeLessThanOrEqual(
      5 * perSecond + burst * 2 + 3 * lease,
    );
    redis.thaw();

    const answers: number[] = [];
    for (const { url } of [...members, ...members, ...members])
      answers.push((await fetch(url, { headers: { Host: "own.test" } })).status);
    // Each of two workers has one request, and all may come to one of them.
    const own = answers.filter((status) => status === 200).length;
    expect([5, 6]).toContain(own);
  }, 120_000);
});
