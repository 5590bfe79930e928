/** Starts the long-running commands. Each one loads only the modules that it needs, because loading dominates start time. */

import { engines, openSender, runtime } from "#runtime";

import { clusterEnvironmentOf } from "../discovery/source.ts";
import { configReloaders, type OriginalArguments, type ServerCommand } from "./config-reader.ts";
import type { PredecessorChannel } from "../handover/messages.ts";
import { ServiceManager } from "./service-manager.ts";
import { meetPredecessor } from "./predecessor.ts";
import type { CommandContext, RunningCommand } from "./running.ts";

export interface StartContext extends Pick<CommandContext, "log" | "print" | "inherited"> {
  readonly pid: number;
  readonly original: OriginalArguments;
  /** To the process that this one takes over from. */
  readonly channel: PredecessorChannel | undefined;
}

export async function start(
  command: ServerCommand,
  { original, channel, pid, ...given }: StartContext,
): Promise<RunningCommand> {
  const { extensions, env: environment, argv } = original;
  const predecessor = channel && (await meetPredecessor(channel));
  if (channel && !predecessor)
    given.log.warn("the process before is gone: this one starts with its sockets and its state");
  const calls = () => runtime.systemCalls();
  const manager = new ServiceManager({ environment, pid, calls, log: given.log });
  const context = {
    ...given,
    manager,
    ...configReloaders(command, original),
    ...{ runtime, openSender, extensions: extensions.current, environment, argv, predecessor },
    cluster: clusterEnvironmentOf(original.env),
  };
  const running = await startCommand(command, context);
  runtime.serving();
  predecessor?.serving();
  manager.ready(running.summary ?? `Evenkeel ${command.kind}`, predecessor !== undefined);
  manager.watch(() => running.isAlive?.() ?? true);
  return { ...running, stop: () => stopOf(running, manager) };
}

/** A process that was replaced is not the service that systemd knows. */
function stopOf(running: RunningCommand, manager: ServiceManager): Promise<void> {
  if (!running.isReplaced?.()) manager.stopping();
  return running.stop();
}

async function startCommand(command: ServerCommand, context: CommandContext): Promise<RunningCommand> {
  switch (command.kind) {
    case "up": {
      const { startUp } = await import("./up.ts");
      return startUp(command, engines[command.config.engine], context);
    }
    case "proxy": {
      const { startProxy } = await import("./proxy.ts");
      return startProxy(command, engines[command.config.engine], context);
    }
    case "backend": {
      const { startBackendCommand } = await import("./running.ts");
      return startBackendCommand(command.backend, context);
    }
    case "dashboard": {
      const { startDashboardCommand } = await import("./running.ts");
      return startDashboardCommand(command.dashboard, context);
    }
  }
}
