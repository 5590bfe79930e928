/** Starts the processes of `--workers`, and reserves a port that all of them can listen on. */

import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";

import { type Config, maxWorkers } from "../config/config.ts";
import type { FromWorker } from "../dataplane/messages.ts";
import type { WorkerLauncher } from "../dataplane/worker-data-plane.ts";
import { formatSockets, handoverVariable } from "../handover/inherited-sockets.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Undefined if this process serves clients itself. */
export function workerHost(
  { workers, engine, accessLog, tracing }: Pick<Config, "workers" | "engine" | "accessLog" | "tracing">,
  runtime: Runtime,
): WorkerLauncher | undefined {
  const count = workers === "auto" ? Math.min(maxWorkers, availableParallelism()) : workers;
  if (count === 1) return undefined;
  return {
    count,
    spawn: spawnWith(runtime, { writesOutput: accessLog?.to === "stdout", traces: tracing !== undefined }),
    claimPort,
    // The fetch engine cannot adopt a socket: its workers open their own.
    hold: (hostname, port) =>
      engine === "wire" ? runtime.holdSocket(hostname, port) : Promise.resolve(undefined),
    close: (fd) => runtime.systemCalls()?.close(fd),
  };
}

/** The IPC channel closes when this process ends, even after a SIGKILL: the worker then exits too. */
function spawnWith(
  { workerCommand, childEnvironment, passDescriptors }: Runtime,
  { writesOutput, traces }: { readonly writesOutput: boolean; readonly traces: boolean },
): WorkerLauncher["spawn"] {
  const [program = "", ...rest] = workerCommand;
  return (onMessage, sockets) => {
    const child = passDescriptors(
      sockets.map(({ fd }) => fd),
      ({ stdio, numbers }) =>
        spawn(program, [...rest, "worker"], {
          env: { ...childEnvironment(traces), [handoverVariable]: formatSockets(sockets, numbers) },
          stdio: ["ignore", writesOutput ? "inherit" : "ignore", "inherit", "ipc", ...stdio],
        }),
    );
    child.on("message", (message) => onMessage(message as FromWorker));
    return {
      pid: child.pid ?? 0,
      exited: exitStatusOf(child),
      send(message) {
        // The exit event reports a worker that ends at this moment.
        if (child.connected) child.send(message, () => {});
      },
      kill: () => void child.kill("SIGKILL"),
    };
  };
}

/** Resolves with the signal, "exit 1" or the error of the spawn. */
function exitStatusOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? `exit ${code}`));
    child.once("error", ({ message }) => resolve(message));
  });
}

/** Workers share the port, also with a foreign process that shares it. Only an exclusive listen detects that process. */
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
