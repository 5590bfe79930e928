/** A balancer that is upgraded while a test runs. The processes that take over are not children of the test. */

import { readdirSync, readFileSync } from "node:fs";

import { isGone, type Program } from "./program.ts";
import { until } from "./wait.ts";

/** Kills the processes that have taken over, which have the program's streams. Dispose it before the program. */
export class UpgradedProgram implements AsyncDisposable {
  readonly program: Program;

  constructor(program: Program) {
    this.program = program;
  }

  /** Process ids of those that took over, in order. */
  get successors(): readonly number[] {
    return [...this.program.stderr.matchAll(/"message":"upgrade finished".*"successor":(\d+)/g)].map(
      ([, pid]) => Number(pid),
    );
  }

  /** The one that serves. */
  get pid(): number {
    return this.successors.at(-1) ?? this.program.pid;
  }

  async upgrade(admin: string): Promise<{ upgraded: boolean; pid: number; why: string }> {
    const response = await fetch(`${admin}/api/upgrade`, {
      method: "POST",
      signal: AbortSignal.timeout(45_000),
    });
    const report = (await response.json()) as {
      upgraded: boolean;
      pid: number;
      why: string;
      detail?: string;
    };
    if (response.status !== 200) throw new Error(`Cannot upgrade: ${response.status} ${report.detail}`);
    return report;
  }

  /** Stops and continues the process that serves, so that its event loop stalls. */
  async stall(pid: number, ms: number): Promise<void> {
    process.kill(pid, "SIGSTOP");
    await Bun.sleep(ms);
    process.kill(pid, "SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A process that is about to take over does so when the one before dies: it goes first.
    const pids = [...childrenOf(this.pid), ...this.successors.toReversed()];
    for (const pid of pids) if (!isGone(pid)) process.kill(pid, "SIGKILL");
    await until(() => pids.every(isGone), "the processes to end");
  }
}

/** Workers, and a process that is about to take over. proc(5) */
function childrenOf(pid: number): readonly number[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      const [, parent] = /^\d+ \(.*\) \S+ (\d+) /.exec(readFileSync(`/proc/${name}/stat`, "utf8")) ?? [];
      return Number(parent) === pid ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}
