/** The processes behind `--workers`: how one is started, and how a port is found that all of them can listen on. */

import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";

import type { Config } from "../config/config.ts";
import type { FromWorker } from "../dataplane/messages.ts";
import type { Spawn } from "../dataplane/worker-supervisor.ts";
import type { WorkerLauncher } from "../dataplane/worker-data-plane.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** More than this nobody can ask for either. */
const maxWorkers = 64;

/** Undefined where this process is to do everything itself. */
export function workerHost(
  { workers, accessLog }: Pick<Config, "workers" | "accessLog">,
  runtime: Runtime,
): WorkerLauncher | undefined {
  const count = workers === "auto" ? Math.min(maxWorkers, availableParallelism()) : workers;
  if (count === 1) return undefined;
  return { count, spawn: spawnWith(runtime, accessLog?.to === "stdout"), claimPort };
}

/** The channel tells the child when its parent is gone, however that ended: it then exits and is nobody's orphan. */
function spawnWith(runtime: Runtime, writesOutput: boolean): Spawn {
  const { selfCommand, workerEnvironment } = runtime;
  const [program = "", ...rest] = selfCommand;
  return (hear) => {
    const child = spawn(program, [...rest, "worker"], {
      env: workerEnvironment,
      stdio: ["ignore", writesOutput ? "inherit" : "ignore", "inherit", "ipc"],
    });
    child.on("message", (message) => hear(message as FromWorker));
    return {
      pid: child.pid ?? 0,
      exited: goneOf(child),
      send(message) {
        // Whoever ends in this moment is missed soon enough.
        if (child.connected) child.send(message, () => {});
      },
      kill: () => void child.kill("SIGKILL"),
    };
  };
}

function goneOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? `exit ${code}`));
    child.once("error", ({ message }) => resolve(message));
  });
}

/** Workers would share the port with a stranger who shares it too: only somebody who wants it alone finds out. */
function claimPort(hostname: string, port: number): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: hostname, exclusive: true }, () => {
      const address = server.address();
      const claimed = typeof address === "object" && address ? address.port : port;
      server.close(() => resolve(claimed));
    });
  });
}
