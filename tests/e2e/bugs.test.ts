import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromSource, isGone, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("bugs");

const flags = ["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"];
const faulty = (environment: Record<string, string> = {}) => ({
  BUN_OPTIONS: `--preload ${join(import.meta.dirname, "../support/fault.ts")}`,
  BUN_FAULT_THROWN: inFolder("thrown"),
  ...environment,
});
const hasThrown = (pid: number) => () => existsSync(inFolder(`thrown.${pid}`));

describe("an uncaught exception", () => {
  test("ends neither the balancer nor a request, and is logged and counted in a flood", async () => {
    await using programs = new Programs();
    const waiting: (() => void)[] = [];
    const origin = await startOrigin(
      (_, socket) => void waiting.push(() => socket.write(respondWith("late"))),
    );
    const environment = faulty({ BUN_FAULT_TIMES: "500" });
    const proxy = programs.start([...fromSource, ...flags, "--upstreams", origin.url], environment);
    const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
    const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
    const response = fetch(url);
    await until(() => waiting.length === 1, "a request in flight");
    process.kill(proxy.pid, "SIGALRM");
    await until(hasThrown(proxy.pid), "the exceptions");
    const metrics = await (await fetch(`${admin}/metrics`)).text();
    expect(metrics).toMatch(/^evenkeel_bugs_total 500$/m);
    waiting[0]?.();
    expect(await (await response).text()).toBe("late");
    const lines = proxy.stderr.split("\n").filter((line) => line.includes("a fault for the test"));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThan(40);
    expect(proxy.stderr).toContain("fault.ts");
    expect((await proxy.kill("SIGTERM")).code).toBe(0);
    await origin.close();
  }, 20_000);

  test("ends no worker either, and the counts of all processes are added up", async () => {
    await using programs = new Programs();
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("here")));
    const proxy = programs.start(
      [...fromSource, ...flags, "--workers", "2", "--upstreams", origin.url],
      faulty(),
    );
    await proxy.port("balancer");
    const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
    const { workers = [] } = (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
    const pids = [proxy.pid, ...workers.map(({ pid }) => pid)];
    expect(pids.length).toBe(3);
    for (const pid of pids) process.kill(pid, "SIGALRM");
    const count = async () =>
      /^evenkeel_bugs_total (\d+)$/m.exec(await (await fetch(`${admin}/metrics`)).text())?.[1];
    await until(async () => (await count()) === "3", "the counts of all processes");
    const [, one = 0] = pids;
    process.kill(one, "SIGKILL");
    await until(() => isGone(one), "one worker to exit");
    const isRestarted = async () => {
      const after = (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
      return after.workers?.every(({ ready, pid }) => ready && pid !== one);
    };
    await until(isRestarted, "its replacement", 15_000);
    expect(await count()).toBe("3");
    await origin.close();
  }, 30_000);

  test("during the start ends the process with a message and a code", async () => {
    await using programs = new Programs();
    // It accepts and sends nothing: the first probe result takes time.
    const silent = await startOrigin(() => {});
    const proxy = programs.start(
      [...fromSource, ...flags, "--probe-path", "/ready", "--upstreams", silent.url],
      faulty({ BUN_FAULT_AT_START: "1" }),
    );
    expect((await proxy.exited).code).toBe(1);
    expect(proxy.stderr).toStartWith(
      "Cannot start: internal error (please report): Error: a fault for the test",
    );
    expect(proxy.stdout).toBe("");
    await silent.close();
  }, 20_000);
});
