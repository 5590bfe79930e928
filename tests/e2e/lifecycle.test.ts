import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";

import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, fromSource, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("lifecycle");

const proxyFlags = (port: number, ...more: string[]) => [
  ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
  ...["--upstreams", `http://127.0.0.1:${port}`, ...more],
];

/** An upstream that responds when the test calls `answerAll`. */
async function startPatientOrigin() {
  const waiting: (() => void)[] = [];
  const origin = await startOrigin((_, socket) => void waiting.push(() => socket.write(respondWith("late"))));
  return { ...origin, waiting, answerAll: () => waiting.splice(0).forEach((response) => response()) };
}

const statusOf = (url: string) =>
  fetch(url).then(
    ({ status }) => status,
    () => 0,
  );

describe("a signal", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal} sets readiness to 503, lets the request in flight finish, and exits with 0`, async () => {
      await using programs = new Programs();
      const origin = await startPatientOrigin();
      const proxy = programs.evenkeel(...proxyFlags(origin.port));
      const url = `http://127.0.0.1:${await proxy.port("balancer")}`;
      const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
      expect(await statusOf(`${admin}/readyz`)).toBe(200);
      const response = fetch(url).then((response) => response.text());
      await until(() => origin.waiting.length === 1, "the request to arrive");
      proxy.child.kill(signal);
      await until(async () => (await statusOf(`${admin}/readyz`)) === 503, "readiness to become 503");
      expect(await statusOf(`${admin}/livez`)).toBe(200);
      await until(async () => (await statusOf(url)) === 0, "new connections to be refused");
      expect(proxy.child.exitCode).toBeNull();
      origin.answerAll();
      expect(await response).toBe("late");
      expect(await proxy.exited).toEqual({ code: 0, signal: null });
      await origin.close();
    });
  }

  test("a second signal exits at once", async () => {
    await using programs = new Programs();
    const origin = await startPatientOrigin();
    const proxy = programs.evenkeel(...proxyFlags(origin.port));
    const response = fetch(`http://127.0.0.1:${await proxy.port("balancer")}`).catch(() => "cut");
    await until(() => origin.waiting.length === 1, "the request to arrive");
    proxy.child.kill("SIGTERM");
    await until(() => proxy.stderr.includes("drain started"), "the drain to begin");
    expect(await proxy.kill("SIGTERM")).toEqual({ code: 143, signal: null });
    expect(await response).toBe("cut");
    await origin.close();
  });

  test("a request that outlives the drain deadline is aborted, and that is logged", async () => {
    await using programs = new Programs();
    const origin = await startPatientOrigin();
    const proxy = programs.evenkeel(...proxyFlags(origin.port, "--drain-timeout", "200ms"));
    const response = fetch(`http://127.0.0.1:${await proxy.port("balancer")}`).catch(() => "cut");
    await until(() => origin.waiting.length === 1, "the request to arrive");
    expect((await proxy.kill("SIGTERM")).code).toBe(0);
    expect(await response).toBe("cut");
    expect(proxy.stderr).toContain("shutdown deadline passed");
    await origin.close();
  });
});

describe("an operator's mistake", () => {
  test("a port in use prints one sentence with flag and address, and exits with 2", async () => {
    await using programs = new Programs();
    const origin = await startOrigin(() => {});
    for (const [argv, settings] of [
      [
        ["proxy", "--host", "127.0.0.1", "--port", `${origin.port}`, "--admin-port", "0"],
        "--port or listen.port",
      ],
      [["proxy", "--port", "0", "--admin-port", `${origin.port}`], "--admin-port or admin.port"],
      [["backend", "--host", "127.0.0.1", "--port", `${origin.port}`], "--port"],
      [["dashboard", "--port", `${origin.port}`], "--port"],
    ] as const) {
      const program = programs.evenkeel(...argv);
      expect((await program.exited).code).toBe(2);
      const lines = program.stderr
        .trimEnd()
        .split("\n")
        .filter((line) => !line.startsWith("{"));
      expect(lines).toEqual([
        `Cannot listen on 127.0.0.1:${origin.port}: the address is already in use; set ${settings}.`,
      ]);
    }
    await origin.close();
  });

  test("all invalid flags are reported at once, with exit 2 and no stack trace", async () => {
    await using programs = new Programs();
    const program = programs.evenkeel("proxy", "--port", "http", "--policy", "fastest");
    expect((await program.exited).code).toBe(2);
    expect(program.stderr).toContain("--port");
    expect(program.stderr).toContain("--policy");
    expect(program.stderr.trimEnd().split("\n")).toHaveLength(2);
    expect(program.stderr).not.toContain("    at ");
  });

  test("a damaged state file is logged, and the balancer serves anyway", async () => {
    await using programs = new Programs();
    const file = inFolder("damaged.db");
    writeFileSync(file, "no database at all, but long enough to look like one. ".repeat(40));
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const proxy = programs.start([...fromBuild, ...proxyFlags(origin.port, "--state", file)]);
    expect(await statusOf(`http://127.0.0.1:${await proxy.port("balancer")}`)).toBe(200);
    await until(
      () => proxy.stderr.includes("state file unavailable; runtime changes will be lost on restart"),
      "the message",
    );
    expect(proxy.stderr).toContain("Cannot use the state file");
    // The status shows it later, when the log line has scrolled away.
    const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
    const status = programs.start([...fromBuild, "status", "--admin-url", admin]);
    expect((await status.exited).code).toBe(0);
    expect(status.stdout).toMatch(
      /^Changes are not being saved \(since .*\n  Cause: Cannot use the state file: .*damaged\.db\)\.$/m,
    );
    expect(await (await fetch(`${admin}/metrics`)).text()).toContain("evenkeel_state_not_kept 1\n");
    await origin.close();
  });
});

test("/metrics has a sample of every pool's gauges, including the queue's", async () => {
  await using programs = new Programs();
  const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
  const proxy = programs.evenkeel(...proxyFlags(origin.port));
  const text = await (await fetch(`http://127.0.0.1:${await proxy.port("admin")}/metrics`)).text();
  for (const name of ["panic", "retry_budget", "queue_depth"])
    expect(text).toContain(`evenkeel_${name}{pool="main"} `);
  await origin.close();
});

describe("a restart", () => {
  test("keeps what the operator set, with actor and time, even after kill -9", async () => {
    await using programs = new Programs();
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const flags = proxyFlags(origin.port, "--state", inFolder("kept.db"));
    const id = `127.0.0.1:${origin.port}`;
    const first = programs.evenkeel(...flags);
    const response = await fetch(
      `http://127.0.0.1:${await first.port("admin")}/api/upstreams/${encodeURIComponent(id)}/mode`,
      {
        method: "POST",
        body: JSON.stringify({ mode: "maintenance" }),
        headers: { "X-Evenkeel-Actor": "ann" },
      },
    );
    expect(response.status).toBe(200);
    await first.kill("SIGKILL");
    const second = programs.evenkeel(...flags);
    expect(await statusOf(`http://127.0.0.1:${await second.port("balancer")}`)).toBe(503);
    const admin = `http://127.0.0.1:${await second.port("admin")}`;
    const snapshot = (await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot;
    expect(snapshot.pools[0]?.upstreams[0]).toMatchObject({ mode: "maintenance", modeSet: { by: "ann" } });
    expect(await statusOf(`${admin}/healthz`)).toBe(503);
    await origin.close();
  });
});

test("the sources run from any folder", async () => {
  await using programs = new Programs();
  const dashboard = programs.start([...fromSource, "dashboard", "--port", "0"], {}, inFolder());
  const page = await fetch(`http://127.0.0.1:${await dashboard.port("dashboard")}/`);
  expect(await page.text()).toContain("<title>");
});
