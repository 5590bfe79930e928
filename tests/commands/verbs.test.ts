import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer } from "node:http";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import type { BalancerEvent } from "../../src/state/event.ts";
import { BalancerFixture } from "../support/balancer-fixture.ts";
import { type Origin, startOrigin } from "../support/origin.ts";
import { fromBuild, type Program } from "../support/program.ts";
import { until } from "../support/wait.ts";

const room = new BalancerFixture();
let patient: Origin;
const held: (() => void)[] = [];

beforeAll(async () => {
  patient = await startOrigin((request, socket) => {
    const response = () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    if (request.target === "/held") held.push(response);
    else response();
  });
  await room.startServers("a", "b");
  room.write(`${room.poolWith(["a", "b"])}      - "${patient.url};name=p;weight=0"\n`);
  await room.start();
});
afterAll(async () => {
  await room[Symbol.asyncDispose]();
  await patient.close();
});

const start = (argv: readonly string[], environment: Record<string, string> = {}): Program =>
  room.programs.start([...fromBuild, ...argv], { ADMIN_URL: room.admin, LOGNAME: "ann", ...environment });

async function run(...argv: readonly string[]) {
  const program = start(argv);
  const { code } = await program.exited;
  return { code, out: program.stdout, err: program.stderr };
}

test.skipIf(process.platform !== "linux")("output that cannot be written is no success", async () => {
  const program = room.programs.start(["sh", "-c", '"$@" > /dev/full', "sh", ...fromBuild, "problems"], {
    ADMIN_URL: room.admin,
  });
  const { code } = await program.exited;
  expect([code, program.stderr]).toEqual([2, "Cannot write to standard output: system error ENOSPC.\n"]);
});

describe("a name of an upstream", () => {
  test("may be POOL/ID or its address, wherever an id may stand", async () => {
    const address = patient.url.replace("http://", "");
    for (const name of ["main/p", address, `main/${address}`, patient.url]) {
      expect(await run("maintenance", name)).toEqual({
        code: 0,
        out: `${name} is in maintenance: 0 requests in flight.\n`,
        err: "",
      });
      expect(await run("ready", name)).toMatchObject({ code: 0 });
    }
    expect(await run("weight", "main/p", "0")).toMatchObject({ code: 0, out: "main/p has weight 0.\n" });
    expect(await run("drain", "main/p", "--wait", "5s")).toMatchObject({
      code: 0,
      out: "main/p is drained.\n",
    });
    expect(await run("ready", "main/p")).toMatchObject({ code: 0 });
    expect((await run("events", "--upstream", "main/p")).out).toContain("drained");
    const path = `${room.admin}/api/upstreams/${encodeURIComponent("main/p")}`;
    expect(((await (await fetch(path)).json()) as { id: string }).id).toBe("p");
    const history = await fetch(`${room.admin}/api/history?upstream=main%2Fp`);
    expect(history.status).toBe(200);
    for (const name of ["other/p", "main/none", "none"])
      expect(await run("drain", name)).toEqual({ code: 2, out: "", err: `No upstream named "${name}".\n` });
  }, 30_000);

  test("that several upstreams have is refused with the candidates, and changes none of them", async () => {
    for (const name of ["twin-1", "twin-2"])
      expect(await run("add", "main", patient.url, "--name", name, "--weight", "0")).toMatchObject({
        code: 0,
      });
    const address = patient.url.replace("http://", "");
    expect(await run("drain", address)).toEqual({
      code: 2,
      out: "",
      err:
        "Cannot find the upstream: several upstreams have this address: main/p, main/twin-1, main/twin-2 " +
        `(received "${address}").\n`,
    });
    const events = await fetch(`${room.admin}/api/events?upstream=${encodeURIComponent(address)}`);
    expect(events.status).toBe(409);
    const { pools } = (await (await fetch(`${room.admin}/api/snapshot`)).json()) as Snapshot;
    expect(pools[0]?.upstreams.map(({ mode }) => mode)).toEqual(Array.from({ length: 5 }, () => "ready"));
    for (const name of ["twin-1", "twin-2"])
      expect(await run("remove", name, "--wait", "5s")).toMatchObject({ code: 0 });
  }, 30_000);

  test("that nothing has is an error of events, but not while it has events", async () => {
    const err = 'Cannot use upstream: expected one of main/a, main/b, main/p (received "nope").\n';
    expect(await run("events", "--upstream", "nope")).toEqual({ code: 2, out: "", err });
    expect(await run("events", "--upstream", "nope", "--follow")).toEqual({ code: 2, out: "", err });
    const removed = await run("events", "--upstream", "twin-1");
    expect(removed).toMatchObject({ code: 0, err: "" });
    expect(removed.out).toContain("removed");
    for (const [path, reason] of [
      ["events?pool=nope", "pool_unknown"],
      ["stream?pool=nope", "pool_unknown"],
      ["stream?upstream=nope", "upstream_unknown"],
    ]) {
      const response = await fetch(`${room.admin}/api/${path}`);
      expect(await response.json()).toMatchObject({ status: 404, reason });
    }
  }, 30_000);
});

describe("evenkeel status", () => {
  test("prints the verdict and every upstream, with exit code 0 while everything serves", async () => {
    const { code, out } = await run("status");
    expect(out.split("\n")[0]).toContain("3 upstreams");
    expect(out).toMatch(/^UPSTREAM +STATUS +UPTIME +UP\/24H +WEIGHT +IN FLIGHT +RATE +ERRORS +P99 +WHY$/m);
    for (const id of ["a", "b", "p"]) expect(out).toMatch(new RegExp(`^${id} +passing `, "m"));
    expect(out).not.toContain("\x1b");
    expect(code).toBe(0);
  });

  test("prints the snapshot as JSON", async () => {
    const { code, out } = await run("status", "--json");
    expect((JSON.parse(out) as Snapshot).pools[0]?.upstreams.map(({ id }) => id)).toEqual(["a", "b", "p"]);
    expect(code).toBe(0);
  });

  test("exits with 1 if a pool has no available upstream", async () => {
    for (const id of ["b", "p"]) expect(await run("maintenance", id)).toMatchObject({ code: 0, err: "" });
    expect(await run("maintenance", "a")).toMatchObject({
      code: 0,
      out: "a is in maintenance: 0 requests in flight.\n",
      err: "Pool main will have no available upstream: clients get 503.\n",
    });
    const { code, out } = await run("status");
    expect(code).toBe(1);
    // The list of problems follows within a second.
    expect(out).toMatch(/^No upstream serves/m);
    expect(out).toMatch(/^a +maintenance .*by ann/m);
    for (const id of ["a", "b", "p"]) expect((await run("ready", id)).code).toBe(0);
  }, 20_000);

  test("--ready asks whether the balancer accepts clients, whatever its upstreams do", async () => {
    for (const id of ["b", "p", "a"]) expect(await run("maintenance", id)).toMatchObject({ code: 0 });
    expect(await run("status", "--ready")).toEqual({ code: 0, out: "ready\n", err: "" });
    for (const id of ["a", "b", "p"]) expect((await run("ready", id)).code).toBe(0);
  }, 20_000);

  test("--ready exits with 1 while the balancer drains, and with 3 when it is gone", async () => {
    const proxy = room.programs.start([
      ...[...fromBuild, "proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
      ...["--upstreams", patient.url, "--drain-delay", "30s"],
    ]);
    const ADMIN_URL = `http://127.0.0.1:${await proxy.port("admin")}`;
    proxy.child.kill("SIGTERM");
    await until(() => proxy.stderr.includes("drain started"), "the drain");
    const draining = start(["status", "--ready"], { ADMIN_URL });
    expect((await draining.exited).code).toBe(1);
    expect(draining.stdout).toBe("draining\n");
    await proxy.kill("SIGTERM");
    const gone = start(["status", "--ready"], { ADMIN_URL });
    expect((await gone.exited).code).toBe(3);
  }, 20_000);

  test("continues with --watch, also while the balancer is down", async () => {
    const watching = start(["status", "--watch"]);
    const frames = () => watching.stdout.split("UPSTREAM").length - 1;
    await until(() => frames() >= 2, "a second refresh", 10_000);
    const { port } = new URL(room.admin);
    await room.proxy.kill("SIGTERM");
    await until(() => watching.stdout.includes("The admin API is unreachable"), "the outage", 10_000);
    await room.start("--admin-port", port);
    const before = watching.stdout.length;
    await until(() => /^a +(passing|checking) /m.test(watching.stdout.slice(before)), "its return", 10_000);
    await watching.kill("SIGTERM");
  }, 20_000);
});

describe("a command", () => {
  test("prints its result, and the event log has its actor and reason", async () => {
    expect(await run("maintenance", "a", "--reason", "new disk")).toEqual({
      code: 0,
      err: "",
      out: "a is in maintenance: 0 requests in flight.\n",
    });
    expect(await room.upstream("a")).toMatchObject({
      mode: "maintenance",
      modeSet: { by: "ann", why: "new disk" },
    });
    expect((await run("ready", "a")).out).toBe("a is ready (passing): 0 requests in flight.\n");
    expect((await run("weight", "a", "5")).out).toBe("a has weight 5.\n");
    expect((await run("weight", "a", "configured")).out).toBe("a has weight 1, as configured.\n");
  }, 20_000);

  test("adds and removes an upstream", async () => {
    const added = await run("add", "main", room.urlOf("b"), "--name", "c", "--weight", "2");
    expect(added).toMatchObject({ code: 0, out: "c was added to main: passing.\n" });
    expect(await room.upstream("c")).toMatchObject({ weight: 2, added: { by: "ann" } });
    expect(await run("remove", "c", "--wait", "10s")).toMatchObject({ code: 0, out: "c was removed.\n" });
    expect(await room.ids()).toEqual(["a", "b", "p"]);
  }, 20_000);

  test("drains: exit code 0 when idle, 1 when not in time, and aborts with --force", async () => {
    await run("weight", "p", "200");
    for (const id of ["a", "b"]) await run("maintenance", id);
    const ask = () => fetch(`${room.url}/held`).then(({ status }) => status);
    const first = ask();
    await until(() => held.length === 1, "a request in flight");
    expect(await run("drain", "p")).toMatchObject({ code: 0, out: "p is draining: 1 request in flight.\n" });
    const late = await run("drain", "p", "--wait", "100ms");
    expect(late).toMatchObject({ code: 1, out: "p did not drain within 100ms: 1 request in flight.\n" });
    const waiting = run("drain", "p", "--wait", "20s");
    held.shift()?.();
    expect(await waiting).toMatchObject({ code: 0, out: "p is drained.\n" });
    expect(await first).toBe(200);

    await run("ready", "p");
    const cut = ask().catch(() => 0);
    await until(() => held.length === 1, "another request in flight");
    const forced = await run("drain", "p", "--wait", "50ms", "--force");
    expect(forced).toMatchObject({ code: 0, out: "p is drained: 1 request aborted.\n" });
    expect(await cut).not.toBe(200);
    for (const id of ["a", "b", "p"]) await run("ready", id);
  }, 40_000);

  test("that is refused exits with 2 and prints the reason to standard error", async () => {
    expect(await run("drain", "unknown")).toEqual({
      code: 2,
      out: "",
      err: 'No upstream named "unknown".\n',
    });
    const { code, err } = await run("add", "main", "nonsense", "--name", "/");
    expect(code).toBe(2);
    expect(err.trim().split("\n")).toHaveLength(2);
  }, 20_000);

  test("to an unreachable balancer exits with 3", async () => {
    for (const argv of [
      ["status"],
      ["drain", "a"],
      ["events"],
      ["events", "--follow"],
      ["state", "export"],
    ]) {
      const program = start(argv, { ADMIN_URL: "http://127.0.0.1:1" });
      expect(`${argv.join(" ")} ${(await program.exited).code}`).toBe(`${argv.join(" ")} 3`);
      expect(program.stderr).toBe("Cannot reach the admin API at http://127.0.0.1:1: connection refused.\n");
    }
  }, 20_000);
});

describe("evenkeel events", () => {
  test("prints recent events as lines or as JSON, optionally of one upstream", async () => {
    await run("maintenance", "b", "--reason", "disk");
    await run("ready", "b");
    const { out } = await run("events", "--upstream", "b", "--limit", "2");
    const lines = out.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d.UTC  mode +main\/b  ready → maintenance  \(operator, by ann: disk\)$/,
    );
    const json = (await run("events", "--upstream", "b", "--limit", "1", "--json")).out;
    expect(JSON.parse(json) as BalancerEvent).toMatchObject({ upstream: "b", to: "ready", by: "ann" });
    expect(await run("events", "--limit", "0")).toEqual({ code: 0, out: "", err: "" });
  }, 20_000);

  test("continues with --follow, and misses no event while the balancer is down", async () => {
    // It first prints the last event, so an event before the stream opens is not missed.
    const following = start(["events", "--follow", "--json", "--limit", "1", "--upstream", "a"]);
    const statuses = () =>
      following.stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => (JSON.parse(line) as BalancerEvent).to)
        .join(" ");
    await room.callAdmin("POST", "/api/upstreams/a/mode", { mode: "maintenance" });
    await until(() => statuses().includes("maintenance"), "the first", 10_000);
    const { port } = new URL(room.admin);
    await room.callAdmin("POST", "/api/upstreams/a/mode", { mode: "ready" });
    await room.proxy.kill("SIGTERM");
    await until(() => following.stderr.includes("reconnecting"), "the loss", 15_000);
    await room.start("--admin-port", port);
    await until(() => statuses().includes("maintenance ready passing"), "what came after", 15_000);
    await room.callAdmin("POST", "/api/upstreams/a/mode", { mode: "draining" });
    await until(() => statuses().endsWith("passing draining drained"), "what comes now", 15_000);
    await following.kill("SIGTERM");
  }, 40_000);
});

test("evenkeel explain prints the explanation and the phases of a request", async () => {
  const server = createServer((request, response) => {
    const isKnown = request.url === "/api/requests/0f%2F3a";
    response.writeHead(isKnown ? 200 : 404, { "Content-Type": "application/json" });
    const account = ["It went to a, since that was its turn.", "a answered 200."];
    const phases = [{ phase: "connect", ms: 1.5 }];
    response.end(JSON.stringify(isKnown ? { account, phases } : { detail: "No request is called that." }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  const known = start(["explain", "0f/3a"], { ADMIN_URL: url });
  expect((await known.exited).code).toBe(0);
  expect(known.stdout.split("\n")).toEqual([
    ...["It went to a, since that was its turn.", "a answered 200.", ""],
    ...["phases", "PHASE     MS", "connect  1.5", ""],
  ]);
  const unknown = start(["explain", "x"], { ADMIN_URL: url });
  expect((await unknown.exited).code).toBe(2);
  expect(unknown.stderr).toBe("No request is called that.\n");
  server.close();
}, 20_000);
