/** Service while the system gives the balancer no more descriptors: it is the balancer's own trouble, and no upstream's. */

import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";

import { engineNames } from "../../src/config/config.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, Program, Programs } from "../support/program.ts";
import { RawClient, sendRequest } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("descriptor-exhaustion");
const root = join(import.meta.dirname, "../..");
const webSocket = [
  ...["GET / HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
  ...["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""],
].join("\r\n");
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;

/** Sets the soft limit on open files of a running process. Below the number of open ones, every further one fails. */
function limitFiles(pid: number, files: number): void {
  const { status, stderr } = spawnSync("prlimit", ["--pid", String(pid), `--nofile=${files}:`]);
  if (status !== 0) throw new Error(`Cannot limit the open files of ${pid}: ${stderr}`);
}

/** Deno is no dependency: npx downloads it, or its test is skipped. */
async function denoCommand(): Promise<readonly string[] | undefined> {
  const find = new Program(["npx", "--yes", "deno@2.9.6", "eval", "console.log(Deno.execPath())"]);
  await find.exited;
  const deno = find.stdout.trim();
  if (!deno) console.warn("skipped: deno@2.9.6 is not available");
  return deno ? [deno, "run", "-A", "--unstable-net", join(root, "src/main.ts")] : undefined;
}

async function startBalancer(programs: Programs, command: readonly string[], flags: readonly string[]) {
  // Without a reusable connection, every request needs a new descriptor.
  const origin = await startOrigin((_, socket) => void socket.end(respondWith("ok", ["Connection: close"])));
  const file = inFolder(`${crypto.randomUUID()}.yaml`);
  // A busy machine may answer late, which is not what these tests look for.
  const probe = "probe: { path: /up, interval: 200ms, changingInterval: 100ms, timeout: 10s, fall: 2 }";
  const upstreams = `upstreams: [{ url: "${origin.url}", name: a }, { url: "http://localhost:${origin.port}", name: b }]`;
  writeFileSync(file, `pools:\n  main: { ${probe}, ${upstreams} }\n`);
  const ports = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1"];
  const proxy = programs.start([...command, "proxy", ...ports, "--config", file, ...flags]);
  const port = await proxy.port("balancer", 20_000);
  const admin = await RawClient.connect(await proxy.port("admin"));
  const read = async (path: string) => (await admin.send(get(path)).readResponse()).body.toString();
  const snapshot = async () => JSON.parse(await read("/api/snapshot")) as Snapshot;
  const statuses = async () =>
    (await snapshot()).pools.flatMap((pool) => pool.upstreams).map(({ status }) => status);
  const metric = async (line: string) =>
    Number(new RegExp(`^${line} (\\d+)$`, "m").exec(await read("/metrics"))?.[1] ?? 0);
  const events = async () => (JSON.parse(await read("/api/events")) as { events: BalancerEvent[] }).events;
  await until(async () => (await statuses()).every((status) => status === "passing"), "passing upstreams");
  return { origin, proxy, port, snapshot, statuses, metric, events, read };
}

describe("a balancer without free descriptors", () => {
  const clients: RawClient[] = [];
  afterAll(() => void clients.forEach((client) => client.destroy()));

  const onBun = engineNames.flatMap((engine) => [
    { runtime: "bun", flags: ["--engine", engine], endsToo: engine === "wire" },
    { runtime: "bun", flags: ["--engine", engine, "--workers", "2"], endsToo: false },
  ]);
  // One engine: on Deno, both learn of descriptors from the same sockets of node.
  const onDeno = { runtime: "deno", flags: ["--engine", "wire"], endsToo: false };
  test.each([...onBun, onDeno])(
    "blames no upstream, says so everywhere, and serves again at once: $runtime $flags",
    async ({ runtime, flags, endsToo }) => {
      const command = runtime === "bun" ? fromBuild : await denoCommand();
      if (!command) return;
      await using programs = new Programs();
      const { origin, proxy, port, ...seen } = await startBalancer(programs, command, flags);
      const client = await RawClient.connect(port);
      clients.push(client);
      expect((await client.send(get("/")).readResponse()).status).toBe(200);
      const { workers = [] } = await seen.snapshot();
      const pids = [proxy.pid, ...workers.map(({ pid }) => pid)];

      for (const pid of pids) limitFiles(pid, 8);
      let refused = 0;
      for (; refused < 12; refused++) {
        const request = refused < 11 ? get("/") : webSocket;
        // The fetch engine may close the client's connection between two requests.
        const response = await client
          .send(request)
          .readResponse()
          .catch(() => undefined);
        if (!response) break;
        expect([response.status, response.header("proxy-status")]).toEqual([
          503,
          'evenkeel; error=proxy_internal_error; details="balancer_exhausted"',
        ]);
      }
      expect(refused).toBeGreaterThan(flags.includes("wire") ? 11 : 0);
      // Probes go on, and each fails to get a socket.
      const failures = () => seen.metric('evenkeel_exhausted_total{code="EMFILE"}');
      await until(async () => (await failures()) >= 30, "probes without a socket", 15_000);
      await until(async () => (await seen.snapshot()).exhaustion, "the alert");
      const during = await seen.snapshot();
      expect(during.exhaustion).toMatchObject({ code: "EMFILE" });
      expect(
        during.pools[0]?.upstreams.map(({ status, errorsByReason, probeHistory }) => ({
          status,
          errorsByReason,
          failedProbes: probeHistory.includes("-"),
        })),
      ).toEqual([
        { status: "passing", errorsByReason: {}, failedProbes: false },
        { status: "passing", errorsByReason: {}, failedProbes: false },
      ]);
      expect(during.pools[0]?.refusals).toMatchObject({ balancer_exhausted: refused });

      for (const pid of pids) limitFiles(pid, 1_024);
      // The fetch engine may have closed the client's connection, which was idle.
      const again = async () => sendRequest(port, get("/")).catch(() => undefined);
      await until(async () => (await again())?.body.toString() === "ok", "service", 3_000);
      const changes = async () =>
        (await seen.events())
          .filter(({ kind }) => kind === "exhaustion")
          .map(({ to, reason }) => [to, reason]);
      expect(await changes()).toEqual([["exhausted", "EMFILE"]]);
      if (endsToo) {
        await until(async () => (await seen.snapshot()).exhaustion === undefined, "the end", 20_000);
        expect(await changes()).toEqual([
          ["exhausted", "EMFILE"],
          ["calm", "EMFILE"],
        ]);
      }
      const events = await seen.events();
      expect(events.filter(({ kind, to }) => kind === "outlier" || to === "failing")).toEqual([]);
      await origin.close();
    },
    90_000,
  );
});

/** Holds connections, and opens each again half a second after it is closed. */
function holdConnections(count: number, port: number, bytes: string) {
  const sockets = new Set<Socket>();
  let isOver = false;
  const open = () => {
    const socket = connect(port, "127.0.0.1", () => void (bytes && socket.write(bytes)));
    sockets.add(socket);
    socket.on("data", () => {}).on("error", () => {});
    socket.on("close", () => {
      sockets.delete(socket);
      if (!isOver) setTimeout(open, 500);
    });
  };
  for (let i = 0; i < count; i++) open();
  return () => {
    isOver = true;
    for (const socket of sockets) socket.destroy();
  };
}

test.each([...engineNames])(
  "a flood of silent connections and stream readers at the admin port harms nobody: %s engine",
  async (engine) => {
    await using programs = new Programs();
    const limited = ["sh", "-c", 'ulimit -n 256; exec "$@"', "sh", ...fromBuild];
    const { origin, proxy, port } = await startBalancer(programs, limited, ["--engine", engine]);
    const admin = await proxy.port("admin");
    const ends = [
      holdConnections(300, admin, ""),
      holdConnections(50, admin, "GET /api/sna"),
      holdConnections(300, admin, get("/api/stream")),
    ];
    const probesBefore = origin.requests.filter(({ target }) => target === "/up").length;
    const probes = () => origin.requests.filter(({ target }) => target === "/up").length - probesBefore;
    let requests = 0;
    await until(
      async () => {
        expect((await sendRequest(port, get("/"))).status).toBe(200);
        requests += 1;
        return probes() >= 40 && requests >= 50;
      },
      "probes and requests",
      40_000,
    );
    // Streams are limited, so that there is room for others; and so are connections that only wait.
    const ready = async () => {
      const response = await sendRequest(admin, get("/readyz")).catch(() => undefined);
      return response?.status === 200;
    };
    await until(ready, "readiness during the flood", 40_000);
    for (const end of ends) end();
    await until(ready, "readiness after the flood");
    // Connections of the flood that the kernel still holds may take the place of one that waits.
    const read = async (path: string) => {
      let body = "";
      const ask = async () => {
        const response = await sendRequest(admin, get(path)).catch(() => undefined);
        body = response?.body.toString() ?? "";
        return response?.status === 200;
      };
      await until(ask, path);
      return body;
    };
    const { pools, exhaustion } = JSON.parse(await read("/api/snapshot")) as Snapshot;
    expect(exhaustion).toBeUndefined();
    for (const { status, probeHistory, errorsByReason } of pools[0]?.upstreams ?? [])
      expect([status, probeHistory.includes("-"), errorsByReason]).toEqual(["passing", false, {}]);
    expect(await read("/metrics")).not.toMatch(/^evenkeel_exhausted_total[{]/m);
    const { events } = JSON.parse(await read("/api/events")) as { events: BalancerEvent[] };
    expect(events.filter(({ kind, to }) => kind === "exhaustion" || to === "failing")).toEqual([]);
    await origin.close();
  },
  120_000,
);

test.each([...engineNames])(
  "idle connections give way when descriptors are short: %s engine",
  async (engine) => {
    await using programs = new Programs();
    const held: Socket[] = [];
    const origin = await startOrigin((_, socket) => void held.push(socket));
    const ports = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1"];
    const proxy = programs.start([
      ...fromBuild,
      "proxy",
      ...ports,
      "--engine",
      engine,
      "--upstreams",
      origin.url,
    ]);
    const port = await proxy.port("balancer");
    const clients = await Promise.all(Array.from({ length: 5 }, () => RawClient.connect(port)));
    for (const client of clients) client.send(get("/"));
    await until(() => held.length === 5, "the requests");
    for (const socket of held) socket.write(respondWith("ok"));
    await Promise.all(clients.map((client) => client.readResponse()));
    expect([origin.open() >= 5, clients.some(({ isClosed }) => isClosed)]).toEqual([true, false]);
    limitFiles(proxy.pid, 8);
    // They would stay for fifteen seconds and for more than a minute.
    const isReleased = () =>
      engine === "wire" ? origin.open() === 0 : clients.every(({ isClosed }) => isClosed);
    await until(isReleased, "the end of idle connections", 5_000);
    limitFiles(proxy.pid, 1_024);
    for (const client of clients) client.destroy();
    await origin.close();
  },
  30_000,
);
