import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { BalancerFixture } from "../support/balancer-fixture.ts";
import { startLoad } from "../support/load.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild } from "../support/program.ts";
import { until } from "../support/wait.ts";

/** An upstream that responds to /slow only when the test calls `answerAll`. */
async function startPatientOrigin() {
  const waiting: (() => void)[] = [];
  const origin = await startOrigin(({ target }, socket) => {
    const response = () => socket.write(respondWith('{"server":{"name":"patient"}}'));
    if (target === "/slow") waiting.push(response);
    else response();
  });
  return { ...origin, waiting, answerAll: () => waiting.splice(0).forEach((response) => response()) };
}

async function openEcho(url: string) {
  const socket = new WebSocket(`${url.replace("http", "ws")}/ws`);
  const received: unknown[] = [];
  let isClosed = false;
  socket.onmessage = ({ data }) => void received.push(data);
  socket.onclose = () => (isClosed = true);
  await until(() => socket.readyState === WebSocket.OPEN, "the WebSocket");
  const echoes = async (word: string) => {
    socket.send(word);
    await until(() => received.includes(word) || isClosed, `the echo of ${word}`);
    expect(isClosed).toBe(false);
  };
  return { socket, echoes };
}

describe("a reload", () => {
  test("five times under load fails no request, keeps a WebSocket open, and resets no upstream's health", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b", "c", "d");
    const dead = await startOrigin(() => {});
    await dead.close();
    const gone = `      - "http://127.0.0.1:${dead.port};name=gone"\n`;
    fixture.write(fixture.poolWith(["a", "b"]) + gone);
    await fixture.start();
    const load = startLoad(`${fixture.url}/work`, 12);
    const echo = await openEcho(fixture.url);
    await echo.echoes("before");
    await until(() => load.count > 200, "a warm load");
    const before = await fixture.upstream("a");

    const files = [
      fixture.poolWith(["a", "b", "c"]) + gone,
      fixture.poolWith(["c", "a;weight=3", "b"], "    policy: p2c\n    retries: 2\n") + gone,
      fixture.poolWith(["a", "c", "d"], "    policy: least-connections\n") + gone,
      fixture.poolWith(["a", "b", "d"]) +
        gone +
        "routes:\n  - { path: /work, pool: main }\n  - { pool: main }\n",
      fixture.poolWith(["a", "b", "c", "d"]) + gone,
    ];
    for (const [index, file] of files.entries()) {
      fixture.write(file);
      fixture.proxy.child.kill("SIGHUP");
      await fixture.reloaded("applied", index + 1);
      const { count } = load;
      await until(() => load.count > count + 100, "more load");
      expect(await fixture.upstream("gone")).toMatchObject({ status: "failing", fit: false });
    }
    await echo.echoes("after");
    echo.socket.close();
    await load.stop();
    expect(load.failures).toEqual([]);
    for (const name of ["a", "b", "c", "d"]) expect(load.servers.get(name) ?? 0).toBeGreaterThan(0);
    const after = await fixture.upstream("a");
    expect(after?.traffic.requests).toBeGreaterThan(before?.traffic.requests ?? Infinity);
    const verdicts = (await fixture.events("upstream=a")).filter(({ kind }) => kind === "probe");
    expect(verdicts).toHaveLength(1);
  }, 60_000);

  test("rejects an invalid file with every problem, and keeps the current configuration", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b");
    fixture.write(fixture.poolWith(["a", "b"]));
    await fixture.start();
    const load = startLoad(`${fixture.url}/work`, 4);
    fixture.write("pools: { main: { policy: fastest, upstreams: [ftp://x] } }\n");
    fixture.proxy.child.kill("SIGHUP");
    await fixture.reloaded("refused");
    const { status, body } = await fixture.callAdmin("POST", "/api/reload");
    expect(status).toBe(422);
    expect(body).toMatchObject({ status: 422, reason: "configuration_invalid" });
    const { problems } = body as unknown as { problems: string[] };
    expect(problems).toHaveLength(2);
    expect(problems.join()).toContain("fastest");
    expect(fixture.proxy.stderr).toContain("configuration rejected, keeping the current one");
    rmSync(fixture.file);
    expect((await fixture.callAdmin("POST", "/api/reload")).status).toBe(422);
    const { configuration, pools } = await fixture.snapshot();
    expect(configuration.refused).toMatchObject({ by: "ann" });
    expect(pools[0]?.upstreams).toHaveLength(2);
    expect((await fixture.events()).at(-1)).toMatchObject({ kind: "reload", to: "refused", by: "ann" });
    const { count } = load;
    await until(() => load.count > count + 50, "more load");
    await load.stop();
    expect(load.failures).toEqual([]);

    fixture.write(fixture.poolWith(["a"]));
    expect(await fixture.callAdmin("POST", "/api/reload")).toMatchObject({
      status: 200,
      body: { applied: true },
    });
    expect((await fixture.snapshot()).configuration.refused).toBeNull();
  }, 40_000);

  test("happens automatically with --watch, and an equivalent file changes nothing", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b");
    fixture.write(fixture.poolWith(["a"]));
    await fixture.start("--watch");
    fixture.write(fixture.poolWith(["a", "b"]));
    await until(async () => (await fixture.ids()).join() === "a,b", "the changed file to be loaded", 10_000);
    expect((await fixture.events("upstream=b")).map(({ from, to, by }) => `${from} ${to} ${by}`)).toEqual([
      "checking passing prober",
      "absent added watch",
    ]);
    fixture.write(`# the same\n${fixture.poolWith(["a", "b"])}`);
    await fixture.reloaded("unchanged");
  }, 30_000);

  test("reports settings that need a restart, repeatedly; a plan changes nothing", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b");
    fixture.write(fixture.poolWith(["a", "b"]));
    await fixture.start();
    const plan = async (...flags: string[]) => {
      const program = fixture.programs.start([...fromBuild, "plan", "--admin-url", fixture.admin, ...flags]);
      const { code } = await program.exited;
      return { code, lines: ((code ?? 0) >= 2 ? program.stderr : program.stdout).trim().split("\n") };
    };
    expect(await plan("--config", fixture.file)).toEqual({ code: 0, lines: ["No changes."] });
    fixture.write(
      `clientTimeouts: { head: 3s }\n${fixture.poolWith(["a", "b;weight=4"], "    policy: p2c\n")}`,
    );
    const lines = [
      "~ setting: clientTimeouts.head 10s → 3s (needs a restart)",
      "~ pool main: policy round-robin → p2c",
      "~ upstream main/b: weight 1 → 4",
    ];
    expect(await plan("--config", fixture.file)).toEqual({ code: 1, lines });
    expect((await fixture.snapshot()).pools[0]?.policy).toBe("round-robin");
    for (const applied of [true, false]) {
      const { status, body } = await fixture.callAdmin("POST", "/api/reload");
      expect(status).toBe(200);
      expect(body).toMatchObject({ applied, needsRestart: ["clientTimeouts.head"] });
    }
    expect(await fixture.upstream("b")).toMatchObject({ weight: 4, weightSet: null });
    expect((await fixture.snapshot()).configuration.needsRestart).toEqual(["clientTimeouts.head"]);
    fixture.write("pools: []");
    expect((await plan("--config", fixture.file)).code).toBe(2);
    expect((await plan("--admin-url", "http://127.0.0.1:1")).code).toBe(3);
  }, 40_000);
});

describe("an upstream that is added at run time", () => {
  test("serves after its first probe passed; one with a failing probe gets no requests; invalid input is refused", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b");
    fixture.write(fixture.poolWith(["a"]));
    await fixture.start();
    const load = startLoad(`${fixture.url}/work`, 8);
    const path = "/api/pools/main/upstreams";
    const added = await fixture.callAdmin("POST", path, {
      url: fixture.urlOf("b"),
      name: "b",
      weight: 2,
      reason: "sale",
    });
    expect(added).toMatchObject({ status: 201, body: { id: "b", status: "passing", weight: 2, fit: true } });
    expect(added.body["added"]).toMatchObject({ by: "ann", why: "sale" });
    await until(() => (load.servers.get("b") ?? 0) > 50, "b to serve");
    const dead = await startOrigin(() => {});
    await dead.close();
    const failing = await fixture.callAdmin("POST", path, { url: dead.url, name: "dead" });
    expect(failing).toMatchObject({ status: 201, body: { status: "failing", fit: false } });
    const { count } = load;
    await until(() => load.count > count + 100, "more load");
    await load.stop();
    expect(load.failures).toEqual([]);
    for (const [pool, body, status, reason] of [
      ["other", { url: "http://x" }, 404, "pool_unknown"],
      ["main", { url: "x", weight: -1, colour: "red" }, 422, "upstream_invalid"],
      ["main", { url: "http://x", name: "a" }, 409, "upstream_exists"],
      ["main", "[]", 400, "body_invalid"],
    ] as const) {
      const response = await fixture.callAdmin("POST", `/api/pools/${pool}/upstreams`, body);
      expect(response).toMatchObject({ status, body: { status, reason } });
    }
    const wrong = await fixture.callAdmin("POST", path, { url: "x", weight: -1, colour: "red" });
    expect((wrong.body as unknown as { problems: string[] }).problems).toHaveLength(3);
  }, 40_000);

  test("is drained before its removal; the last upstream of a pool cannot be removed", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a");
    const patient = await startPatientOrigin();
    fixture.write(fixture.poolWith(["a"], "    policy: first\n"));
    await fixture.start();
    await fixture.callAdmin("POST", "/api/pools/main/upstreams", { url: patient.url, name: "p" });
    await fixture.callAdmin("POST", "/api/upstreams/a/mode", { mode: "maintenance" });
    const slow = fetch(`${fixture.url}/slow`).then((response) => response.text());
    await until(() => patient.waiting.length === 1, "a request in flight");
    await fixture.callAdmin("POST", "/api/upstreams/a/mode", { mode: "ready" });
    let isAnswered = false;
    const removal = fixture
      .callAdmin("DELETE", "/api/upstreams/p?wait=20s", { reason: "done" })
      .finally(() => (isAnswered = true));
    await until(async () => (await fixture.upstream("p"))?.drain?.leaving, "the drain");
    expect(await fixture.upstream("p")).toMatchObject({
      status: "draining",
      drain: { inFlight: 1, drained: false },
    });
    // Another command in between does not remove it early.
    expect((await fixture.callAdmin("PATCH", "/api/upstreams/a", { weight: 2 })).status).toBe(200);
    expect((await fixture.callAdmin("POST", "/api/upstreams/p/mode", { mode: "ready" })).status).toBe(409);
    expect(await fixture.ids()).toEqual(["a", "p"]);
    expect(isAnswered).toBe(false);
    patient.answerAll();
    expect(await removal).toEqual({
      status: 200,
      body: { id: "p", removed: true, drained: true, inFlight: 0 },
    });
    expect(await slow).toContain("patient");
    expect(await fixture.ids()).toEqual(["a"]);
    const last = await fixture.callAdmin("DELETE", "/api/upstreams/a");
    expect(last).toMatchObject({ status: 409, body: { reason: "upstream_last" } });
    expect((await fixture.callAdmin("DELETE", "/api/upstreams/p")).status).toBe(404);
    const recorded = (await fixture.events("upstream=p")).map(({ kind, to }) => `${kind} ${to}`);
    expect(recorded).toEqual([
      "probe passing",
      "member added",
      "mode draining",
      "drain drained",
      "member removed",
    ]);
    await patient.close();
  }, 40_000);

  test("stays removed over a reload and kill -9 if it was configured, and returns when it is added again", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b");
    fixture.write(fixture.poolWith(["a", "b;weight=2"]));
    await fixture.start();
    expect((await fixture.callAdmin("DELETE", "/api/upstreams/b?wait=5s")).body).toMatchObject({
      removed: true,
    });
    fixture.write(`# touched\n${fixture.poolWith(["a", "b;weight=2"])}`);
    expect((await fixture.callAdmin("POST", "/api/reload")).body).toMatchObject({
      applied: false,
      steps: [],
    });
    await fixture.proxy.kill("SIGKILL");
    await fixture.restart();
    expect(await fixture.ids()).toEqual(["a"]);
    const back = await fixture.callAdmin("POST", "/api/pools/main/upstreams", {
      url: fixture.urlOf("b"),
      name: "b",
    });
    expect(back).toMatchObject({ status: 201, body: { id: "b", weight: 2, added: null, status: "passing" } });
  }, 40_000);
});

describe("a drain", () => {
  test("responds when the upstream is drained, or with the number in flight, and is undone by ready", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a");
    const patient = await startPatientOrigin();
    fixture.write(fixture.poolWith(["a;backup"]) + `      - "${patient.url};name=p"\n`);
    await fixture.start();
    const slow = fetch(`${fixture.url}/slow`).then((response) => response.text());
    await until(() => patient.waiting.length === 1, "a request in flight");
    const late = await fixture.callAdmin("POST", "/api/upstreams/p/drain?wait=50ms", { reason: "kernel" });
    expect(late).toMatchObject({ status: 200, body: { drained: false, inFlight: 1, undone: false } });
    const { drain, modeSet } = (await fixture.upstream("p")) ?? {};
    expect(modeSet).toMatchObject({ by: "ann", why: "kernel" });
    expect((drain?.deadline ?? 0) - (drain?.since ?? 0)).toBe(50);

    const waiting = fixture.callAdmin("POST", "/api/upstreams/p/drain?wait=20s");
    await until(
      async () => ((await fixture.upstream("p"))?.drain?.deadline ?? 0) > Date.now() + 5_000,
      "the second drain",
    );
    expect((await fixture.callAdmin("POST", "/api/upstreams/p/mode", { mode: "ready" })).body).toMatchObject({
      drain: null,
    });
    expect((await waiting).body).toMatchObject({ drained: false, inFlight: 1, undone: true });

    const empty = fixture.callAdmin("POST", "/api/upstreams/p/drain?wait=20s");
    await until(async () => (await fixture.upstream("p"))?.drain !== null, "the third drain");
    patient.answerAll();
    expect((await empty).body).toMatchObject({
      drained: true,
      inFlight: 0,
      upstream: { status: "draining" },
    });
    await slow;
    const recorded = (await fixture.events("upstream=p")).map(({ kind, to }) => `${kind} ${to}`);
    expect(recorded).toEqual([
      ...["probe passing", "mode draining", "drain late", "mode ready", "mode draining", "drain drained"],
    ]);
    expect((await fixture.callAdmin("POST", "/api/upstreams/p/drain?wait=soon")).status).toBe(400);
    expect((await fixture.callAdmin("POST", "/api/upstreams/p/drain?force=1")).status).toBe(200);
    await patient.close();
  }, 40_000);
});

describe("what operators set", () => {
  test("survives kill -9 with actor, time and reason, and is exported as configuration", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b", "c");
    fixture.write(fixture.poolWith(["a", "b"]));
    await fixture.start();
    await fixture.callAdmin("POST", "/api/pools/main/upstreams", {
      url: fixture.urlOf("c"),
      name: "c",
      backup: true,
    });
    await fixture.callAdmin("PATCH", "/api/upstreams/a", { weight: 7, reason: "bigger\nmachine" });
    await fixture.callAdmin("POST", "/api/upstreams/b/mode", { mode: "maintenance", reason: "disk" });
    const seen = await fixture.events();
    await fixture.proxy.kill("SIGKILL");
    await fixture.restart();
    expect(await fixture.ids()).toEqual(["a", "b", "c"]);
    expect(await fixture.upstream("a")).toMatchObject({
      weight: 7,
      weightSet: { by: "ann", why: "bigger machine" },
    });
    expect(await fixture.upstream("b")).toMatchObject({
      mode: "maintenance",
      modeSet: { by: "ann", why: "disk" },
    });
    expect(await fixture.upstream("c")).toMatchObject({
      backup: true,
      status: "passing",
      added: { by: "ann" },
    });
    const [first] = await fixture.events(`after=${seen.at(-1)?.seq}`);
    expect(first?.seq).toBeGreaterThan(seen.at(-1)?.seq ?? Infinity);

    const program = fixture.programs.start([...fromBuild, "state", "export"], { ADMIN_URL: fixture.admin });
    expect((await program.exited).code).toBe(0);
    expect(program.stdout).toContain("weight set by ann");
    expect(program.stdout).toContain("mode maintenance by ann");
    fixture.write(program.stdout);
    const moved = await fixture.callAdmin("POST", "/api/reload?dry=1");
    expect(moved.status).toBe(200);
    expect(
      (moved.body["steps"] as { subject: string }[]).filter(({ subject }) => subject === "upstream"),
    ).toEqual([]);
    expect((await fixture.callAdmin("PATCH", "/api/upstreams/a", { weight: null })).body).toMatchObject({
      weight: 1,
      weightSet: null,
    });
  }, 40_000);

  test("is migrated from a state file of version 1, which has no reasons", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b");
    const database = new DatabaseSync(join(fixture.folder, "state.db"));
    database.exec(`
      CREATE TABLE mode_intent (
        upstream TEXT PRIMARY KEY, mode TEXT NOT NULL, set_by TEXT NOT NULL, set_at INTEGER NOT NULL
      ) STRICT;
      PRAGMA user_version = 1;
      INSERT INTO mode_intent VALUES ('a', 'maintenance', 'old', 5);
    `);
    database.close();
    fixture.write(fixture.poolWith(["a", "b"]));
    await fixture.start();
    expect(await fixture.upstream("a")).toMatchObject({
      mode: "maintenance",
      modeSet: { by: "old", at: 5, why: "" },
    });
  }, 30_000);

  test("applies a new weight at once, in exact shares", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a", "b");
    fixture.write(fixture.poolWith(["a", "b"]));
    await fixture.start();
    await fixture.callAdmin("PATCH", "/api/upstreams/a", { weight: 0 });
    const load = startLoad(`${fixture.url}/work`, 4);
    await until(() => load.count > 50, "load");
    await load.stop();
    expect([...load.servers.keys()]).toEqual(["b"]);
    expect((await fixture.callAdmin("PATCH", "/api/upstreams/a", { weight: 300 })).status).toBe(400);
    expect((await fixture.callAdmin("PATCH", "/api/upstreams/x", { weight: 3 })).status).toBe(404);
  }, 30_000);
});

describe("the exit", () => {
  test("continues to serve during the drain delay while readiness is 503", async () => {
    await using fixture = new BalancerFixture();
    await fixture.startServers("a");
    fixture.write(fixture.poolWith(["a"]));
    await fixture.start("--drain-delay", "1s");
    fixture.proxy.child.kill("SIGTERM");
    const readiness = () =>
      fetch(`${fixture.admin}/readyz`).then(
        ({ status }) => status,
        () => 0,
      );
    await until(async () => (await readiness()) === 503, "readiness to become 503");
    expect((await fetch(`${fixture.url}/work`)).status).toBe(200);
    expect(await fixture.proxy.exited).toEqual({ code: 0, signal: null });
  }, 30_000);
});
