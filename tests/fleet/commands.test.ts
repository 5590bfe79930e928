/** Commands and the admin API with three real balancers and a real store: who is there, and orders that all must follow. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";

import type { FleetSnapshot } from "../../src/snapshot/fleet-snapshot.ts";
import type { UpstreamDetail } from "../../src/snapshot/snapshot.ts";
import { type Member, TestFleet } from "../support/fleet.ts";
import { type Origin, startOrigin } from "../support/origin.ts";
import { fromBuild, Programs } from "../support/program.ts";
import { hasRedis } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

describe.if(hasRedis)("the commands for a fleet", () => {
  let fleet: TestFleet;
  let origin: Origin;
  let [a, b, c] = [] as unknown as [Member, Member, Member];
  const programs = new Programs();
  const held: (() => void)[] = [];

  beforeAll(async () => {
    origin = await startOrigin((request, socket) => {
      const respond = () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
      if (request.target === "/held") held.push(respond);
      else respond();
    });
    const configuration = `pools:
  main:
    upstreams:
      - { url: "${origin.url}", name: s1 }
      - { url: "${origin.url}/", name: s2, weight: 0 }
`;
    fleet = await TestFleet.start({ configuration });
    [a, b, c] = fleet.members as unknown as [Member, Member, Member];
  }, 60_000);
  afterAll(async () => {
    for (const respond of held.splice(0)) respond();
    await programs[Symbol.asyncDispose]();
    await fleet?.[Symbol.asyncDispose]();
    await origin?.close();
  });
  afterEach(async () => {
    c.program.child.kill("SIGCONT");
    fleet.redis.thaw();
    for (const respond of held.splice(0)) respond();
    await fleet.together();
    await run(a, "ready", "s1", "--fleet", "--wait", "10s");
  }, 30_000);

  async function run(member: Member, ...argv: readonly string[]) {
    const program = programs.start([...fromBuild, ...argv], { ADMIN_URL: member.adminUrl, LOGNAME: "ann" });
    const { code } = await program.exited;
    return { code, out: program.stdout, err: program.stderr };
  }

  /** Resolves when the origin has a request of this balancer. */
  async function requestUnderWay(member: Member): Promise<{ readonly response: Promise<Response> }> {
    const before = held.length;
    const response = fetch(`http://127.0.0.1:${member.port}/held`);
    await until(() => held.length > before, "the request is under way");
    return { response };
  }

  test("list who is there, with version, configuration and load; all well exits with 0", async () => {
    const { code, out } = await run(a, "fleet");
    expect({ code, lines: out.split("\n").length > 4 }).toEqual({ code: 0, lines: true });
    expect(out).toContain("Fleet evenkeel: 3 of 3 balancers heard from");
    for (const name of ["a (this)", "b", "c"])
      expect(out).toMatch(new RegExp(`^${name.replace(/[()]/g, "\\$&")}\\s+alive`, "m"));
    expect(out.match(/ same /g)).toHaveLength(2);
    const json = JSON.parse((await run(b, "fleet", "--json")).out) as FleetSnapshot;
    expect(json.peers.map(({ name, differs }) => [name, differs])).toEqual([
      ["b", []],
      ["a", []],
      ["c", []],
    ]);
    const status = await run(c, "status", "--fleet");
    expect(status).toMatchObject({ code: 0 });
    expect(status.out).toContain("c (this)");
    expect(status.out).toContain("s1");
  }, 20_000);

  test("wait with a drain at one for a request under way at another", async () => {
    const { response } = await requestUnderWay(c);
    const tooEarly = await run(a, "drain", "s1", "--fleet", "--wait", "1500ms");
    expect(tooEarly).toEqual({
      code: 1,
      out: "s1 did not drain within 1500ms: 0 requests in flight; c: 1 in flight.\n",
      err: expect.any(String),
    });
    const shown = await run(b, "status");
    expect(shown.out).toContain("by ann at a");
    const drain = run(a, "drain", "s1", "--fleet", "--wait", "20s");
    await until(async () => ((await a.upstream("s1")).drain?.elsewhere ?? []).join() === "c: 1 in flight");
    for (const respond of held.splice(0)) respond();
    expect((await response).status).toBe(200);
    expect(await drain).toMatchObject({
      code: 0,
      out: "s1 is drained. All balancers of the fleet follow.\n",
    });
  }, 40_000);

  test("wait with maintenance for all, and say who still uses the upstream", async () => {
    const { response } = await requestUnderWay(b);
    const { code, out } = await run(a, "maintenance", "s1", "--fleet", "--wait", "2s");
    expect({ code, out }).toEqual({
      code: 1,
      out: expect.stringContaining("Not by the whole fleet within 2s: b: 1 in flight."),
    });
    const detail = await a.call<UpstreamDetail>("GET", "/api/upstreams/s1");
    expect(detail).toMatchObject({ elsewhere: ["b: 1 in flight"], seen: { where: "operator" } });
    for (const respond of held.splice(0)) respond();
    await response;
    expect(await run(a, "maintenance", "s1", "--fleet", "--wait", "10s")).toMatchObject({ code: 0 });
  }, 40_000);

  test("name a frozen balancer, and exit with 1", async () => {
    c.program.child.kill("SIGSTOP");
    const drained = await run(a, "drain", "s1", "--wait", "6s");
    expect(drained.code).toBe(1);
    expect(drained.out).toMatch(
      /^s1 did not drain within 6s: 0 requests in flight; c silent for \d+ s: unknown\.$/m,
    );
    const weighed = await run(b, "weight", "s2", "5", "--fleet", "--wait", "1s");
    expect(weighed.code).toBe(1);
    expect(weighed.out).toMatch(
      /^s2 has weight 5\.\nNot by the whole fleet within 1s: c silent for \d+ s: unknown\.$/m,
    );
    const listed = await run(a, "fleet");
    expect(listed.code).toBe(1);
    expect(listed.out).toMatch(/^ {2}c is silent for \d+\ss: what it does is unknown\.$/m);
    expect((await run(a, "status", "--fleet")).code).toBe(1);
    expect((await run(a, "status")).out).toMatch(/^(Fleet: c is silent for|c has not been heard)/m);
    c.program.child.kill("SIGCONT");
    await fleet.together();
    expect(await run(b, "weight", "s2", "configured", "--fleet", "--wait", "10s")).toEqual({
      code: 0,
      out: "s2 has weight 0, as configured. All balancers of the fleet follow.\n",
      err: expect.any(String),
    });
    expect((await c.upstream("s2")).weight).toBe(0);
  }, 60_000);

  test("say that orders count only here while the store is away", async () => {
    fleet.redis.freeze();
    await until(async () => (await a.fleet()).alone !== null, "alone");
    const weighed = await run(a, "weight", "s1", "3");
    expect(weighed.code).toBe(0);
    expect(weighed.out).toMatch(
      /^s1 has weight 3\. Other balancers do not know of it yet: a is alone since \S+: no answer/,
    );
    await run(a, "weight", "s1", "configured");
    const { code, out } = await run(a, "maintenance", "s2", "--fleet", "--wait", "500ms");
    expect(code).toBe(1);
    expect(out).toContain("s2 is in maintenance");
    expect(out).toContain("a is alone since ");
    const listed = await run(a, "fleet");
    expect(listed.code).toBe(1);
    expect(listed.out).toContain("Orders given here count only here.");
    expect(listed.out).toContain("not shared yet: s2 maintenance");
    fleet.redis.thaw();
    expect(await run(a, "ready", "s2", "--fleet", "--wait", "10s")).toMatchObject({ code: 0 });
  }, 40_000);

  test("say in which part of its configuration a balancer differs", async () => {
    const text = readFileSync(c.file, "utf8");
    writeFileSync(c.file, `${text}routes:\n  - { path: /old, pool: main }\n`);
    await c.call("POST", "/api/reload");
    await until(async () => (await a.fleet()).differing.join() === "c", "c differs");
    const { code, out } = await run(a, "fleet");
    expect(code).toBe(1);
    expect(out).toContain("c differs from a in routes.");
    writeFileSync(c.file, text);
    await c.call("POST", "/api/reload");
    await until(async () => (await a.fleet()).differing.length === 0, "all are the same");
  }, 30_000);
});

describe("a balancer that is in no fleet", () => {
  test("refuses commands for one with a sentence, and carries out no order", async () => {
    await using programs = new Programs();
    const origin = await startOrigin((_request, socket) => {
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    });
    const proxy = programs.start([
      ...[...fromBuild, "proxy", "--upstreams", `${origin.url};name=s1`, "--port", "0"],
      ...["--admin-port", "0", "--host", "127.0.0.1"],
    ]);
    const admin = `http://127.0.0.1:${await proxy.port("admin", 20_000)}`;
    const err = "This balancer is in no fleet: its configuration has no fleet.\n";
    for (const argv of [["fleet"], ["status", "--fleet"], ["maintenance", "s1", "--fleet"]]) {
      const program = programs.start([...fromBuild, ...argv], { ADMIN_URL: admin });
      expect({ code: (await program.exited).code, out: program.stdout, err: program.stderr }).toEqual({
        code: 2,
        out: "",
        err,
      });
    }
    const upstream = (await (await fetch(`${admin}/api/upstreams/s1`)).json()) as UpstreamDetail;
    expect(upstream.mode).toBe("ready");
    await origin.close();
  }, 30_000);
});
