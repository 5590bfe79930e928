/** The demo servers of `evenkeel up`: child processes, so that one can be killed for real. */

import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";

import { backendArguments } from "../cli/side-commands.ts";
import type { BackendConfig } from "../config/config.ts";
import { UsageError, type CommandContext } from "./running.ts";

export interface DemoServer {
  readonly config: BackendConfig;
  readonly pid: number;
  /** Ends it at once; whoever still waits for it is cut. Resolves when the process is gone. */
  end(): Promise<void>;
}

/** Resolves when all listen. Rejects with a Misuse, and ends the others, if one cannot. */
export async function startDemo(
  configs: readonly BackendConfig[],
  tools: CommandContext,
): Promise<readonly DemoServer[]> {
  const servers = configs.map((config) => start(config, tools));
  try {
    await Promise.all(servers.map(({ config, child }) => listens(config, child)));
  } catch (error) {
    await Promise.all(servers.map((server) => server.end()));
    throw error;
  }
  for (const { config, child, isEnding } of servers) {
    child.once("exit", (code, signal) => {
      if (!isEnding()) tools.say(`${config.name} is gone (${signal ?? `exit ${code}`})`);
    });
  }
  return servers;
}

interface Started extends DemoServer {
  readonly child: ChildProcess;
  isEnding(): boolean;
}

/** The channel tells the child when its parent is gone, however that ended: it then exits and is nobody's orphan. */
function start(config: BackendConfig, { runtime }: CommandContext): Started {
  const [program = "", ...rest] = runtime.selfCommand;
  const stdio: StdioOptions = ["ignore", "ignore", "pipe", "ipc"];
  const child = spawn(program, [...rest, ...backendArguments(config)], { stdio });
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let isEnding = false;
  return {
    config,
    child,
    pid: child.pid ?? 0,
    isEnding: () => isEnding,
    end() {
      isEnding = true;
      child.kill("SIGKILL");
      return gone;
    },
  };
}

/** A server says through the channel that it listens; one that cannot says why on its standard error and exits. */
function listens(config: BackendConfig, child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let errors = "";
    const fail = (why: string) =>
      reject(new UsageError({ action: `start ${config.name}`, why, received: `port ${config.port}` }));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors = (errors + text).slice(-2_000)));
    child.once("message", () => resolve());
    child.once("error", ({ message }) => fail(message));
    child.once("close", () => fail(errors.trim() || "it ended at once"));
  });
}
