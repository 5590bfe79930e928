import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

import { type EngineName, engineNames } from "../../src/config/config.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startLoad } from "../support/load.ts";
import { respondWith, type Origin, startOrigin } from "../support/origin.ts";
import { Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("chaos");

interface ClusterOptions {
  readonly engine: EngineName;
  readonly names?: readonly string[];
  /** Addresses of further upstreams, which are not programs of ours. */
  readonly others?: Readonly<Record<string, string>>;
  /** Further lines of the pool. */
  readonly pool?: string;
}

const quickProbes = "{ path: /readyz, interval: 400ms, changingInterval: 100ms }";
let files = 0;

/** Demo servers behind a balancer, with quick probes: the tests would otherwise mostly wait for the next one. */
async function cluster(programs: Programs, options: ClusterOptions) {
  const { engine, names = ["a", "b", "c"], others = {}, pool = `probe: ${quickProbes}` } = options;
  const serve = (name: string, port = 0) =>
    programs.evenkeel(
      ...["backend", "--port", String(port), "--host", "127.0.0.1", "--name", name, "--latency", "20-30ms"],
    );
  const backends = names.map((name) => serve(name));
  const ports = await Promise.all(backends.map((backend) => backend.port("backend")));
  const file = inFolder(`${(files += 1)}.yaml`);
  const write = (weight = 1) => {
    const own = names.map((name, i) => `http://127.0.0.1:${ports[i]};name=${name};weight=${weight}`);
    const all = [...own, ...Object.entries(others).map(([name, url]) => `${url};name=${name}`)];
    const lines = all.map((entry) => `      - "${entry}"\n`).join("");
    writeFileSync(file, `pools:\n  main:\n    ${pool}\n    slowStart: 0\n    upstreams:\n${lines}`);
  };
  write();
  const proxy = programs.evenkeel(
    ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
    ...["--config", file, "--engine", engine],
  );
  const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  const snapshot = async () => (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
  const upstream = async (id: string) =>
    (await snapshot()).pools[0]?.upstreams.find((candidate) => candidate.id === id);
  const turns = (id: string, status: string, limitMs = 8_000) =>
    until(async () => (await upstream(id))?.status === status, `${id} to be ${status}`, limitMs);
  return { backends, ports, proxy, url, admin, snapshot, upstream, turns, serve, write };
}

/**
 * GETs all the time, and some POSTs. Warm when the slow first answers of new processes are less than one in a hundred:
 * patience with an upstream goes by that.
 */
async function mixedLoad({ url, snapshot }: Pick<Cluster, "url" | "snapshot">) {
  const gets = startLoad(`${url}/work`, 12);
  const posts = startLoad(`${url}/work`, 3, () => ({ method: "POST", body: "x".repeat(500) }));
  const more = async (count: number) => {
    const before = gets.count;
    await until(() => gets.count >= before + count, `${count} more requests`, 10_000);
  };
  const isWarm = async () =>
    (await snapshot()).pools[0]?.upstreams.every(
      ({ status, traffic }) => status === "ejected" || (traffic.p99Ms ?? Infinity) < 330,
    );
  await until(isWarm, "a warm load", 15_000);
  gets.worstMs();
  return { gets, posts, more, stop: () => Promise.all([gets.stop(), posts.stop()]) };
}

type Cluster = Awaited<ReturnType<typeof cluster>>;

describe.each([...engineNames])("under a steady load the %s engine shows clients nothing of", (engine) => {
  // One balancer and its servers live through several scenes, the last of which ends it: starting them takes longest.
  const shared = new Programs();
  let all: Cluster;
  beforeAll(async () => void (all = await cluster(shared, { engine })), 30_000);
  afterAll(() => shared[Symbol.asyncDispose]());

  test("SIGKILL of one of three, and its return", async () => {
    const { backends, ports, turns, serve } = all;
    const load = await mixedLoad(all);
    await backends[1]?.kill("SIGKILL");
    await turns("b", "failing");
    await load.more(200);
    serve("b", ports[1]);
    await turns("b", "passing");
    await load.more(200);
    await load.stop();
    expect(load.gets.failures).toEqual([]);
    // Those that it had received.
    expect(load.posts.failures.length).toBeLessThanOrEqual(3);
  }, 30_000);

  test("five reloads", async () => {
    const { admin, proxy, write } = all;
    const load = await mixedLoad(all);
    for (const times of [1, 2, 3, 4, 5]) {
      write(1 + times);
      proxy.child.kill("SIGHUP");
      const line = `evenkeel_config_reload_total{result="applied"} ${times}`;
      const metrics = async () => (await fetch(`${admin}/metrics`)).text();
      await until(async () => (await metrics()).includes(line), `reload ${times}`);
      await load.more(50);
    }
    await load.stop();
    expect([...load.gets.failures, ...load.posts.failures]).toEqual([]);
  }, 30_000);

  test("SIGSTOP of one of three, and SIGCONT: its POSTs wait for it", async () => {
    const { backends, turns, upstream } = all;
    const load = await mixedLoad(all);
    backends[2]?.child.kill("SIGSTOP");
    await turns("c", "failing");
    await until(async () => (await upstream("c"))?.inFlight === 3, "nothing but POSTs to wait there");
    expect((await upstream("c"))?.rescues).toBe(12);
    await load.more(500);
    const worst = load.gets.worstMs();
    expect(worst).toBeLessThan(4_000);
    backends[2]?.child.kill("SIGCONT");
    await turns("c", "passing");
    await load.more(200);
    await load.stop();
    expect([...load.gets.failures, ...load.posts.failures]).toEqual([]);
    if (process.env["CHAOS_FIGURES"]) console.log(`${engine}: ${Math.round(worst)} ms under SIGSTOP`);
  }, 30_000);

  test("SIGTERM with forty slow requests in flight: all finish, and it exits with 0", async () => {
    const { url, proxy, snapshot } = all;
    const slow = Array.from({ length: 40 }, () => fetch(`${url}/work?ms=1500`).then(({ status }) => status));
    const inFlight = async () =>
      (await snapshot()).pools[0]?.upstreams.reduce((sum, upstream) => sum + upstream.inFlight, 0);
    await until(async () => (await inFlight()) === 40, "all of them to be under way");
    proxy.child.kill("SIGTERM");
    expect(await Promise.all(slow)).toEqual(Array.from({ length: 40 }, () => 200));
    expect(await proxy.exited).toEqual({ code: 0, signal: null });
  }, 30_000);

  test("a port that swallows connects", async () => {
    await using programs = new Programs();
    const narrow = programs.start([
      process.execPath,
      join(import.meta.dirname, "../support/narrow-server.ts"),
    ]);
    const port = await narrow.port("narrow");
    const others = { narrow: `http://127.0.0.1:${port}` };
    const all = await cluster(programs, { engine, names: ["a", "b"], others });
    const { turns } = all;
    const load = await mixedLoad(all);
    expect(load.gets.servers.get("narrow")).toBeGreaterThan(0);
    narrow.child.kill("SIGSTOP");
    const fillers = Array.from({ length: 4 }, () =>
      connect({ port, host: "127.0.0.1" }).on("error", () => {}),
    );
    await turns("narrow", "failing");
    await load.more(300);
    expect(load.gets.worstMs()).toBeLessThan(4_000);
    expect(load.gets.failures).toEqual([]);
    narrow.child.kill("SIGCONT");
    await load.stop();
    for (const filler of fillers) filler.destroy();
    expect([...load.gets.failures, ...load.posts.failures]).toEqual([]);
  }, 30_000);

  test("three seconds without any upstream, where requests may wait for one", async () => {
    await using programs = new Programs();
    const pool = `probe: ${quickProbes}\n    queue: { whenNoneFit: true, timeout: 15s }`;
    const all = await cluster(programs, { engine, names: ["a", "b"], pool });
    const { backends, ports, snapshot, serve, turns } = all;
    await Promise.all(backends.map((backend) => backend.kill("SIGKILL")));
    for (const id of ["a", "b"]) await turns(id, "failing");
    const gets = startLoad(`${all.url}/work`, 12);
    await until(async () => (await snapshot()).pools[0]?.queued === 12, "all clients to wait");
    const since = performance.now();
    await until(() => performance.now() - since > 3_000, "three seconds to pass");
    expect(gets.count).toBe(0);
    for (const [i, name] of ["a", "b"].entries()) serve(name, ports[i]);
    await until(() => gets.count > 200, "load again", 10_000);
    await gets.stop();
    expect(gets.failures).toEqual([]);
  }, 30_000);
});

describe.each([...engineNames])(
  "without probes of a path the %s engine shows clients nothing of",
  (engine) => {
    const shared = new Programs();
    const origins: Origin[] = [];
    /** Which of the two that are no programs of ours misbehaves at present. */
    let unwell: "moody" | "sick" | undefined;
    let all: Cluster;

    beforeAll(async () => {
      let connections = 0;
      const moody = await startOrigin({
        onConnect: (socket) =>
          void (unwell === "moody" && (connections += 1) % 2 === 0 && socket.resetAndDestroy()),
        respond: (_, socket) =>
          void socket.end(respondWith('{"server":{"name":"moody"}}', ["Connection: close"])),
      });
      const sick = await startOrigin((_, socket) => {
        const status = unwell === "sick" ? "503 Service Unavailable" : "200 OK";
        socket.write(respondWith('{"server":{"name":"sick"}}', [], status));
      });
      origins.push(moody, sick);
      all = await cluster(shared, {
        engine,
        others: { moody: moody.url, sick: sick.url },
        // Each scene may leave one ejected.
        pool: "retryStatuses: [503]\n    outlier: { maxEjected: 1 }",
      });
    }, 30_000);
    afterAll(async () => {
      await shared[Symbol.asyncDispose]();
      for (const origin of origins) await origin.close();
    });
    afterEach(() => void (unwell = undefined));

    test("an upstream that resets every second connection", async () => {
      const { url, snapshot } = all;
      unwell = "moody";
      const gets = startLoad(`${url}/work`, 24);
      await until(() => gets.count > 1_000, "load", 10_000);
      await gets.stop();
      expect(gets.failures).toEqual([]);
      expect((await snapshot()).pools[0]?.retries).toBeGreaterThan(0);
    }, 30_000);

    test("an upstream that answers 503 to everything, where that may be tried elsewhere", async () => {
      const { url, turns } = all;
      unwell = "sick";
      const gets = startLoad(`${url}/work`, 12);
      await turns("sick", "ejected");
      const { count } = gets;
      await until(() => gets.count > count + 300, "load without it", 10_000);
      await gets.stop();
      expect(gets.failures).toEqual([]);
    }, 30_000);

    test("SIGSTOP of one of three that only TCP checks look at", async () => {
      const { backends, turns } = all;
      const load = await mixedLoad(all);
      backends[0]?.child.kill("SIGSTOP");
      await turns("a", "ejected");
      await load.more(500);
      expect(load.gets.worstMs()).toBeLessThan(4_000);
      expect(load.gets.failures).toEqual([]);
      backends[0]?.child.kill("SIGCONT");
      await load.stop();
      expect([...load.gets.failures, ...load.posts.failures]).toEqual([]);
    }, 30_000);
  },
);
