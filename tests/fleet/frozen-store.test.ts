/** A store that does not answer costs neither requests of clients nor memory. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { startDemoServer } from "../support/demo-server.ts";
import { type Member, TestFleet } from "../support/fleet.ts";
import { hasRedis } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

const clients = 8;

/** Milliseconds of each request of some clients, one after another. */
async function latencies(port: number, requests: number): Promise<readonly number[]> {
  const times: number[] = [];
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (let request = 0; request < requests / clients; request++) {
        const startedAt = performance.now();
        const response = await fetch(`http://127.0.0.1:${port}/`);
        await response.arrayBuffer();
        if (response.status !== 200) throw new Error(`Cannot use ${response.status}`);
        times.push(performance.now() - startedAt);
      }
    }),
  );
  return times;
}

const percentile = (times: readonly number[], share: number) =>
  times.toSorted((left, right) => left - right)[Math.floor(times.length * share)] ?? Number.NaN;

test.if(hasRedis)(
  "requests are as fast with a frozen store, also while operators give orders",
  async () => {
    const server = await startDemoServer("one", { min: 1, max: 2 });
    const configuration = `pools: { main: { probe: { changingInterval: 20ms }, upstreams: [{ url: "${server.url}", name: s1 }, { url: "http://127.0.0.1:9", name: s2, weight: 0 }] } }\n`;
    await using fleet = await TestFleet.start({ names: ["a"], configuration });
    const a = fleet.get("a");
    await latencies(a.port, 400);
    const [there, frozen]: [number[], number[]] = [[], []];
    // An order waits for the disk of the state file, in both cases.
    const underOrders = async (): Promise<readonly number[]> => {
      const orders = [0, 1, 2, 3].map((index) => a.setMode("s2", index % 2 ? "ready" : "draining"));
      const times = await latencies(a.port, 400);
      await Promise.all(orders);
      return times;
    };
    for (let round = 0; round < 4; round++) {
      there.push(...(await underOrders()));
      fleet.redis.freeze();
      frozen.push(...(await underOrders()));
      fleet.redis.thaw();
      await until(async () => (await a.fleet()).alone === null, "the store is back", 10_000);
    }
    // The same but for what a busy machine does by chance. A request that waits would wait for the thaw, or for the 500 ms
    // that a call may take; so would all that come with it.
    expect(percentile(frozen, 0.5)).toBeLessThan(percentile(there, 0.5) * 1.5 + 1);
    expect(percentile(frozen, 0.99)).toBeLessThan(Math.max(400, 2 * percentile(there, 0.99)));
    server.close();
  },
  60_000,
);

/** In MB over a thousand orders: each is kept as an event of about 1 KB. */
const maxGrowth = 6;

const rssOf = (member: Member) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${member.program.pid}/status`, "utf8"))?.[1]) / 1_024;

test.if(hasRedis && process.platform === "linux")(
  "memory stays the same under orders while the store is away",
  async () => {
    await using fleet = await TestFleet.start({ names: ["a"] });
    const a = fleet.get("a");
    const order = async (count: number) => {
      for (let index = 0; index < count; index++)
        await a.post(`/api/upstreams/s${1 + (index % 3)}/mode`, { mode: index % 2 ? "ready" : "draining" });
    };
    fleet.redis.freeze();
    await order(1_500);
    // What is kept for each order grows in every round. The collector grows in some: in four in a row on a busy machine.
    const growths: number[] = [];
    while (growths.length < 10 && !growths.some((growth) => growth < maxGrowth)) {
      const before = rssOf(a);
      await order(1_000);
      growths.push(rssOf(a) - before);
    }
    expect(Math.min(...growths)).toBeLessThan(maxGrowth);
    expect((await a.fleet()).pending).toHaveLength(3);
    fleet.redis.thaw();
    await until(async () => (await a.fleet()).pending.length === 0, "all is shared", 10_000);
    // Each order was carried out once, whatever was lost on the way.
    expect(Number(fleet.redis.command("HLEN", "ek:{evenkeel}:entries"))).toBe(4);
  },
  60_000,
);
