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
  /** Addresses of more upstreams, by name; they are not demo servers. */
  readonly others?: Readonly<Record<string, string>>;
  /** More lines of the pool. */
  readonly pool?: string;
}

const quickProbes = "{ path: /readyz, interval: 400ms, changingInterval: 100ms }";
let files = 0;

/** Demo servers behind a balancer, with frequent probes: otherwise the tests mostly wait for the next one. */
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
    const demoUpstreams = names.map(
      (name, i) => `http://127.0.0.1:${ports[i]};name=${name};weight=${weight}`,
    );
    const all = [...demoUpstreams, ...Object.entries(others).map(([name, url]) => `${url};name=${name}`)];
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
  const waitForStatus = (id: string, status: string, limitMs = 8_000) =>
    until(async () => (await upstream(id))?.status === status, `${id} to be ${status}`, limitMs);
  return { backends, ports, proxy, url, admin, snapshot, upstream, waitForStatus, serve, write };
}

/**
 * A steady load of GETs and some POSTs. It is warm when slow first responses of new processes are below one per cent,
 * because the stall threshold depends on the p99 latency.
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
  // Percentiles are those of a minute: what was slow in it on a busy machine has to leave it.
  await until(isWarm, "a warm load", 75_000);
  gets.worstMs();
  return { gets, posts, more, stop: () => Promise.all([gets.stop(), posts.stop()]) };
}

type Cluster = Awaited<ReturnType<typeof cluster>>;

describe.each([...engineNames])("clients of the %s engine under load see no error from", (engine) => {
  // The tests share one balancer and its servers, since starting them takes longest; the last test ends it.
  const shared = new Programs();
  let all: Cluster;
  beforeAll(async () => void (all = await cluster(shared, { engine })), 30_000);
  afterAll(() => shared[Symbol.asyncDispose]());

  test("SIGKILL of one of three, and its restart", async () => {
    const { backends, ports, waitForStatus, serve } = all;
    const load = await mixedLoad(all);
    await backends[1]?.kill("SIGKILL");
    await waitForStatus("b", "failing");
    await load.more(200);
    serve("b", ports[1]);
    await waitForStatus("b", "passing");
    await load.more(200);
    await load.stop();
    expect(load.gets.failures).toEqual([]);
    // POSTs that it had received.
    expect(load.posts.failures.length).toBeLessThanOrEqual(3);
  }, 120_000);

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
  }, 120_000);

  test("SIGSTOP of one of three, and SIGCONT: its POSTs wait for it", async () => {
    const { backends, waitForStatus, upstream } = all;
    const load = await mixedLoad(all);
    backends[2]?.child.kill("SIGSTOP");
    await waitForStatus("c", "failing");
    await until(async () => (await upstream("c"))?.inFlight === 3, "only POSTs to wait there");
    expect((await upstream("c"))?.rescues).toBe(12);
    await load.more(500);
    const worst = load.gets.worstMs();
    expect(worst).toBeLessThan(4_000);
    backends[2]?.child.kill("SIGCONT");
    await waitForStatus("c", "passing");
    await load.more(200);
    await load.stop();
    expect([...load.gets.failures, ...load.posts.failures]).toEqual([]);
    if (process.env["CHAOS_FIGURES"]) console.log(`${engine}: ${Math.round(worst)} ms under SIGSTOP`);
  }, 120_000);

  test("SIGTERM with forty slow requests in flight: all finish, and it exits with 0", async () => {
    const { url, proxy, snapshot } = all;
    const slow = Array.from({ length: 40 }, () => fetch(`${url}/work?ms=1500`).then(({ status }) => status));
    const inFlight = async () =>
      (await snapshot()).pools[0]?.upstreams.reduce((sum, upstream) => sum + upstream.inFlight, 0);
    await until(async () => (await inFlight()) === 40, "all of them to be in flight");
    proxy.child.kill("SIGTERM");
    expect(await Promise.all(slow)).toEqual(Array.from({ length: 40 }, () => 200));
    expect(await proxy.exited).toEqual({ code: 0, signal: null });
  }, 30_000);

  test("a port that drops connection attempts", async () => {
    await using programs = new Programs();
    const narrow = programs.start([
      process.execPath,
      join(import.meta.dirname, "../support/narrow-server.ts"),
    ]);
    const port = await narrow.port("narrow");
    const others = { narrow: `http://127.0.0.1:${port}` };
    const all = await cluster(programs, { engine, names: ["a", "b"], others });
    const { waitForStatus } = all;
    const load = await mixedLoad(all);
    expect(load.gets.servers.get("narrow")).toBeGreaterThan(0);
    narrow.child.kill("SIGSTOP");
    const fillers = Array.from({ length: 4 }, () =>
      connect({ port, host: "127.0.0.1" }).on("error", () => {}),
    );
    await waitForStatus("narrow", "failing");
    await load.more(300);
    expect(load.gets.worstMs()).toBeLessThan(4_000);
    expect(load.gets.failures).toEqual([]);
    narrow.child.kill("SIGCONT");
    await load.stop();
    for (const filler of fillers) filler.destroy();
    expect([...load.gets.failures, ...load.posts.failures]).toEqual([]);
  }, 120_000);

  test("three seconds without any upstream, with a queue", async () => {
    await using programs = new Programs();
    const pool = `probe: ${quickProbes}\n    queue: { whenNoneFit: true, timeout: 15s }`;
    const all = await cluster(programs, { engine, names: ["a", "b"], pool });
    const { backends, ports, snapshot, serve, waitForStatus } = all;
    await Promise.all(backends.map((backend) => backend.kill("SIGKILL")));
    for (const id of ["a", "b"]) await waitForStatus(id, "failing");
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
  "clients of the %s engine without an HTTP probe path see no error from",
  (engine) => {
    const shared = new Programs();
    const origins: Origin[] = [];
    /** Which of the two scripted origins fails at present. */
    let failing: "resetting" | "unavailable" | undefined;
    let all: Cluster;

    beforeAll(async () => {
      let connections = 0;
      const resetting = await startOrigin({
        onConnect: (socket) =>
          void (failing === "resetting" && (connections += 1) % 2 === 0 && socket.resetAndDestroy()),
        respond: (_, socket) =>
          void socket.end(respondWith('{"server":{"name":"resetting"}}', ["Connection: close"])),
      });
      const unavailable = await startOrigin((_, socket) => {
        const status = failing === "unavailable" ? "503 Service Unavailable" : "200 OK";
        socket.write(respondWith('{"server":{"name":"unavailable"}}', [], status));
      });
      origins.push(resetting, unavailable);
      all = await cluster(shared, {
        engine,
        others: { resetting: resetting.url, unavailable: unavailable.url },
        // Each test may leave one upstream ejected.
        pool: "retryStatuses: [503]\n    outlier: { maxEjected: 1 }",
      });
    }, 30_000);
    afterAll(async () => {
      await shared[Symbol.asyncDispose]();
      for (const origin of origins) await origin.close();
    });
    afterEach(() => void (failing = undefined));

    test("an upstream that resets every second connection", async () => {
      const { url, snapshot } = all;
      failing = "resetting";
      const gets = startLoad(`${url}/work`, 24);
      await until(() => gets.count > 1_000, "load", 10_000);
      await gets.stop();
      expect(gets.failures).toEqual([]);
      expect((await snapshot()).pools[0]?.retries).toBeGreaterThan(0);
    }, 30_000);

    test("an upstream that responds with 503, with 503 in retryStatuses", async () => {
      const { url, waitForStatus } = all;
      failing = "unavailable";
      const gets = startLoad(`${url}/work`, 12);
      await waitForStatus("unavailable", "ejected");
      const { count } = gets;
      await until(() => gets.count > count + 300, "load without it", 10_000);
      await gets.stop();
      expect(gets.failures).toEqual([]);
    }, 30_000);

    test("SIGSTOP of one of three with TCP probes", async () => {
      const { backends, waitForStatus } = all;
      const load = await mixedLoad(all);
      backends[0]?.child.kill("SIGSTOP");
      await waitForStatus("a", "ejected");
      await load.more(500);
      expect(load.gets.worstMs()).toBeLessThan(4_000);
      expect(load.gets.failures).toEqual([]);
      backends[0]?.child.kill("SIGCONT");
      await load.stop();
      expect([...load.gets.failures, ...load.posts.failures]).toEqual([]);
    }, 120_000);
  },
);
