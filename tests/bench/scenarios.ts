/** The compared scenarios: each function runs one in alternating rounds and returns its table. */

import { connect, type Socket } from "node:net";

import type { RunningProxy, Testbed } from "./testbed.ts";
import { idleCost, type LoadShape, measure, type Measured, ownMemoryOf, p99AtRate } from "./measure.ts";
import { median, ratios, withSpread } from "./figures.ts";
import { haproxyPeer } from "./other-proxies.ts";
import { bareFetchName, barePeer, evenkeelPeer } from "./peers.ts";

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

/** All proxies at full load. */
export async function throughput(
  all: readonly RunningProxy[],
  { size, ...shape }: Scenario,
  rounds: Rounds,
): Promise<Table> {
  const runs = await alternate(all, rounds, (proxy, seconds) =>
    measure(proxy, { ...shape, seconds, path: `/${size}.bin` }),
  );
  const of = (name: string, key: keyof Measured) => (runs.get(name) ?? []).map((run) => run[key]);
  const timesThat = (reference: string, name: string) =>
    withSpread(ratios(of(name, "cpuMicros"), of(reference, "cpuMicros")), 2);
  const connectionKind = shape.isFresh ? "a new connection for each request" : "keep-alive connections";
  return {
    title: `${size} bytes, ${shape.connections} client${shape.connections === 1 ? "" : "s"}, ${connectionKind}`,
    head: [
      ...["", "CPU µs/request", "× HAProxy", "× bare fetch"],
      ...["requests/s", "p50 ms", "p99 ms", "memory MiB"],
    ],
    rows: all.map(({ name }) => [
      name,
      withSpread(of(name, "cpuMicros"), 1),
      timesThat("haproxy", name),
      name.endsWith("fetch") ? timesThat(bareFetchName, name) : "",
      median(of(name, "perSecond")).toFixed(0),
      median(of(name, "p50Ms")).toFixed(2),
      median(of(name, "p99Ms")).toFixed(2),
      median(of(name, "memoryMiB")).toFixed(0),
    ]),
  };
}

/** All proxies at the same rate: half of HAProxy's maximum, or of the first one's where HAProxy is not installed. */
export async function halfLoad(all: readonly RunningProxy[], rounds: Rounds): Promise<Table> {
  const shape: LoadShape = { path: "/120.bin", connections: 64, seconds: rounds.seconds, isFresh: false };
  const reference = all.find(({ name }) => name === "haproxy") ?? all[0];
  if (!reference) throw new Error("Cannot compare at half load: no proxy runs");
  const rate = (await measure(reference, shape)).perSecond / 2;
  const runs = await alternate(all, rounds, (proxy, seconds) =>
    p99AtRate(proxy, { ...shape, seconds }, rate),
  );
  const of = (name: string) => runs.get(name) ?? [];
  return {
    title: `120 bytes, 64 clients, ${rate.toFixed(0)} requests/s: half of the maximum of ${reference.name}`,
    head: ["", "p99 ms", "× HAProxy"],
    rows: all.map(({ name }) => [
      name,
      withSpread(of(name), 2),
      withSpread(ratios(of(name), of("haproxy")), 2),
    ]),
  };
}

/**
 * The same load with 3 and with 1,000 upstreams, where each request uses another connection, in Evenkeel and in HAProxy;
 * and the cost of that without any processing of the bytes.
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
  const all = await testbed.startProxies(peers);
  const shape = { path: "/120.bin", connections: 64, isFresh: false };
  const runs = await alternate(all, rounds, (proxy, seconds) => measure(proxy, { ...shape, seconds }));
  const idle = new Map<string, number>();
  for (const proxy of all) idle.set(proxy.name, await idleCost(proxy, 10));
  await Promise.all(all.map((proxy) => proxy.stop()));
  const costs = (name: string) => (runs.get(name) ?? []).map(({ cpuMicros }) => cpuMicros);
  // Probes and samples cost time per second: their cost per request depends on the request rate.
  const withoutIdleCost = (name: string) =>
    (runs.get(name) ?? []).map((run) => run.cpuMicros - ((idle.get(name) ?? 0) * 1_000) / run.perSecond);
  const ratioToFew = (of: (name: string) => number[], name: string) =>
    withSpread(ratios(of(name), of(name.replace(many, ""))), 2);
  const ratioToHaproxy = (name: string) =>
    withSpread(ratios(costs(name), costs(name.includes(many) ? `haproxy${many}` : "haproxy")), 2);
  return {
    title: "Cost of many upstreams, each with a TCP check every 5 s (bare sockets check nothing)",
    head: [
      "",
      "CPU µs/request",
      "× HAProxy",
      "× 3 upstreams",
      "CPU ms/s idle",
      "µs/request without idle",
      "× 3 upstreams",
    ],
    rows: all.map(({ name }) => [
      name,
      withSpread(costs(name), 1),
      ratioToHaproxy(name),
      ratioToFew(costs, name),
      (idle.get(name) ?? 0).toFixed(1),
      median(withoutIdleCost(name)).toFixed(1),
      ratioToFew(withoutIdleCost, name),
    ]),
  };
}

const settleMs = 8_000;

/** The memory of idle connections that were used once, in processes that have served others. */
export async function idleConnections(all: readonly RunningProxy[], count: number): Promise<Table> {
  const rows: string[][] = [];
  for (const proxy of all) {
    const { name, port, pid } = proxy;
    // What the first requests allocate, such as compiled code, is no cost of a connection.
    await measure(proxy, { path: "/120.bin", connections: 64, isFresh: false, seconds: 3 });
    await Bun.sleep(settleMs);
    const before = ownMemoryOf(pid);
    const sockets = await openUsedConnections(port, count);
    // By then the garbage of their requests has been collected.
    await Bun.sleep(settleMs);
    const grown = ownMemoryOf(pid) - before;
    for (const socket of sockets) socket.destroy();
    rows.push([name, grown.toFixed(1), ((grown * 1024) / count).toFixed(2)]);
  }
  return { title: `${count} idle connections`, head: ["", "MiB growth", "KiB each"], rows };
}

/** Opens connections and sends a request on each. They stay open. */
export async function openUsedConnections(port: number, count: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i += 500)
    sockets.push(
      ...(await Promise.all(Array.from({ length: Math.min(500, count - i) }, () => usedOnce(port)))),
    );
  return sockets;
}

function usedOnce(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () =>
      socket.write("GET /120.bin HTTP/1.1\r\nHost: bench\r\n\r\n"),
    );
    socket.once("data", (head: Buffer) =>
      head.includes(" 200 ") ? resolve(socket) : reject(new Error(`Cannot keep a connection: ${head}`)),
    );
    socket.once("error", reject);
  });
}

/** Runs every proxy once in every round, after a warm-up that is not counted. */
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
