/** The unit files: their syntax and their score, and the executable within the limits that they set. */

import { beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { dirname, join } from "node:path";

import { defaults } from "../../src/config/config.ts";
import { compiledExecutable } from "../support/executable.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { hasPrograms, packagingFolder, packagingText, runProgram } from "../support/packaging.ts";
import { Program, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("systemd");
const unitFolder = join(packagingFolder, "systemd");

/** Values of a setting, in their order. A setting may stand several times. */
function settings(unit: string, name: string): readonly string[] {
  return [...packagingText("systemd", unit).matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(
    ([, value = ""]) => value,
  );
}

const setting = (name: string): string => settings("evenkeel.service", name).at(-1) ?? "";

/** What `systemctl edit` and the manual may rely on. */
describe("evenkeel.service", () => {
  test("waits longer for the end than the balancer takes for it by default", () => {
    const takenMs = defaults.drainTimeoutMs + defaults.drainDelayMs;
    expect(Number(setting("TimeoutStopSec")) * 1_000).toBeGreaterThan(takenMs);
    expect(setting("KillMode")).toBe("mixed");
  });

  test("has room for the default number of clients", () =>
    expect(Number(setting("LimitNOFILE"))).toBeGreaterThan(4 * defaults.maxClients));

  test("has no right but that to ports below 1024, and may write nowhere but in its own folders", () => {
    expect(setting("CapabilityBoundingSet")).toBe("CAP_NET_BIND_SERVICE");
    expect(setting("AmbientCapabilities")).toBe("CAP_NET_BIND_SERVICE");
    for (const name of ["DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateTmp"])
      expect(`${name} ${setting(name)}`).toBe(`${name} yes`);
    expect(setting("ProtectSystem")).toBe("strict");
    expect(settings("evenkeel.service", "ReadWritePaths")).toEqual([]);
    expect(setting("Environment")).toBe("EVENKEEL_STATE=%S/evenkeel/state.db");
    expect(setting("StateDirectory")).toBe("evenkeel");
  });

  test("leaves memory both writable and executable, without which the runtime only interprets", () =>
    expect(settings("evenkeel.service", "MemoryDenyWriteExecute")).toEqual([]));

  test("begins with the type that old versions of systemd know; the drop-in names the newer one", () => {
    expect(setting("Type")).toBe("notify");
    expect(settings("notify-reload.conf", "Type")).toEqual(["notify-reload"]);
    expect(settings("notify-reload.conf", "ExecReload")).toEqual([""]);
  });
});

describe.skipIf(!hasPrograms("tests of the unit files", "systemd-analyze"))("systemd-analyze", () => {
  const root = (path: string) => inFolder(join("root", path));
  const units = "usr/lib/systemd/system";

  /** A system with these units and the programs that they start. */
  beforeAll(() => {
    for (const program of ["usr/bin/evenkeel", "bin/kill"]) {
      mkdirSync(dirname(root(program)), { recursive: true });
      copyFileSync("/bin/true", root(program));
    }
    mkdirSync(root(units), { recursive: true });
    for (const name of ["evenkeel.service", "evenkeel.socket"])
      copyFileSync(join(unitFolder, name), root(`${units}/${name}`));
    const system = ["/usr/lib/systemd/system", "/lib/systemd/system"].find(
      (folder) => Bun.file(join(folder, "basic.target")).size,
    );
    const targets = ["basic", "sysinit", "shutdown", "network-online", "nss-lookup", "sockets", "multi-user"];
    for (const name of targets) {
      if (system) cpSync(join(system, `${name}.target`), root(`${units}/${name}.target`));
    }
  });

  const verify = (unit: string) =>
    runProgram(["systemd-analyze", "verify", "--man=no", `--root=${root("")}`, unit]);

  test.each(["evenkeel.service", "evenkeel.socket"])("has nothing to say about %s", async (unit) =>
    expect(await verify(unit)).toEqual({ code: 0, out: "", err: "" }),
  );

  test("reports an unknown setting, so that the test above can fail", async () => {
    const broken = packagingText("systemd", "evenkeel.service").replace("NoNewPrivileges", "NoNewPrivilege");
    writeFileSync(root(`${units}/broken.service`), broken);
    expect((await verify("broken.service")).err).toContain("NoNewPrivilege");
  });

  test("scores the service as well protected: below 2.0 of 10", async () => {
    const words = ["--offline=true", "--no-pager", "--threshold=20", join(unitFolder, "evenkeel.service")];
    const { code, out } = await runProgram(["systemd-analyze", "security", ...words]);
    const score = Number(/exposure level for evenkeel\.service: ([\d.]+)/.exec(out)?.[1]);
    expect(score).toBeLessThan(2);
    expect(code).toBe(0);
  });
});

describe.skipIf(!hasPrograms("the test of the socket unit", "systemd-socket-activate"))(
  "evenkeel.socket",
  () => {
    test("names the default listener, which takes the port of systemd and serves the connection that waited", async () => {
      const name = settings("evenkeel.socket", "FileDescriptorName").at(-1) ?? "";
      const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
      const probe = createServer().listen(0, "127.0.0.1");
      await once(probe, "listening");
      const { port } = probe.address() as AddressInfo;
      await new Promise((resolve) => probe.close(resolve));
      await using programs = new Programs();
      const activation = ["systemd-socket-activate", `--listen=127.0.0.1:${port}`, `--fdname=${name}`];
      const variables = ["PATH", "HOME", "EVENKEEL_STATE"].map((variable) => `--setenv=${variable}`);
      // Another port: the name decides.
      const argv = ["proxy", "--port", "1", "--admin-port", "0", "--upstreams", origin.url];
      const program = programs.start([...activation, ...variables, await compiledExecutable(), ...argv]);
      await until(() => program.stderr.includes("Listening on"), "systemd's port", 10_000);
      // This connection starts the program.
      const headers = { Connection: "close" };
      expect(await (await fetch(`http://127.0.0.1:${port}/`, { headers })).text()).toBe("ok");
      expect(await program.port("balancer")).toBe(port);
      expect((await program.kill("SIGTERM")).code).toBe(0);
      await origin.close();
    }, 60_000);
  },
);

const canTrace =
  process.getuid?.() === 0 &&
  hasPrograms("the test of the system calls", "systemd-analyze", "strace", "setpriv", "curl");

describe.skipIf(!canTrace)("the executable under strace", () => {
  /** Members of a group of system calls, with those of the groups in it. */
  async function callsIn(group: string): Promise<readonly string[]> {
    const { out } = await runProgram(["systemd-analyze", "syscall-filter", group]);
    const names = out.split("\n").flatMap((line) => /^ +([@\w-]+)$/.exec(line)?.[1] ?? []);
    const inner = await Promise.all(names.map((name) => (name.startsWith("@") ? callsIn(name) : [name])));
    return inner.flat();
  }

  /** As systemd reads the lines: the first one names what is allowed, one with ~ takes away. */
  async function allowed(): Promise<ReadonlySet<string>> {
    const calls = new Set<string>();
    for (const line of settings("evenkeel.service", "SystemCallFilter")) {
      const groups = line.replace(/^~/, "").split(" ");
      for (const name of (await Promise.all(groups.map(callsIn))).flat()) {
        if (line.startsWith("~")) calls.delete(name);
        else calls.add(name);
      }
    }
    return calls;
  }

  test.each([["wire"], ["fetch"]])(
    "the %s engine calls only what SystemCallFilter and RestrictAddressFamilies allow",
    async (engine) => {
      const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
      const folder = inFolder(engine);
      mkdirSync(folder);
      // Not root: what a program may do as root, it tries.
      const nobody = 65_534;
      chmodSync(inFolder(), 0o755);
      chownSync(folder, nobody, nobody);
      copyFileSync(await compiledExecutable(), join(folder, "evenkeel"));
      const config = join(folder, "evenkeel.yaml");
      const pool = `pools: { main: { probe: { path: / }, upstreams: ["${origin.url}"] } }\n`;
      writeFileSync(config, `listen: { host: 127.0.0.1, port: 0 }\nadmin: { port: 0 }\n${pool}`);
      const program = new Program(
        [
          ...["strace", "-f", "-qq", "-y", "-e", "signal=none", "-o", inFolder(`${engine}.trace`)],
          ...["setpriv", "--reuid", String(nobody), "--regid", String(nobody), "--clear-groups"],
          ...[join(folder, "evenkeel"), "proxy", "--config", config, "--watch", "--engine", engine],
          ...["--workers", "2", "--access-log", join(folder, "access.log")],
        ],
        // As under systemd; that nothing receives the messages changes no call.
        {
          EVENKEEL_STATE: join(folder, "state.db"),
          NOTIFY_SOCKET: join(folder, "notify"),
          WATCHDOG_USEC: "1000000",
        },
      );
      const port = await program.port("balancer", 30_000);
      const ask = () => runProgram(["curl", "-sS", "--fail", `http://127.0.0.1:${port}/`]);
      await until(async () => (await ask()).code === 0, "a response", 20_000);
      for (let count = 0; count < 20; count += 1) expect((await ask()).out).toBe("ok");
      writeFileSync(config, `${readFileSync(config, "utf8")}maxMemory: 0\n`);
      await until(() => program.stderr.includes("configuration applied"), "the reload", 20_000);
      const child = readFileSync(`/proc/${program.pid}/task/${program.pid}/children`, "utf8").trim();
      process.kill(Number(child), "SIGTERM");
      expect((await program.exited).code).toBe(0);
      await origin.close();

      // Up to exec, setpriv runs.
      const trace = readFileSync(inFolder(`${engine}.trace`), "utf8");
      const own = trace.slice(trace.indexOf(`execve("${join(folder, "evenkeel")}"`));
      const called = new Set([...own.matchAll(/^\d+ +(\w+)\(/gm)].map(([, name = ""]) => name));
      expect(called.size).toBeGreaterThan(40);
      const filter = await allowed();
      expect([...called].filter((name) => !filter.has(name))).toEqual([]);
      const families = new Set([...own.matchAll(/ socket(?:pair)?\((AF_\w+)/g)].map(([, name = ""]) => name));
      const permitted = setting("RestrictAddressFamilies").split(" ");
      expect([...families].filter((name) => !permitted.includes(name))).toEqual([]);
    },
    60_000,
  );
});
