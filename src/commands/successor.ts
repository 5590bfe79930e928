/** Starts the program again as the process that takes over, with the listening sockets of this one. */

import { type ChildProcess, spawn } from "node:child_process";

import type { Environment } from "../cli/environment.ts";
import {
  formatSockets,
  handoverVariable,
  type InheritedSocket,
  socketVariables,
} from "../handover/inherited-sockets.ts";
import { type FromSuccessor, parseFromSuccessor, type ToSuccessor } from "../handover/messages.ts";

import type { Runtime } from "../runtime/runtime.ts";

export interface Successor {
  readonly pid: number;
  /** Resolves with "ended with exit 1", the signal in its place, or that it cannot be started. */
  readonly exited: Promise<string>;
  send(message: ToSuccessor): void;
  kill(): void;
  /** It needs this process no more. */
  letGo(): void;
}

export type StartSuccessor = (
  sockets: readonly InheritedSocket[],
  onMessage: (message: FromSuccessor) => void,
) => Successor;

/** @param program its command line @param environment of this process, with which the next one starts too */
export function successorsOf(
  [program = "", ...rest]: readonly string[],
  environment: Environment,
  passDescriptors: Runtime["passDescriptors"],
): StartSuccessor {
  return (sockets, onMessage) => {
    const variables = Object.fromEntries(
      Object.entries(environment).filter(
        ([name]) => !socketVariables.includes(name) && !ofThisProcess.has(name),
      ),
    );
    const child = passDescriptors(
      sockets.map(({ fd }) => fd),
      ({ stdio, numbers }) =>
        spawn(program, rest, {
          env: { ...variables, [handoverVariable]: formatSockets(sockets, numbers) },
          stdio: ["ignore", "inherit", "inherit", "ipc", ...stdio],
        }),
    );
    child.on("message", (message) => {
      const parsed = parseFromSuccessor(message);
      if (parsed) onMessage(parsed);
    });
    return {
      pid: child.pid ?? 0,
      exited: exitOf(child),
      send(message) {
        if (child.connected) child.send(message, () => {});
      },
      kill: () => void child.kill("SIGKILL"),
      letGo() {
        if (child.connected) child.disconnect();
        child.unref();
      },
    };
  };
}

/** Of the channel to this process's own parent, and of systemd's watchdog, which is for one process. */
const ofThisProcess: ReadonlySet<string> = new Set([
  "NODE_CHANNEL_FD",
  "NODE_CHANNEL_SERIALIZATION_MODE",
  "WATCHDOG_PID",
]);

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(`ended with ${signal ?? `exit ${code}`}`));
    child.once("error", ({ message }) => resolve(`cannot be started (${message})`));
  });
}
