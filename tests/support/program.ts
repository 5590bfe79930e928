/** Runs the real program as a child process: started as an operator does, observed by its output, ended by its pid. */

import { ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { compiledExecutable } from "./executable.ts";
import { until } from "./wait.ts";

const root = join(import.meta.dirname, "../..");

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Program {
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  stdout = "";
  stderr = "";

  constructor(
    command: readonly string[] | ChildProcess,
    environment: Record<string, string> = {},
    folder = root,
  ) {
    this.child = command instanceof ChildProcess ? command : started(command, environment, folder);
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.exited = new Promise((resolve) =>
      this.child.on("close", (code, signal) => resolve({ code, signal })),
    );
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Resolves with the port from the output line that begins with `name`. */
  async port(name: string, limitMs = 20_000): Promise<number> {
    const line = new RegExp(`^${name} +https?://[^ ]*:(\\d+)`, "m");
    await until(
      () => line.test(this.stdout) || this.child.exitCode !== null,
      `"${name}" in ${this.describe()}`,
      limitMs,
    );
    const port = Number(line.exec(this.stdout)?.[1]);
    if (!port) throw new Error(`Cannot find the port of ${name}: ${this.describe()}`);
    return port;
  }

  async kill(signal: NodeJS.Signals): Promise<Exit> {
    this.child.kill(signal);
    return this.exited;
  }

  describe(): string {
    return JSON.stringify({ stdout: this.stdout, stderr: this.stderr.slice(-2_000) });
  }
}

function started(
  [program = "", ...rest]: readonly string[],
  environment: Record<string, string>,
  folder: string,
): ChildProcess {
  const { PATH = "", HOME = "" } = process.env;
  return spawn(program, rest, {
    cwd: folder,
    env: { PATH, HOME, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** The command of the compiled program, as users run it. It starts in half the processor time of the sources or a bundle. */
export const fromBuild: readonly string[] = [await compiledExecutable()];

/** The command of the program from its sources, as in a working copy. */
export const fromSource: readonly string[] = [process.execPath, join(root, "src/main.ts")];

/**
 * Variables that make the time of a program, and of its workers, pass so many times as fast: see `fast-time.ts`. Without a
 * clock of its own for tests, what takes minutes is seen in seconds in the program that users run.
 */
export function fastTime(pace: number): Record<string, string> {
  return { BUN_OPTIONS: `--preload=${join(import.meta.dirname, "fast-time.ts")}`, TIME_PACE: String(pace) };
}

/** A state that no other test shares. */
export const ownState = { EVENKEEL_STATE: ":memory:" };

/** Starts programs and kills those still running at the end. */
export class Programs implements AsyncDisposable {
  readonly #started: Program[] = [];

  start(command: readonly string[], environment: Record<string, string> = {}, folder?: string): Program {
    const program = new Program(command, { ...ownState, ...environment }, folder);
    this.#started.push(program);
    return program;
  }

  evenkeel(...argv: string[]): Program {
    return this.start([...fromBuild, ...argv]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#started.map((program) => program.kill("SIGKILL")));
  }
}

/** Whether a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Whether a process has ended. An ended orphan stays in the process table as a zombie until init reaps it. */
export function isGone(pid: number): boolean {
  if (!isAlive(pid)) return true;
  const file = `/proc/${pid}/stat`;
  return existsSync(file) && /\) Z /.test(readFileSync(file, "utf8"));
}
