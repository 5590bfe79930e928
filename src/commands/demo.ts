/** The demo servers of `evenkeel up`: child processes, so that one can be killed for real. */

import { type ChildProcess, spawn } from "node:child_process";

import { backendArguments } from "../cli/companions.ts";
import type { BackendConfig } from "../config/config.ts";
import { Misuse, type Tools } from "./running.ts";

export interface DemoServer {
  readonly config: BackendConfig;
  readonly pid: number;
  /** Ends it at once; whoever is still waiting is cut. */
  end(): void;
}

/** Resolves when all listen. Rejects with a Misuse, and ends the others, if one cannot. */
export async function startDemo(
  configs: readonly BackendConfig[],
  tools: Tools,
): Promise<readonly DemoServer[]> {
  const children = configs.map((config) => ({ config, child: start(config, tools) }));
  try {
    await Promise.all(children.map(({ config, child }) => listens(config, child)));
  } catch (error) {
    for (const { child } of children) child.kill("SIGKILL");
    throw error;
  }
  return children.map(({ config, child }) => {
    let isEnding = false;
    child.on("exit", (code, signal) => {
      if (!isEnding) tools.say(`${config.name} is gone (${signal ?? `exit ${code}`})`);
    });
    const end = () => {
      isEnding = true;
      child.kill("SIGKILL");
    };
    return { config, pid: child.pid ?? 0, end };
  });
}

/** The channel tells the child when its parent is gone, however that ended: it then exits and is nobody's orphan. */
function start(config: BackendConfig, { runtime }: Tools): ChildProcess {
  const [program = "", ...rest] = runtime.selfCommand;
  return spawn(program, [...rest, ...backendArguments(config)], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
}

/** A server says through the channel that it listens; one that cannot says why on its standard error and exits. */
function listens(config: BackendConfig, child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let errors = "";
    const fail = (why: string) =>
      reject(new Misuse({ action: `start ${config.name}`, why, received: `port ${config.port}` }));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors = (errors + text).slice(-2_000)));
    child.once("message", () => resolve());
    child.once("error", ({ message }) => fail(message));
    child.once("close", () => fail(errors.trim() || "it ended at once"));
  });
}
