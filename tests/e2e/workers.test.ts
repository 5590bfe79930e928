import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import { engineNames } from "../../src/config/config.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import { BalancerFixture } from "../support/balancer-fixture.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startLoad } from "../support/load.ts";
import { type Responder, respondWith, delayed, startOrigin } from "../support/origin.ts";
import { isGone, type Program, Programs } from "../support/program.ts";
import { RawClient } from "../support/raw-client.ts";
import { until } from "../support/wait.ts";

type Flags = readonly string[];

const inFolder = temporaryFolder("workers");

async function balancer(programs: Programs, upstreams: readonly string[], flags: Flags) {
  const proxy = programs.evenkeel(
    ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--workers", "2"],
    ...["--upstreams", upstreams.join(","), ...flags],
  );
  const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  const snapshot = async () => (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
  const upstream = async (id: string) =>
    (await snapshot()).pools[0]?.upstreams.find((candidate) => candidate.id === id);
  const workers = async () => (await snapshot()).workers ?? [];
  const metric = async (name: string) => {
    const text = await (await fetch(`${admin}/metrics`)).text();
    const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`));
    return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  };
  const plain = async (name: string) => {
    const text = await (await fetch(`${admin}/metrics`)).text();
    return Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1]);
  };
  const events = async () =>
    ((await (await fetch(`${admin}/api/events`)).json()) as { events: BalancerEvent[] }).events;
  return { proxy, url, admin, snapshot, upstream, workers, metric, plain, events };
}

/** Upstreams that respond with their name, as the load expects; `pace` may delay the responses. */
async function origins(
  names: readonly string[],
  pace: (response: Responder) => Responder = (response) => response,
) {
  const all = await Promise.all(
    names.map((name) =>
      startOrigin(pace((_, socket) => void socket.write(respondWith(JSON.stringify({ server: { name } }))))),
    ),
  );
  return {
    urls: all.map(({ port }, i) => `http://127.0.0.1:${port};name=${names[i]}`),
    requests: () => all.map(({ requests }) => requests.length),
    [Symbol.asyncDispose]: async () => void (await Promise.all(all.map((origin) => origin.close()))),
  };
}

/** Resolves when one of the workers was restarted and all serve. */
async function replaced(workers: () => Promise<NonNullable<Snapshot["workers"]>>): Promise<void> {
  await until(async () => (await workers()).some(({ restarts }) => restarts === 1), "a restart", 20_000);
  await until(async () => (await workers()).every(({ ready }) => ready), "all workers to serve", 15_000);
}

/** The worker events, oldest first. */
async function workerEvents(events: () => Promise<readonly BalancerEvent[]>) {
  const recorded = (await events()).filter(({ kind }) => kind === "worker");
  return { changes: recorded.map(({ from, to }) => `${from} ${to}`), first: recorded[0]?.detail };
}

/** The servers that respond to new connections; the load must not fail. */
async function respondingServers(url: string): Promise<readonly string[]> {
  const load = startLoad(url, 4, () => ({ headers: { connection: "close" } }));
  await until(() => load.count > 60, "load");
  await load.stop();
  expect(load.failures).toEqual([]);
  return [...load.servers.keys()];
}

/** Sends requests on new connections one after the other, so that the kernel spreads them over the workers. */
async function sendRequests(url: string, times: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < times; i++) {
    statuses.push((await fetch(url, { headers: { connection: "close" } })).status);
  }
  return statuses;
}

const haveExited = (pids: readonly number[]) => () => pids.every(isGone);

for (const engine of engineNames) {
  const flags = ["--engine", engine];
  describe(`two workers with the ${engine} engine`, () => {
    test.concurrent("both serve on one port, and their counts add up exactly", async () => {
      await using programs = new Programs();
      await using servers = await origins(["a", "b"]);
      const { url, proxy, snapshot, workers, metric } = await balancer(programs, servers.urls, flags);
      await sendRequests(url, 100);
      await until(
        async () => (await snapshot()).pools[0]?.traffic.requests === 100,
        "the counts to be reported",
      );
      // Most requests use idle connections; the fetch engine cannot count connects.
      const connected = await metric("evenkeel_upstream_connect_duration_seconds_count");
      if (engine === "wire") expect(connected).toBeWithin(2, 100);
      else expect(connected).toBe(0);
      const supervisors = await workers();
      expect(supervisors.map(({ requests }) => requests > 0)).toEqual([true, true]);
      expect(supervisors.reduce((sum, { requests }) => sum + requests, 0)).toBe(100);
      expect(new Set([proxy.pid, ...supervisors.map(({ pid }) => pid)]).size).toBe(3);
      const { traffic, upstreams } = (await snapshot()).pools[0] ?? {};
      expect(traffic).toMatchObject({ requests: 100, errors: 0 });
      expect(traffic?.p50Ms).toBeGreaterThan(0);
      expect(upstreams?.map((upstream) => upstream.traffic.requests)).toEqual(servers.requests());
      expect(await metric("evenkeel_requests_total")).toBe(100);
      expect(await metric("evenkeel_request_duration_seconds_count")).toBe(100);
    });

    test.concurrent(
      "both keep the configured limits, and eject no server for a response that breaks them",
      async () => {
        await using programs = new Programs();
        const fields = (count: number) => Array.from({ length: count }, (_, i) => [`x-${i}`, "a"] as const);
        const origin = await startOrigin(({ target }, socket) => {
          const many = target === "/many" ? fields(30).map((field) => field.join(": ")) : [];
          socket.write(respondWith("ok", many));
        });
        const config = inFolder(`limits-${engine}.yaml`);
        writeFileSync(
          config,
          `limits: { requestFields: 20, responseFields: 25 }\npools: { main: { upstreams: [${origin.url};name=a], outlier: { consecutiveFailures: 2 } } }\n`,
        );
        const proxy = programs.evenkeel(
          ...["proxy", "--config", config, "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
          ...["--workers", "2", "--state", ":memory:", ...flags],
        );
        const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
        const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
        const close = { connection: "close" };
        for (let i = 0; i < 12; i++) {
          const headers = { ...close, ...Object.fromEntries(fields(30)) };
          expect((await fetch(url, { headers })).status).toBe(431);
          const refused = await fetch(`${url}/many`, { headers: close });
          expect([refused.status, await refused.text()]).toEqual([
            502,
            expect.stringContaining(
              "answer_refused: The upstream's response was refused: more than 25 header fields.",
            ),
          ]);
          expect((await fetch(url, { headers: close })).status).toBe(200);
        }
        expect(origin.requests.filter(({ target }) => target === "/many").length).toBe(12);
        const metrics = async () => (await fetch(`${admin}/metrics`)).text();
        const counted =
          'evenkeel_upstream_failures_total{pool="main",upstream="a",reason="answer_refused"} 12\n';
        await until(async () => (await metrics()).includes(counted), "the refused responses to be counted");
        expect(await metrics()).not.toMatch(/^evenkeel_ejections_total\{/m);
        await origin.close();
      },
    );

    test.concurrent(
      "one that is killed loses only its requests in flight, is restarted, and no counter decreases",
      async () => {
        await using programs = new Programs();
        await using servers = await origins(["a", "b"], delayed);
        const { url, workers, metric, events } = await balancer(programs, servers.urls, flags);
        const clients = 16;
        const load = startLoad(url, clients);
        await until(() => load.count > 500, "a warm load");
        await until(async () => (await metric("evenkeel_requests_total")) > 500, "the counts");
        const before = await metric("evenkeel_requests_total");
        const [victim] = (await workers()).map(({ pid }) => pid);
        process.kill(victim ?? 0, "SIGKILL");
        await replaced(workers);
        const { count } = load;
        await until(() => load.count > count + 500, "more load");
        await load.stop();
        expect(load.failures.length).toBeLessThanOrEqual(clients);
        expect((await workers()).map(({ pid }) => pid)).not.toContain(victim);
        expect(await metric("evenkeel_requests_total")).toBeGreaterThanOrEqual(before);
        expect(await workerEvents(events)).toEqual({
          changes: ["serving gone", "gone serving"],
          first: `pid ${victim}: SIGKILL`,
        });
        await sendRequests(url, 20);
      },
    );

    test.concurrent(
      "a draining upstream gets no new requests from either, and is reported as drained",
      async () => {
        await using programs = new Programs();
        const waiting: (() => void)[] = [];
        const slow = await startOrigin(({ target }, socket) => {
          const response = () => socket.write(respondWith("late"));
          if (target === "/slow") waiting.push(response);
          else response();
        });
        await using servers = await origins(["b"]);
        const upstreams = [`http://127.0.0.1:${slow.port};name=a`, ...servers.urls];
        const { url, admin, snapshot, upstream } = await balancer(programs, upstreams, flags);
        const responses = [1, 2, 3, 4].map(() => fetch(`${url}/slow`));
        await until(() => waiting.length >= 1, "a request to arrive");
        await until(async () => ((await upstream("a"))?.inFlight ?? 0) >= 1, "it to be counted");
        const drained = fetch(`${admin}/api/upstreams/a/drain?wait=10s`, { method: "POST" });
        await until(async () => (await upstream("a"))?.mode === "draining", "the drain to be applied");
        await sendRequests(url, 40);
        expect((await upstream("a"))?.drain).toMatchObject({ drained: false });
        for (const response of waiting.splice(0)) response();
        expect(await (await drained).json()).toMatchObject({ drained: true, inFlight: 0 });
        // Of both, also those without a request. Bun's server does not tell.
        const clients = async () => (await snapshot()).clients;
        const idle = await Promise.all(
          Array.from({ length: 100 }, () => RawClient.connect(Number(new URL(url).port))),
        );
        if ((await snapshot()).engine === "fetch") expect(await clients()).toBeNull();
        else {
          // The connections of the requests above may be among them, 44 at most.
          await until(async () => ((await clients()) ?? 0) >= 100, "the clients to be counted");
          const open = (await clients()) ?? 0;
          for (const client of idle.splice(0)) client.destroy();
          await until(async () => ((await clients()) ?? open) <= open - 50, "their end to be counted");
        }
        for (const client of idle) client.destroy();
        const { length } = slow.requests;
        await Promise.all(responses);
        await sendRequests(url, 40);
        expect(slow.requests.length).toBe(length);
        await slow.close();
      },
    );

    test.concurrent("an upstream ejected by one is ejected in both, and counted once", async () => {
      await using programs = new Programs();
      await using servers = await origins(["good"]);
      // TCP probes only connect and pass.
      const bad = await startOrigin((_, socket) => void socket.destroy());
      const upstreams = [`http://127.0.0.1:${bad.port};name=bad`, ...servers.urls];
      const { url, admin, upstream, metric } = await balancer(programs, upstreams, flags);
      const one = await RawClient.connect(Number(new URL(url).port));
      // One connection: a single worker sees all requests.
      for (let i = 0; i < 12; i++) {
        one.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        await one.readResponse();
      }
      await until(async () => (await upstream("bad"))?.status === "ejected", "the ejection");
      expect((await upstream("bad"))?.outlier).toMatchObject({
        reason: "consecutive_failures",
        cause: "upstream_reset",
        count: 1,
      });
      expect(new Set(await sendRequests(url, 60))).toEqual(new Set([200]));
      // Each worker alone would need five failures.
      expect(bad.requests.length).toBeLessThan(10);
      expect(await metric("evenkeel_ejections_total")).toBe(1);
      const requestsBefore = bad.requests.length;
      await fetch(`${admin}/api/upstreams/bad/mode`, { method: "POST", body: '{"mode":"ready"}' });
      const statuses: number[] = [];
      const isTried = async () => {
        statuses.push(...(await sendRequests(url, 20)));
        return bad.requests.length > requestsBefore;
      };
      await until(isTried, "another attempt in both workers");
      expect(new Set(statuses)).toEqual(new Set([200]));
      one.socket.destroy();
      await bad.close();
    });

    test.concurrent(
      "queued requests of both are one number, in the snapshot and in the metrics",
      async () => {
        await using programs = new Programs();
        const waiting: (() => void)[] = [];
        const slow = await startOrigin(
          (_, socket) => void waiting.push(() => socket.write(respondWith("late"))),
        );
        const file = inFolder(`narrow-${engine}.yaml`);
        writeFileSync(
          file,
          `pools: { main: { maxInFlight: 2, queue: { timeout: 20s }, upstreams: ["${slow.url}"] } }\n`,
        );
        const { url, snapshot, metric } = await balancer(programs, [slow.url], [...flags, "--config", file]);
        // One slot for each worker: all other requests are queued.
        const responses = Array.from({ length: 12 }, async () => (await fetch(url)).text());
        const queued = async () => (await snapshot()).pools[0]?.queued ?? 0;
        await until(async () => (await queued()) === 12 - waiting.length && waiting.length > 0, "the queue");
        expect(await queued()).toBeGreaterThanOrEqual(10);
        expect(await metric("evenkeel_queue_depth")).toBe(await queued());
        let isDone = false;
        const all = Promise.all(responses).finally(() => (isDone = true));
        await until(() => (waiting.splice(0).forEach((response) => response()), isDone), "all to complete");
        expect(new Set(await all)).toEqual(new Set(["late"]));
        await until(async () => (await queued()) === 0, "the queue to be empty");
        await slow.close();
      },
    );

    test.concurrent(
      "SIGTERM under load fails no request of clients that observe readiness, and exits with 0",
      async () => {
        await using programs = new Programs();
        await using servers = await origins(["a", "b"], delayed);
        const { proxy, url, admin, workers } = await balancer(programs, servers.urls, [
          ...flags,
          ...["--drain-delay", "3s"],
        ]);
        const load = startLoad(url, 24);
        await until(() => load.count > 1_000, "a warm load");
        await until(async () => (await workers()).every(({ requests }) => requests > 0), "both to serve");
        const pids = (await workers()).map(({ pid }) => pid);
        for (const pid of [...pids, proxy.pid]) process.kill(pid, "SIGTERM");
        await until(async () => (await fetch(`${admin}/readyz`)).status === 503, "readiness to become 503");
        const { count } = load;
        await until(() => load.count > count + 200, "more requests to be served");
        await load.stop();
        expect(load.failures).toEqual([]);
        expect(await proxy.exited).toEqual({ code: 0, signal: null });
        expect(haveExited(pids)()).toBe(true);
      },
    );

    test.concurrent(
      "SIGTERM lets requests in flight finish, exits with 0, and leaves no process behind",
      async () => {
        await using programs = new Programs();
        const waiting: (() => void)[] = [];
        const slow = await startOrigin(
          (_, socket) => void waiting.push(() => socket.write(respondWith("late"))),
        );
        const { proxy, url, admin, workers } = await balancer(programs, [slow.url], flags);
        const pids = (await workers()).map(({ pid }) => pid);
        const responses = Array.from({ length: 6 }, async () => (await fetch(url)).text());
        await until(() => waiting.length === 6, "the requests to arrive");
        // Like a service manager or a terminal: all processes get the signal, only the parent acts.
        for (const pid of [...pids, proxy.pid]) process.kill(pid, "SIGTERM");
        const readiness = async () => (await fetch(`${admin}/readyz`)).status;
        await until(async () => (await readiness()) === 503, "readiness to become 503");
        const refused = () =>
          fetch(url, { headers: { connection: "close" } }).then(
            () => false,
            () => true,
          );
        await until(refused, "new connections to be refused");
        for (const response of waiting.splice(0)) response();
        expect(await Promise.all(responses)).toEqual(Array.from({ length: 6 }, () => "late"));
        expect(await proxy.exited).toEqual({ code: 0, signal: null });
        expect(haveExited(pids)()).toBe(true);
        await slow.close();
      },
    );
  });
}

describe("workers", () => {
  test.concurrent(
    "that hang are detected within seconds, killed and restarted, and that is recorded and counted",
    async () => {
      await using programs = new Programs();
      await using servers = await origins(["a", "b"]);
      const { proxy, url, workers, events, metric, plain } = await balancer(programs, servers.urls, []);
      expect(await plain("evenkeel_worker_restarts_total")).toBe(0);
      expect(await metric("evenkeel_workers")).toBe(2);
      const victim = (await workers())[0]?.pid ?? 0;
      process.kill(victim, "SIGSTOP");
      await replaced(workers);
      expect(isGone(victim)).toBe(true);
      expect(await workerEvents(events)).toEqual({
        changes: ["serving hung", "serving gone", "gone serving"],
        first: `pid ${victim}: no report for 10 s`,
      });
      expect(proxy.stderr).toContain("worker unresponsive");
      expect(await plain("evenkeel_worker_restarts_total")).toBe(1);
      expect(new Set(await sendRequests(url, 20))).toEqual(new Set([200]));
    },
    40_000,
  );

  const killed = async (proxy: Program, pids: readonly number[]) => {
    process.kill(proxy.pid, "SIGKILL");
    await until(haveExited(pids), "the workers to exit");
    await proxy.exited;
  };

  test.concurrent("exit when their parent is killed", async () => {
    await using programs = new Programs();
    await using servers = await origins(["a"]);
    const { proxy, workers } = await balancer(programs, servers.urls, []);
    await killed(
      proxy,
      (await workers()).map(({ pid }) => pid),
    );
  });

  test.concurrent("are ended with their requests at the drain deadline, and that is logged", async () => {
    await using programs = new Programs();
    let arrived = 0;
    const silent = await startOrigin(() => void (arrived += 1));
    const { proxy, url, workers } = await balancer(programs, [silent.url], ["--drain-timeout", "300ms"]);
    const pids = (await workers()).map(({ pid }) => pid);
    const response = fetch(url).catch(() => "cut");
    await until(() => arrived === 1, "the request to arrive");
    expect(await proxy.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(await response).toBe("cut");
    expect(proxy.stderr).toContain("shutdown deadline passed");
    await until(haveExited(pids), "the workers to exit");
    await silent.close();
  });

  test.concurrent(
    "do not share a port of another process, not even of other workers: one sentence, exit 2",
    async () => {
      await using programs = new Programs();
      await using servers = await origins(["a"]);
      const { url } = await balancer(programs, servers.urls, []);
      const taken = new URL(url).port;
      const other = await startOrigin(() => {});
      for (const port of [taken, String(other.port)]) {
        const late = programs.evenkeel(
          ...["proxy", "--host", "127.0.0.1", "--port", port, "--admin-port", "0", "--workers", "2"],
          ...["--upstreams", servers.urls[0] ?? ""],
        );
        expect((await late.exited).code).toBe(2);
        expect(late.stderr).toContain(
          `Cannot listen on 127.0.0.1:${port}: the address is already in use; set --port or listen.port.\n`,
        );
      }
      await other.close();
    },
  );

  test.concurrent("apply a reloaded configuration", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b");
    fixture.write(fixture.poolWith(["a"]));
    await fixture.start("--workers", "2");
    expect(new Set(await sendRequests(`${fixture.url}/work`, 10))).toEqual(new Set([200]));
    fixture.write(fixture.poolWith(["b"]));
    fixture.proxy.child.kill("SIGHUP");
    await fixture.reloaded("applied");
    // The first requests may reach a worker that has not applied it.
    expect(await respondingServers(`${fixture.url}/work`)).toContain("b");
    expect(await respondingServers(`${fixture.url}/work`)).toEqual(["b"]);
  });

  test.concurrent("are started by balancers only", async () => {
    await using programs = new Programs();
    const worker = programs.evenkeel("worker");
    expect((await worker.exited).code).toBe(2);
    expect(worker.stderr).toContain("Cannot start a worker");
  });
});
