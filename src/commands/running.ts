/** What every command that stays gives back, and how a listener that cannot be had becomes an operator's sentence. */

import type { BackendConfig, Config, DashboardConfig } from "../config/config.ts";
import type { Setting } from "../config/effective.ts";
import { type Problem, problemSentence } from "../config/problem.ts";
import type { ConfigLoader } from "../control/reconciler.ts";
import type { Dashboard } from "../dashboard/dashboard.ts";
import { bugs } from "../lib/bugs.ts";
import { type Log, logOf } from "../lib/log.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** A command that runs until it is stopped. */
export interface RunningCommand {
  /** Finishes what is under way; resolves when everything has stopped. */
  stop(): Promise<void>;
  /** Takes the configuration anew; missing where there is none. Never rejects: what is wrong is logged. */
  reload?(by: string): Promise<void>;
  /** Cuts everything, synchronously, right before the process exits. */
  close(): void;
}

/** What a command works with. */
export interface CommandContext {
  readonly runtime: Runtime;
  readonly log: Log;
  /** For a balancer: reads its configuration anew. */
  readonly loadConfig: ConfigLoader;
  /** A configuration as a list, with the sources of its values as they were last read. */
  readonly settings: (config: Config) => readonly Setting[];
  /** A line for the person who started the command, on standard output. */
  readonly say: (line: string) => void;
}

/** An operator's mistake that shows only when the command runs: printed without a stack trace, exit 2. */
export class UsageError extends Error {
  constructor(problem: Problem) {
    super(problemSentence(problem));
  }
}

const listenErrors: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process listens there already",
  EACCES: "this user may not listen there",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "this name has no address",
};

export interface ListenAddress {
  /** The flag that decides it: "--port". */
  readonly flag: string;
  readonly hostname: string;
  readonly port: number;
}

/** Waits for a listener; a port that cannot be had is a {@link UsageError} that names the flag and the address. */
export async function listening<T>(
  { flag, hostname, port }: ListenAddress,
  starting: Promise<T>,
): Promise<T> {
  try {
    return await starting;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const why = listenErrors[code];
    if (why === undefined) throw error;
    throw new UsageError({ action: `use ${flag}`, why, received: `${hostname}:${port}` });
  }
}

// `evenkeel backend` and `evenkeel dashboard`: the two servers beside the balancer, of which a process loads what it serves.

export async function startBackendCommand(
  config: BackendConfig,
  { runtime, say }: CommandContext,
): Promise<RunningCommand> {
  const { startBackend } = await import("../backend/backend.ts");
  const bug = (error: unknown) => bugs.report(logOf("backend"), error);
  const backend = await listening({ flag: "--port", ...config }, startBackend(config, runtime, { bug }));
  say(`backend    http://${config.hostname}:${backend.port}   ${config.name}`);
  return { stop: () => backend.stop(), close: () => backend.close() };
}

/** @param flag the one that decides the dashboard's port in this command */
export async function startDashboardCommand(
  config: DashboardConfig,
  { runtime, say }: CommandContext,
  flag = "--port",
): Promise<RunningCommand & Pick<Dashboard, "port">> {
  const { startDashboard } = await import("../dashboard/dashboard.ts");
  const bug = (error: unknown) => bugs.report(logOf("dashboard"), error);
  const dashboard = await listening({ flag, ...config }, startDashboard({ ...config, bug }, runtime));
  say(`dashboard  http://${config.hostname}:${dashboard.port}`);
  return { port: dashboard.port, stop: () => dashboard.stop(), close: () => dashboard.close() };
}
