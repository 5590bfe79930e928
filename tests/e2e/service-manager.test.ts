import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { spawn } from "node:child_process";

import { runtime } from "#runtime";

import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { NotifySocket } from "../support/notify-socket.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, Program, Programs } from "../support/program.ts";
import { UpgradedProgram } from "../support/upgraded-program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("service-manager");
const root = join(import.meta.dirname, "../..");

const flags = (origin: { readonly url: string }, ...more: string[]) => [
  ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
  ...["--upstreams", origin.url, ...more],
];

const prompt = () => startOrigin((_, socket) => void socket.write(respondWith("ok")));

describe("a service manager", () => {
  for (const path of ["folder", `@evenkeel-test-${process.pid}`]) {
    test(`hears of start, reload, takeover, watchdog and stop at ${path === "folder" ? "a path" : "an abstract name"}`, async () => {
      using socket = new NotifySocket(path === "folder" ? inFolder("notify.sock") : path);
      await using programs = new Programs();
      const origin = await prompt();
      const program = programs.start([...fromBuild, ...flags(origin)], {
        NOTIFY_SOCKET: socket.path,
        // The queue of a datagram socket has ten places: a test that stands still for a moment must not lose the others.
        WATCHDOG_USEC: "1000000",
      });
      const admin = `http://127.0.0.1:${await program.port("admin")}`;
      await using upgraded = new UpgradedProgram(program);
      await socket.until("READY");
      expect(socket.values("STATUS")[0]).toStartWith("Serving 127.0.0.1:");
      await socket.until("WATCHDOG", 3);

      program.child.kill("SIGHUP");
      await socket.until("RELOADING");
      const [micros] = await socket.until("MONOTONIC_USEC");
      const uptime = runtime.systemCalls()?.monotonicMicros() ?? 0;
      expect(uptime - Number(micros)).toBeWithin(0, 60_000_000);
      await socket.until("READY", 2);

      const { pid } = await upgraded.upgrade(admin);
      await until(() => socket.values("MAINPID").includes(String(pid)), "the main process");
      expect(new Set(socket.values("MAINPID"))).toEqual(new Set([String(pid)]));
      await socket.until("READY", 3);
      // The first process exits, and the service goes on.
      await until(() => program.child.exitCode !== null, "the first process to exit", 10_000);
      expect(socket.values("STOPPING")).toEqual([]);
      const before = socket.values("WATCHDOG").length;
      await socket.until("WATCHDOG", before + 3);

      process.kill(pid, "SIGTERM");
      await socket.until("STOPPING");
      expect(program.stderr).not.toContain("service manager not notified");
      await origin.close();
    }, 60_000);
  }

  test("whose socket is gone costs one warning, and the watchdog of another process no message", async () => {
    using socket = new NotifySocket(inFolder("other.sock"));
    await using programs = new Programs();
    const origin = await prompt();
    const gone = programs.start([...fromBuild, ...flags(origin)], { NOTIFY_SOCKET: inFolder("gone.sock") });
    await gone.port("admin");
    gone.child.kill("SIGHUP");
    await until(() => gone.stderr.includes("configuration unchanged"), "the reload");
    expect(gone.stderr.split("service manager not notified")).toHaveLength(2);
    const other = programs.start([...fromBuild, ...flags(origin)], {
      NOTIFY_SOCKET: socket.path,
      WATCHDOG_USEC: "100000",
      WATCHDOG_PID: "1",
    });
    await socket.until("READY");
    other.child.kill("SIGTERM");
    await socket.until("STOPPING");
    expect(socket.values("WATCHDOG")).toEqual([]);
    await origin.close();
  });

  test("hears from Deno too", async () => {
    const deno = await findDeno();
    if (!deno) return;
    using socket = new NotifySocket(inFolder("deno.sock"));
    await using programs = new Programs();
    const origin = await prompt();
    const command = [deno, "run", "-A", join(root, "src/main.ts")];
    const program = programs.start([...command, ...flags(origin)], { NOTIFY_SOCKET: socket.path });
    await socket.until("READY");
    program.child.kill("SIGTERM");
    await socket.until("STOPPING");
    await origin.close();
  }, 20_000);
});

/** As systemd: the sockets from descriptor 3 on, and the process id of the service itself. */
function activate(fds: readonly number[], names: string, argv: readonly string[]) {
  const script = 'export LISTEN_PID=$$; exec "$@"';
  const { PATH = "", HOME = "" } = process.env;
  const environment = { EVENKEEL_STATE: ":memory:", LISTEN_FDS: `${fds.length}`, LISTEN_FDNAMES: names };
  const child = spawn("sh", ["-c", script, "sh", ...fromBuild, ...argv], {
    env: { PATH, HOME, ...environment },
    stdio: ["ignore", "pipe", "pipe", ...fds],
  });
  return new Program(child);
}

describe("sockets of systemd", () => {
  for (const by of ["name", "address"]) {
    test(`are adopted by ${by}: a client that connected before the start is served, and after an upgrade too`, async () => {
      const held = await runtime.holdSocket("127.0.0.1", 0);
      if (!held) return console.warn("skipped: this system has no C library to hold a socket with");
      const origin = await prompt();
      const early = fetch(`http://127.0.0.1:${held.port}/early`).then((response) => response.text());
      const port = by === "name" ? "1" : `${held.port}`;
      const program = activate([held.fd], by === "name" ? "main" : "evenkeel.socket", [
        ...["proxy", "--port", port, "--admin-port", "0", "--host", "127.0.0.1", "--upstreams", origin.url],
      ]);
      try {
        expect(await program.port("balancer")).toBe(held.port);
        expect(await early).toBe("ok");
        const admin = `http://127.0.0.1:${await program.port("admin")}`;
        await using upgraded = new UpgradedProgram(program);
        expect(await upgraded.upgrade(admin)).toMatchObject({ upgraded: true });
        await until(() => program.child.exitCode !== null, "the first process to exit", 10_000);
        expect(await (await fetch(`http://127.0.0.1:${held.port}/late`)).text()).toBe("ok");
      } finally {
        program.child.kill("SIGKILL");
        runtime.systemCalls()?.close(held.fd);
        await origin.close();
      }
    }, 20_000);
  }

  test("that belong to no listener, or go to the fetch engine, are an error with a sentence", async () => {
    const held = await runtime.holdSocket("127.0.0.1", 0);
    if (!held) return;
    const argv = [
      "proxy",
      "--port",
      "0",
      "--admin-port",
      "0",
      "--host",
      "127.0.0.1",
      "--upstreams",
      "http://127.0.0.1:9",
    ];
    const lost = activate([held.fd], "web", argv);
    expect((await lost.exited).code).toBe(2);
    expect(lost.stderr).toContain(
      `Cannot use the sockets of systemd: socket web (127.0.0.1:${held.port}) belongs to no listener; name it after a listener (FileDescriptorName=main)`,
    );
    const fetching = activate([held.fd], "main", [...argv, "--engine", "fetch"]);
    expect((await fetching.exited).code).toBe(2);
    expect(fetching.stderr).toContain("the fetch engine cannot use sockets of another process");
    runtime.systemCalls()?.close(held.fd);
  });
});
