/** What each signal does: while the program starts, while it serves, in workers, and as the first process of a container. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";

import { findDeno } from "../support/deno.ts";
import { temporaryFolder } from "../support/folder.ts";
import { type Origin, respondWith, startOrigin } from "../support/origin.ts";
import { fromBuild, isGone, Program, Programs } from "../support/program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("signals");
const hasProc = existsSync("/proc/self/status");
const main = join(import.meta.dirname, "../../src/main.ts");

/** Replaced where Deno is not available. */
const runtimes: { name: string; command: () => readonly string[] }[] = [
  { name: "Bun", command: () => fromBuild },
  { name: "Deno", command: () => (deno ? [deno, "run", "-A", main] : []) },
];
let deno = "";
let origin: Origin;

beforeAll(async () => {
  deno = await findDeno();
  origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
}, 120_000);
afterAll(() => origin.close());

const proxyFlags = (...more: string[]) => [
  ...["proxy", "--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--upstreams", origin.url],
  ...more,
];

const urlOf = async (proxy: Program) => `http://127.0.0.1:${await proxy.port("balancer", 20_000)}/`;
const statusOf = async (url: string) => (await fetch(url)).status;

async function workersOf(proxy: Program): Promise<number[]> {
  const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
  const snapshot = (await (await fetch(`${admin}/api/snapshot`)).json()) as { workers?: { pid: number }[] };
  return (snapshot.workers ?? []).map(({ pid }) => pid);
}

/** Whether a process handles a signal: proc(5), SigCgt. */
function handles(pid: number, signal: NodeJS.Signals): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const mask = BigInt(`0x${/^SigCgt:\s*(\w+)/m.exec(status)?.[1] ?? "0"}`);
    return (mask & (1n << BigInt(constants.signals[signal] - 1))) !== 0n;
  } catch {
    return false;
  }
}

/** Processes that were started, directly or not, with this variable. */
function processesWith(variable: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").includes(variable) && !isGone(pid);
      } catch {
        return false;
      }
    });
}

/** Files that a process has open. */
function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${name}`)];
    } catch {
      return [];
    }
  });
}

/** As many moments of a start catch it in each of its phases. A start on Deno takes several times the processor time. */
const momentsOf = (runtime: string) => (runtime === "Deno" ? 5 : 9);

type Start = (programs: Programs, argv: readonly string[]) => Program;

/** Times from the start of a program until a little after it serves, milliseconds: a different place in each step. */
async function momentsOfStart(
  start: Start,
  argv: readonly string[],
  moments: number,
): Promise<readonly number[]> {
  await using programs = new Programs();
  const startedAt = performance.now();
  const program = start(programs, argv);
  await until(() => program.stdout !== "", "the program to serve", 20_000);
  const stepMs = (1.2 * (performance.now() - startedAt)) / moments;
  return Array.from({ length: moments }, (_, index) => stepMs * (index + Math.random()));
}

for (const { name, command } of runtimes) {
  const start = (programs: Programs, argv: readonly string[], env: Record<string, string> = {}) =>
    programs.start([...command(), ...argv], env);

  describe(`on ${name}`, () => {
    test.each([1, 2])(
      "signals without a meaning change nothing in the processes of --workers %d; QUIT drains",
      async (workers) => {
        if (command().length === 0) return;
        await using programs = new Programs();
        const proxy = start(programs, proxyFlags("--workers", String(workers)));
        const url = await urlOf(proxy);
        const serving = await workersOf(proxy);
        const all = [proxy.pid, ...serving];
        expect(all).toHaveLength(workers === 1 ? 1 : 3);
        for (const signal of ["USR1", "ALRM", "VTALRM", "PROF", "IO", "XFSZ", "PIPE", "PWR", "WINCH"])
          await new Program(["kill", `-${signal}`, ...all.map(String)]).exited;
        for (let i = 0; i < 8; i++) expect(await statusOf(url)).toBe(200);
        expect(await workersOf(proxy)).toEqual(serving);
        await until(() => proxy.stderr.includes("log files reopened"), "the line of USR1");
        // A service manager and a terminal signal all processes.
        for (const pid of serving) process.kill(pid, "SIGQUIT");
        expect(await proxy.kill("SIGQUIT")).toEqual({ code: 0, signal: null });
        expect(proxy.stderr).toContain("drain started");
        await until(() => all.every(isGone), "all processes to end");
      },
      40_000,
    );

    test("workers see no secret of the environment", async () => {
      if (command().length === 0) return;
      if (!hasProc) return console.warn("skipped: this system does not show the environment of a process");
      await using programs = new Programs();
      const env = {
        ADMIN_TOKEN: "a-secret-of-many-letters",
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=secret",
      };
      const proxy = start(programs, proxyFlags("--workers", "2"), env);
      const url = await urlOf(proxy);
      const admin = `http://127.0.0.1:${await proxy.port("admin")}/api/snapshot`;
      const headers = { authorization: `Bearer ${env.ADMIN_TOKEN}` };
      const { workers } = (await (await fetch(admin, { headers })).json()) as { workers: { pid: number }[] };
      expect(workers).toHaveLength(2);
      for (const { pid } of workers) {
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
        expect(environment).toContain("PATH=");
        expect(environment).not.toContain("secret");
      }
      expect(await statusOf(url)).toBe(200);
      expect(await proxy.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    }, 40_000);

    test("a worker ends with its balancer, whatever the moment of the start", async () => {
      if (command().length === 0 || !hasProc) return;
      const mark = `BUN_SIGNALS_TEST=${name}-orphans`;
      const [variable = "", value = ""] = mark.split("=");
      for (const delayMs of await momentsOfStart(start, proxyFlags("--workers", "2"), momentsOf(name))) {
        await using programs = new Programs();
        const proxy = start(programs, proxyFlags("--workers", "2"), { [variable]: value });
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        await proxy.kill("SIGKILL");
      }
      await until(() => processesWith(mark).length === 0, "the workers to end", 10_000);
    }, 90_000);

    test("a second SIGQUIT exits at once", async () => {
      if (command().length === 0) return;
      await using programs = new Programs();
      let isWaiting = false;
      const silent = await startOrigin(() => void (isWaiting = true));
      const proxy = start(programs, [...proxyFlags().slice(0, -1), silent.url]);
      const response = fetch(await urlOf(proxy)).catch(() => "cut");
      await until(() => isWaiting, "the request to arrive");
      proxy.child.kill("SIGQUIT");
      await until(() => proxy.stderr.includes("drain started"), "the drain to begin");
      expect(await proxy.kill("SIGQUIT")).toEqual({ code: 131, signal: null });
      expect(await response).toBe("cut");
      await silent.close();
    }, 40_000);

    test.each([
      ["SIGUSR1", 1],
      ["SIGUSR1", 2],
      ["SIGHUP", 2],
    ] as const)(
      "%s reopens the access log without waiting for a line, with --workers %d",
      async (signal, workers) => {
        if (command().length === 0) return;
        if (!hasProc) return console.warn("skipped: this system does not show open files");
        await using programs = new Programs();
        const file = inFolder(`${name}-${signal}-${workers}.log`);
        const proxy = start(programs, proxyFlags("--workers", String(workers), "--access-log", file));
        const url = await urlOf(proxy);
        const writers = workers === 1 ? [proxy.pid] : await workersOf(proxy);
        await until(async () => {
          // New connections: kept ones may all belong to one worker.
          const fresh = { headers: { connection: "close" } };
          await Promise.all(Array.from({ length: 8 }, () => fetch(url, fresh)));
          return writers.every((pid) => openFiles(pid).includes(file));
        }, "every process to write");
        renameSync(file, `${file}.1`);
        proxy.child.kill(signal);
        await until(() => !writers.some((pid) => openFiles(pid).includes(`${file}.1`)), "the old file's end");
        await statusOf(`${url}after`);
        await until(() => existsSync(file) && readFileSync(file, "utf8").includes("/after"), "the new file");
        expect(await proxy.kill("SIGTERM")).toEqual({ code: 0, signal: null });
      },
      40_000,
    );

    test.each(["wire", "fetch"])(
      "on %s SIGHUP stays ignored if the parent ignored it, as nohup does; else it reloads",
      async (engine) => {
        if (command().length === 0) return;
        if (!hasProc) return console.warn("skipped: only Linux shows ignored signals");
        await using programs = new Programs();
        const config = inFolder(`${name}-nohup.yaml`);
        writeFileSync(config, `pools: { main: { upstreams: ["${origin.url}"] } }\n`);
        const argv = [...proxyFlags().slice(0, -2), "--engine", engine, "--config", config];
        const nohup = programs.start(["sh", "-c", `trap "" HUP; exec "$@"`, "sh", ...command(), ...argv]);
        const plain = start(programs, argv);
        await urlOf(nohup);
        await urlOf(plain);
        writeFileSync(config, `pools: { main: { upstreams: ["${origin.url}"], retries: 2 } }\n`);
        for (const program of [nohup, plain]) program.child.kill("SIGHUP");
        await until(() => plain.stderr.includes("configuration applied"), "the reload");
        for (const program of [nohup, plain])
          expect(await program.kill("SIGTERM")).toEqual({ code: 0, signal: null });
        expect(nohup.stderr).not.toContain("configuration applied");
      },
      40_000,
    );

    const starts: readonly (readonly [what: string, argv: () => readonly string[]])[] = [
      ["proxy on wire", () => proxyFlags()],
      ["proxy with workers", () => proxyFlags("--workers", "2")],
      ["up", () => ["up", ...proxyFlags().slice(1), "--dashboard-port", "0"]],
    ];
    // On Deno, these differ from the others in nothing that concerns a signal.
    const more: typeof starts = [
      ["proxy on fetch", () => proxyFlags("--engine", "fetch")],
      ["dashboard", () => ["dashboard", "--port", "0"]],
      ["backend", () => ["backend", "--port", "0"]],
    ];
    test.each(name === "Deno" ? [...starts] : [...starts, ...more])(
      "SIGTERM at any moment of the start ends %s and its children",
      async (what, argv) => {
        if (command().length === 0) return;
        const mark = `BUN_SIGNALS_TEST=${name}-${what.replaceAll(" ", "-")}`;
        const [variable = "", value = ""] = mark.split("=");
        const exits: string[] = [];
        for (const delayMs of await momentsOfStart(start, argv(), momentsOf(name))) {
          await using programs = new Programs();
          const program = start(programs, argv(), { [variable]: value });
          await new Promise((resolve) => setTimeout(resolve, delayMs));
          const startedAt = performance.now();
          const { code, signal } = await program.kill("SIGTERM");
          expect(performance.now() - startedAt).toBeLessThan(8_000);
          // Before the runtime executes the program, the system ends the process.
          expect(signal ?? code).toBeOneOf([0, "SIGTERM"]);
          exits.push(
            program.stderr.includes("Stopped by SIGTERM before the start was over") ? "early" : "other",
          );
          if (hasProc) await until(() => processesWith(mark).length === 0, "the children to end");
        }
        // The other commands have started before they handle a signal.
        if (/proxy|up/.test(what)) expect(exits).toContain("early");
      },
      90_000,
    );
  });
}

describe("as the first process of a container", () => {
  /** Starts a program with process id 1 in namespaces of its own; undefined if this system or user cannot. */
  let inNamespace: ((programs: Programs, ...argv: string[]) => Program) | undefined;
  beforeAll(async () => {
    const flags = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    for (const rights of [[], ["--user", "--map-root-user"]]) {
      const unshare = ["unshare", ...rights, ...flags];
      const { code } = await new Program([...unshare, "true"]).exited.catch(() => ({ code: 1 }));
      if (code !== 0) continue;
      inNamespace = (programs, ...argv) => programs.start([...unshare, ...fromBuild, ...argv]);
      return;
    }
    console.warn("skipped: this system or user has no process namespaces");
  });

  const insidePid = async (program: Program) => {
    let pid = 0;
    await until(() => {
      const children = `/proc/${program.pid}/task/${program.pid}/children`;
      pid = Number(readFileSync(children, "utf8").trim());
      return pid > 0;
    }, "the process in the namespace");
    return pid;
  };

  test.each(["wire", "fetch"])("SIGTERM stops a start on %s as soon as the program runs", async (engine) => {
    if (!inNamespace) return;
    await using programs = new Programs();
    const proxy = inNamespace(programs, ...proxyFlags("--engine", engine));
    const pid = await insidePid(proxy);
    await until(() => handles(pid, "SIGTERM"), "the handler");
    process.kill(pid, "SIGTERM");
    expect(await proxy.exited).toEqual({ code: 0, signal: null });
    expect(proxy.stderr).toBe("Stopped by SIGTERM before the start was over.\n");
  });

  test("SIGUSR2 starts no process that would end with this one, and SIGTERM drains", async () => {
    if (!inNamespace) return;
    await using programs = new Programs();
    const proxy = inNamespace(programs, ...proxyFlags("--workers", "2"));
    const url = await urlOf(proxy);
    const pid = await insidePid(proxy);
    process.kill(pid, "SIGUSR2");
    await until(() => proxy.stderr.includes("upgrade refused"), "the refusal");
    expect(proxy.stderr).toContain("this is the first process of its container");
    expect(await statusOf(url)).toBe(200);
    process.kill(pid, "SIGTERM");
    expect(await proxy.exited).toEqual({ code: 0, signal: null });
    expect(proxy.stderr).toContain("drain started");
  });

  test("Ctrl-C ends a command that is no server", async () => {
    if (!inNamespace) return;
    await using programs = new Programs();
    const status = inNamespace(programs, "status", "--watch", "--admin-url", "http://127.0.0.1:9");
    const pid = await insidePid(status);
    await until(() => handles(pid, "SIGINT"), "the handler");
    process.kill(pid, "SIGINT");
    expect((await status.exited).code).toBe(130);
  });
});
