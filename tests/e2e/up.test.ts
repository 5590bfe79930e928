import { beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";

import { defaults } from "../../src/config/config.ts";
import { startLoad } from "../support/load.ts";
import { isAlive, type Program, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const anyPorts = ["--port", "0", "--admin-port", "0", "--dashboard-port", "0"];

const isTaken = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => (socket.destroy(), resolve(true))).on("error", () =>
      resolve(false),
    );
  });

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
    for (const port of defaults.demo.ports) if (await isTaken(port)) busy = port;
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
    expect(up.stderr).toMatch(/^Cannot start \S+ on port 8082: the address is already in use\.\n/);
    expect(await isTaken(8081)).toBe(false);
  }, 30_000);
});
