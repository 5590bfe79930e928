import { beforeAll, describe, expect, test } from "bun:test";

import { defaults } from "../../src/config/config.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { startLoad } from "../support/load.ts";
import { isAlive, type Program, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";
import { freePorts, isTaken } from "../support/free-ports.ts";

const anyPorts = ["--port", "0", "--admin-port", "0", "--dashboard-port", "0"];

async function pidsOf(up: Program): Promise<number[]> {
  await until(
    () => up.stdout.includes("Ctrl-C") || up.child.exitCode !== null,
    `the start: ${up.describe()}`,
    15_000,
  );
  return [...up.stdout.matchAll(/pid (\d+)/g)].map((match) => Number(match[1]));
}

describe("evenkeel up", () => {
  let busy: number | undefined;
  beforeAll(async () => {
    for (const port of [0, 1, 2].map((index) => defaults.demo.port + index))
      if (await isTaken(port)) busy = port;
    if (busy) console.warn(`skipped: the demo's port ${busy} is in use`);
  });

  test("starts balancer, dashboard and three servers; clients do not notice a killed one; Ctrl-C leaves no process behind", async () => {
    if (busy) return;
    await using programs = new Programs();
    const up = programs.evenkeel("up", ...anyPorts);
    const pids = await pidsOf(up);
    expect(pids).toHaveLength(3);
    const dashboard = await fetch(`http://127.0.0.1:${await up.port("dashboard")}/`);
    expect(await dashboard.text()).toContain("All 3 upstreams serve");
    const load = startLoad(`http://127.0.0.1:${await up.port("balancer")}/hello`, 8, () => ({
      headers: { "x-try": "1" },
    }));
    await until(() => load.servers.size === 3, "all three to respond");
    process.kill(pids[0] ?? 0, "SIGKILL");
    await until(() => up.stdout.includes("demo-1 exited (SIGKILL)"), "the notice");
    const { count } = load;
    await until(() => load.count > count + 50, "more load");
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await up.kill("SIGINT")).toEqual({ code: 0, signal: null });
    expect(pids.filter(isAlive)).toEqual([]);
  }, 30_000);

  test("has names for its servers, other ports with --demo-port, URLs that work, and no way to its servers' admin route", async () => {
    await using programs = new Programs();
    const first = await freePorts(3);
    const up = programs.evenkeel("up", ...anyPorts, "--host", "::", "--demo-port", String(first));
    expect(await pidsOf(up)).toHaveLength(3);
    const port = await up.port("balancer");
    const admin = `http://127.0.0.1:${await up.port("admin")}`;
    expect(up.stdout).toContain(`balancer   http://[::]:${port} `);
    expect(up.stdout).toContain(`curl http://localhost:${port}/hello`);
    expect((await fetch(`http://[::1]:${port}/hello`)).status).toBe(200);
    const snapshot = (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
    expect(snapshot.listen).toBe(`[::]:${port}`);
    expect(snapshot.pools[0]?.upstreams.map(({ id, url }) => `${id} ${url}`)).toEqual(
      [1, 2, 3].map((n) => `demo-${n} http://localhost:${first + n - 1}`),
    );
    for (const name of ["demo-1", "main/demo-2", `localhost:${first + 2}`]) {
      const drain = programs.evenkeel("drain", name, "--wait", "5s", "--admin-url", admin);
      expect((await drain.exited).code).toBe(0);
      expect(drain.stdout).toBe(`${name} is drained.\n`);
      await programs.evenkeel("ready", name, "--admin-url", admin).exited;
    }
    const disable = { method: "POST", body: '{"ready": false}' };
    for (const path of ["/admin/ready/", "/admin/ready", "//admin/ready"])
      await fetch(`http://127.0.0.1:${port}${path}`, { ...disable, headers: { connection: "close, via" } });
    for (let i = 0; i < 3; i++)
      expect((await fetch(`http://127.0.0.1:${first + i}/readyz`)).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${first}/admin/ready/`, disable)).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${first}/readyz`)).status).toBe(503);
    expect(await up.kill("SIGINT")).toEqual({ code: 0, signal: null });
  }, 30_000);

  test.each(["0", "65534", "x"])("rejects --demo-port %s", async (port) => {
    await using programs = new Programs();
    const up = programs.evenkeel("up", ...anyPorts, "--demo-port", port);
    expect((await up.exited).code).toBe(2);
    expect(up.stderr).toBe(
      `Cannot use --demo-port: expected a whole number from 1 to 65533 (received "${port}").\n`,
    );
  });

  test("ends its servers when it is killed with SIGKILL", async () => {
    if (busy) return;
    await using programs = new Programs();
    const up = programs.evenkeel("up", ...anyPorts);
    const pids = await pidsOf(up);
    await up.kill("SIGKILL");
    await until(() => !pids.some(isAlive), "the servers to exit");
  }, 30_000);

  test("prints which server cannot start and why, and leaves no process behind", async () => {
    if (busy) return;
    await using programs = new Programs();
    const blocker = programs.evenkeel("backend", "--host", "127.0.0.1", "--port", "8082");
    await blocker.port("backend");
    const up = programs.evenkeel("up", ...anyPorts);
    expect((await up.exited).code).toBe(2);
    expect(up.stderr.trim().split("\n")).toHaveLength(1);
    expect(up.stderr).toMatch(
      /^Cannot start \S+ on port 8082: the address is already in use; set --demo-port\.\n/,
    );
    expect(await isTaken(8081)).toBe(false);
  }, 30_000);
});
