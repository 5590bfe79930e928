/** What is compared: each function plays one scenario in alternating rounds and gives the table that it makes. */

import { connect } from "node:net";

import type { RunningProxy, Testbed } from "./field.ts";
import { idleCost, type LoadShape, measure, type Measured, ownMemoryOf, p99AtRate } from "./measure.ts";
import { barePeer, evenkeelPeer, haproxyPeer } from "./peers.ts";

export interface Rounds {
  readonly rounds: number;
  readonly seconds: number;
}

export interface Scenario {
  readonly size: number;
  readonly connections: number;
  readonly isFresh: boolean;
}

export type Table = {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly string[][];
};

/** Everything at full load. */
export async function throughput(
  all: readonly RunningProxy[],
  { size, ...shape }: Scenario,
  rounds: Rounds,
): Promise<Table> {
  const runs = await alternate(all, rounds, (proxy, seconds) =>
    measure(proxy, { ...shape, seconds, path: `/${size}.bin` }),
  );
  const of = (name: string, key: keyof Measured) => median((runs.get(name) ?? []).map((run) => run[key]));
  const connectionKind = shape.isFresh ? "a new connection for each request" : "kept connections";
  return {
    title: `${size} bytes, ${shape.connections} clients, ${connectionKind}`,
    head: ["", "CPU µs/request", "× HAProxy", "requests/s", "p50 ms", "p99 ms", "memory MiB"],
    rows: all.map(({ name }) => [
      name,
      of(name, "cpuMicros").toFixed(1),
      (of(name, "cpuMicros") / of("haproxy", "cpuMicros")).toFixed(2),
      of(name, "perSecond").toFixed(0),
      of(name, "p50Ms").toFixed(2),
      of(name, "p99Ms").toFixed(2),
      of(name, "memoryMiB").toFixed(0),
    ]),
  };
}

/** Everything at the same rate: half of what HAProxy can do at most. */
export async function halfLoad(all: readonly RunningProxy[], rounds: Rounds): Promise<Table> {
  const shape: LoadShape = { path: "/120.bin", connections: 64, seconds: rounds.seconds, isFresh: false };
  const reference = all.find(({ name }) => name === "haproxy");
  if (!reference) throw new Error("Cannot compare at half load: HAProxy does not take part");
  const rate = (await measure(reference, shape)).perSecond / 2;
  const runs = await alternate(all, rounds, (proxy, seconds) =>
    p99AtRate(proxy, { ...shape, seconds }, rate),
  );
  const of = (name: string) => median(runs.get(name) ?? []);
  return {
    title: `120 bytes, 64 clients, ${rate.toFixed(0)} requests/s: half of HAProxy's most`,
    head: ["", "p99 ms", "× HAProxy"],
    rows: all.map(({ name }) => [name, of(name).toFixed(2), (of(name) / of("haproxy")).toFixed(2)]),
  };
}

/**
 * The same with 3 upstreams and with 1,000: each request meets another connection, in our engine as in HAProxy; and what that
 * costs where nothing is done with the bytes.
 */
export async function manyUpstreams(testbed: Testbed, engine: string, rounds: Rounds): Promise<Table> {
  const many = ", 1,000 upstreams";
  const peers = [
    evenkeelPeer(engine, 29190),
    { ...evenkeelPeer(engine, 29191, 1_000), name: `evenkeel ${engine}${many}` },
    haproxyPeer(testbed.folder, 29192),
    { ...haproxyPeer(testbed.folder, 29193, 1_000), name: `haproxy${many}` },
    barePeer(29194),
    { ...barePeer(29195, 1_000), name: `bare sockets${many}` },
  ];
  const all: RunningProxy[] = [];
  for (const peer of peers) all.push(await testbed.startProxy(peer));
  const shape = { path: "/120.bin", connections: 64, isFresh: false };
  const runs = await alternate(all, rounds, (proxy, seconds) => measure(proxy, { ...shape, seconds }));
  const idle = new Map<string, number>();
  for (const proxy of all) idle.set(proxy.name, await idleCost(proxy, 10));
  await Promise.all(all.map((proxy) => proxy.stop()));
  const costs = (name: string) => (runs.get(name) ?? []).map(({ cpuMicros }) => cpuMicros);
  // Probes and samples are paid by the second: how much of a request that is depends on how many requests there are.
  const withoutIdleCost = (name: string) =>
    (runs.get(name) ?? []).map((run) => run.cpuMicros - ((idle.get(name) ?? 0) * 1_000) / run.perSecond);
  // Round by round: what the machine does besides changes from one to the next, and hits neighbours alike.
  const ratioToFew = (of: (name: string) => number[], name: string) => {
    const few = of(name.replace(many, ""));
    return median(of(name).map((cost, round) => cost / (few[round] as number))).toFixed(2);
  };
  return {
    title: "Cost of many upstreams, each with a TCP check every 5 s (bare sockets check nothing)",
    head: [
      "",
      "CPU µs/request",
      "× 3 upstreams",
      "CPU ms/s when idle",
      "without that, µs/request",
      "× 3 upstreams",
    ],
    rows: all.map(({ name }) => [
      name,
      median(costs(name)).toFixed(1),
      ratioToFew(costs, name),
      (idle.get(name) ?? 0).toFixed(1),
      median(withoutIdleCost(name)).toFixed(1),
      ratioToFew(withoutIdleCost, name),
    ]),
  };
}

const settleMs = 8_000;

/** What connections cost that were used once and wait. */
export async function idleConnections(all: readonly RunningProxy[], count: number): Promise<Table> {
  const rows: string[][] = [];
  for (const { name, port, pid } of all) {
    const before = ownMemoryOf(pid);
    const sockets = [];
    for (let i = 0; i < count; i += 500) {
      sockets.push(
        ...(await Promise.all(Array.from({ length: Math.min(500, count - i) }, () => usedOnce(port)))),
      );
    }
    // They wait: what their requests left behind has been collected by then.
    await Bun.sleep(settleMs);
    const grown = ownMemoryOf(pid) - before;
    for (const socket of sockets) socket.destroy();
    rows.push([name, grown.toFixed(1), ((grown * 1024) / count).toFixed(2)]);
  }
  return { title: `${count} idle connections`, head: ["", "MiB more", "KiB each"], rows };
}

function usedOnce(port: number): Promise<ReturnType<typeof connect>> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () =>
      socket.write("GET /120.bin HTTP/1.1\r\nHost: bench\r\n\r\n"),
    );
    socket.once("data", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Every contender once in every round; the first round warms up and is not counted. */
export async function alternate<T>(
  all: readonly RunningProxy[],
  { rounds, seconds }: Rounds,
  run: (proxy: RunningProxy, seconds: number) => Promise<T>,
): Promise<Map<string, T[]>> {
  const results = new Map<string, T[]>(all.map(({ name }) => [name, []]));
  for (const proxy of all) await run(proxy, 3);
  for (let round = 0; round < rounds; round++) {
    for (const proxy of all) results.get(proxy.name)?.push(await run(proxy, seconds));
  }
  return results;
}

export function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}
