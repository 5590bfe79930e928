/** The points of the curves of growth: a process for each, all with the same load in the same rounds. */

import type { Socket } from "node:net";
import { cpus } from "node:os";

import type { Curve } from "./growth-verdict.ts";
import { maxConnections } from "./limits.ts";
import { idleCost, type LoadShape, measure } from "./measure.ts";
import { configuredPeer, evenkeelPeer, originPorts, type Peer, writeFile } from "./peers.ts";
import { alternate, openUsedConnections, type Rounds } from "./scenarios.ts";
import { bothCores, type RunningProxy, type Testbed } from "./testbed.ts";

interface Point {
  readonly x: number;
  readonly peer: Peer;
  readonly shape: Omit<LoadShape, "seconds">;
  /** Connections that are open beside those of the load. */
  readonly idleConnections?: number;
}

interface Variation {
  readonly title: string;
  readonly axis: string;
  readonly workOf?: (x: number) => number;
  readonly cores?: string;
  points(stand: Stand): readonly Point[];
}

interface Stand {
  readonly folder: string;
  readonly engine: string;
}

const small = { path: "/120.bin", connections: 64, isFresh: false };
const firstPort = 29_300;

export const bodySizes = [0, 1, 4, 16, 64, 256, 1_024, 4_096, 16_384].map((kibibytes) => kibibytes * 1_024);

/** So many bytes are as much work as a request without a body; a byte's real cost is lower, and must not grow. */
const bytesOfUnit = 16_384;

/** Of larger bodies only few fit into a round, and the unfinished ones count. The head is less than a hundredth of it. */
const largeBytes = 65_536;

/** Of more connections, so many send at a time. */
const maxActive = 256;

export const variations: Readonly<Record<string, Variation>> = {
  upstreams: {
    title: "Upstreams, each request to the next one",
    axis: "upstreams",
    points: ({ folder, engine }) =>
      [3, 10, 30, 100, 300, 1_000, 3_000].map((x, index) => {
        const upstreams = Array.from({ length: x }, (_, number) => ({
          name: `server-${number}`,
          url: `http://127.0.0.1:${originPorts[number % originPorts.length]}`,
        }));
        const settings = { pools: { main: { upstreams } } };
        return pointOf(
          x,
          configuredPeer({ name: `${x}`, engine, port: firstPort + index, folder, settings }),
        );
      }),
  },
  routes: {
    title: "Routes, each request by the next one",
    axis: "routes",
    points: ({ folder, engine }) =>
      [10, 30, 100, 300, 1_000, 3_000, 10_000].map((x, index) => {
        const settings = {
          routes: Array.from({ length: x }, (_, i) => ({ host: `h${i}.test`, pool: "main" })),
        };
        const peer = configuredPeer({ name: `${x}`, engine, port: firstPort + index, folder, settings });
        return pointOf(x, peer, { script: writeFile(folder, `routes-${x}.lua`, hostsScript(x)) });
      }),
  },
  connections: {
    title: `Open connections, of which at most ${maxActive} send`,
    axis: "connections",
    points: ({ folder, engine }) =>
      connectionCounts().map((x, index) => {
        const settings = { listen: { maxClients: 2 * x + 1_000 } };
        const peer = configuredPeer({ name: `${x}`, engine, port: firstPort + index, folder, settings });
        const connections = Math.min(x, maxActive);
        const point = pointOf(x, peer, { connections });
        return { ...point, idleConnections: x - connections };
      }),
  },
  bodies: {
    title: "Size of the response",
    axis: "bytes",
    workOf: (x) => 1 + x / bytesOfUnit,
    points: ({ engine }) =>
      bodySizes.map((x, index) =>
        pointOf(x, evenkeelPeer(engine, firstPort + index), {
          ...{ path: `/${x}.bin`, connections: 8 },
          ...(x >= largeBytes && { bodyBytes: x }),
        }),
      ),
  },
  workers: {
    title: "Workers",
    axis: "workers",
    cores: bothCores,
    points: ({ engine }) =>
      Array.from({ length: cpus().length }, (_, index) => {
        const peer = evenkeelPeer(engine, firstPort + index);
        return pointOf(index + 1, { ...peer, command: [...peer.command, "--workers", `${index + 1}`] });
      }),
  },
};

function pointOf(x: number, peer: Peer, shape: Partial<LoadShape> = {}): Point {
  return { x, peer: { ...peer, name: `${x}` }, shape: { ...small, ...shape } };
}

/** The connections of all points are open at the same time, in this process. */
function connectionCounts(): readonly number[] {
  const most = Math.min(20_000, maxConnections());
  return [...[10, 30, 100, 300, 1_000, 3_000, 10_000].filter((x) => x < most), most];
}

/** A script of wrk whose requests name the hosts in turn. */
function hostsScript(hosts: number): string {
  return `local requests, turn = {}, 0
function init()
  for i = 1, ${hosts} do requests[i] = wrk.format("GET", "/120.bin", { Host = "h" .. (i - 1) .. ".test" }) end
end
function request()
  turn = turn % ${hosts} + 1
  return requests[turn]
end
`;
}

/** Seconds in which the cost of an idle process is measured. */
const idleSeconds = 5;

/** Starts the processes of a curve, runs all rounds, and stops them. */
export async function measureCurve(
  testbed: Testbed,
  engine: string,
  { title, axis, workOf, cores, ...variation }: Variation,
  rounds: Rounds,
): Promise<Curve> {
  const points = variation.points({ folder: testbed.folder, engine });
  const running = new Map<RunningProxy, Point>();
  const sockets: Socket[] = [];
  for (const point of points) {
    // By the host of the first route, which is one of the curve of routes only.
    const proxy = await testbed.startProxy(point.peer, { ...(cores && { cores }), host: "h0.test" });
    running.set(proxy, point);
    sockets.push(...(await openUsedConnections(proxy.port, point.idleConnections ?? 0)));
  }
  const all = [...running.keys()];
  const runs = await alternate(all, rounds, (proxy, seconds) =>
    measure(proxy, { ...(running.get(proxy) as Point).shape, seconds }),
  );
  const idle = await Promise.all(all.map((proxy) => idleCost(proxy, idleSeconds)));
  for (const socket of sockets) socket.destroy();
  await Promise.all(all.map((proxy) => proxy.stop()));
  return {
    title,
    axis,
    ...(workOf && { workOf }),
    points: points.map(({ x, peer }, index) => {
      const idleMs = idle[index] ?? 0;
      const costs = (runs.get(peer.name) ?? []).map(
        ({ cpuMicros, perSecond }) => cpuMicros - (idleMs * 1_000) / perSecond,
      );
      return { x, costs, idleMs };
    }),
  };
}
