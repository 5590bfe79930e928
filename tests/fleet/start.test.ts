/** Starts of a balancer of a fleet: without the store, with a store that refuses it, and with what other programs may do. */

import { describe, expect, test } from "bun:test";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { TestAuthority } from "../support/acme-authority.ts";
import { builtScript } from "../support/built.ts";
import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { TestFleet } from "../support/fleet.ts";
import { startDemoServer } from "../support/demo-server.ts";
import { fromBuild, fromSource, Programs } from "../support/program.ts";
import { freePort, hasRedis, RedisServer } from "../support/redis-server.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("fleet-start");

describe("a balancer without a fleet", () => {
  test("loads no code for Redis: it starts where there is none", async () => {
    const folder = inFolder("without-redis");
    cpSync(dirname(await builtScript()), folder, { recursive: true });
    const chunks = readdirSync(folder).filter(
      (name) =>
        name.endsWith(".js") && readFileSync(join(folder, name), "utf8").includes("enableOfflineQueue"),
    );
    // The client's own code; the entry point must not be among them.
    expect(chunks).not.toContain("main.js");
    const clients = chunks.filter(
      (name) => readFileSync(join(folder, name), "utf8").includes("WRONGPASS") === false,
    );
    expect(clients.length).toBeGreaterThan(0);
    for (const name of chunks) rmSync(join(folder, name));
    await using programs = new Programs();
    const script = join(folder, "main.js");
    const argv = ["proxy", "--port", "0", "--admin-port", "0", "--upstreams", "http://127.0.0.1:9"];
    const alone = programs.start([process.execPath, script, ...argv]);
    await alone.port("balancer", 20_000);
    const member = programs.start([process.execPath, script, ...argv], {
      EVENKEEL_FLEET_NAME: "a",
      EVENKEEL_FLEET_REDIS: "redis://127.0.0.1:1",
    });
    expect((await member.exited).code).not.toBe(0);
  }, 60_000);
});

describe.if(hasRedis)("a balancer of a fleet", () => {
  /** Starts one; it must serve. Resolves with its lines about the store. */
  async function linesWith(environment: Record<string, string>, fleet: string): Promise<readonly string[]> {
    await using programs = new Programs();
    const server = await startDemoServer("one");
    const file = inFolder(`start-${Math.random()}.yaml`);
    writeFileSync(
      file,
      `fleet: { name: a, ${fleet} }\npools: { main: { probe: { changingInterval: 20ms }, upstreams: ["${server.url}"] } }\n`,
    );
    const program = programs.start(
      [...fromBuild, "proxy", "--config", file, "--port", "0", "--admin-port", "0"],
      environment,
    );
    const port = await program.port("balancer", 20_000);
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect(response.status).toBe(200);
    await response.body?.cancel();
    await until(() => program.stderr.includes("fleet store lost"), program.describe(), 10_000);
    const lines = program.stderr.split("\n").filter((line) => line !== "");
    expect(program.stderr).not.toContain("secret-word");
    server.close();
    return lines.filter((line) => line.includes("fleet"));
  }

  test("says in one line why the store refuses it, and serves", async () => {
    await using server = await RedisServer.start({
      lines: ["user default off", "user ek on >right ~ek:* &ek:* +@all", "user little on >right ~no:* +@all"],
    });
    const authority = await TestAuthority.create();
    const { cert, key } = await authority.pair("redis.test");
    await using secure = await RedisServer.start({ tls: { cert, key, ca: authority.pem } });
    writeFileSync(inFolder("ca.pem"), authority.pem);
    const password = { EVENKEEL_FLEET_PASSWORD: "secret-word" };
    const right = { EVENKEEL_FLEET_PASSWORD: "right" };
    const rows: readonly (readonly [Record<string, string>, string, string])[] = [
      [password, `redis: "${server.url}", user: ek`, "wrong user name or password (WRONGPASS)"],
      [right, `redis: "${server.url}", user: little`, "the user may not do this (NOPERM)"],
      [{}, `redis: "${server.url}"`, "it asks for a password (NOAUTH)"],
      [
        {},
        `redis: "${secure.url}", tls: { ca: "${inFolder("ca.pem")}", serverName: other.test }`,
        "its certificate is for another name",
      ],
      [{}, `redis: "${secure.url}", tls: { serverName: redis.test }`, "its certificate is not trusted"],
      [{}, `redis: "redis://127.0.0.1:${await freePort()}"`, "connection refused"],
    ];
    const found = await Promise.all(rows.map(([environment, fleet]) => linesWith(environment, fleet)));
    for (const [index, [, , why]] of rows.entries()) {
      expect(found[index]).toHaveLength(1);
      expect(found[index]?.join("\n")).toContain(why);
    }
  }, 60_000);

  test("says when another process uses its name", async () => {
    await using fleet = await TestFleet.prepare({ names: ["a", "b"] });
    const [a, b] = [fleet.get("a"), fleet.get("b")];
    writeFileSync(b.file, readFileSync(b.file, "utf8").replace("name: b", "name: a"));
    await Promise.all([a.start(), b.start()]);
    await until(async () => (await a.fleet()).namesake, "a sees it", 10_000);
    expect((await a.events("&kind=fleet")).map(({ reason }) => reason)).toContain("name_used_twice");
  }, 30_000);

  test("goes by no clock: balancers an hour apart agree", async () => {
    const script = await builtScript();
    const shift = (hours: number) => {
      const file = inFolder(`shift-${hours}.ts`);
      writeFileSync(file, `const now = Date.now; Date.now = () => now() + ${hours * 3_600_000};\n`);
      return [process.execPath, "--preload", file, script];
    };
    await using fleet = await TestFleet.prepare({
      commands: { a: shift(1), b: shift(-1) },
      names: ["a", "b", "c"],
    });
    await Promise.all(fleet.members.map((member) => member.start()));
    await fleet.together();
    const [a, b, c] = fleet.members;
    if (!a || !b || !c) throw new Error("no members");
    const ago = (await a.snapshot()).at - (await b.snapshot()).at;
    expect(ago).toBeGreaterThan(7_000_000);
    await a.setMode("s1", "draining");
    await until(async () => (await b.upstream("s1")).mode === "draining");
    await b.setMode("s1", "ready");
    await until(async () => (await a.upstream("s1")).mode === "ready");
    b.relay.cut();
    await b.setMode("s2", "maintenance");
    await a.setMode("s2", "ready");
    b.relay.heal();
    for (const member of fleet.members)
      await until(async () => (await member.upstream("s2")).mode === "maintenance", member.name, 10_000);
  }, 60_000);

  test("works under Deno, next to one under Bun", async () => {
    const deno = await findDeno();
    if (!deno) return;
    const command = [deno, "run", "-A", "--unstable-net", fromSource[1] ?? ""];
    await using fleet = await TestFleet.prepare({ names: ["a", "b"], commands: { b: command } });
    await Promise.all(fleet.members.map((member) => member.start()));
    await fleet.together(20_000);
    const [a, b] = [fleet.get("a"), fleet.get("b")];
    await a.setMode("s1", "draining");
    await until(async () => (await b.upstream("s1")).mode === "draining");
    await b.setMode("s2", "maintenance");
    await until(async () => (await a.upstream("s2")).modeSet?.by === "api at b");
    fleet.redis.freeze();
    await until(async () => (await b.fleet()).alone !== null, "b is alone", 10_000);
    await b.setMode("s2", "ready");
    fleet.redis.thaw();
    await until(async () => (await a.upstream("s2")).mode === "ready", "a takes it over", 10_000);
  }, 90_000);
});

test.if(hasRedis)(
  "the user of the documentation may do all that a balancer does, and no more",
  async () => {
    const page = readFileSync(join(import.meta.dirname, "../../docs/fleet.md"), "utf8");
    const line = /^user evenkeel .*$/m.exec(page)?.[0].replace(">PASSWORD", ">right") ?? "";
    await using fleet = await TestFleet.prepare({
      names: ["a", "b"],
      redis: { lines: ["user default on nopass ~* &* +@all", line] },
      fleet: "user: evenkeel",
    });
    await Promise.all(fleet.members.map((member) => member.start({ EVENKEEL_FLEET_PASSWORD: "right" })));
    await fleet.together();
    const [a, b] = [fleet.get("a"), fleet.get("b")];
    await a.setMode("s1", "draining");
    const startedAt = performance.now();
    await until(async () => (await b.upstream("s1")).mode === "draining");
    // By a message, not by the look of each second.
    expect(performance.now() - startedAt).toBeLessThan(900);
    fleet.redis.command("FLUSHALL");
    await a.setMode("s1", "ready");
    await until(async () => (await b.upstream("s1")).mode === "ready");
    await b.kill("SIGTERM");
    await until(async () => (await a.fleet()).peers.length === 1, "b has left");
    for (const member of [a, b]) expect(member.program.stderr).not.toContain("NOPERM");
    const acl = fleet.redis.command("ACL", "LOG");
    expect(acl).not.toContain("evenkeel");
  },
  60_000,
);
