/** Starts the long-running commands. Each one loads only the modules that it needs, because loading dominates start time. */

import { engines, openSender, runtime } from "#runtime";

import { clusterEnvironmentOf } from "../discovery/source.ts";
import { configReloaders, type OriginalArguments, type ServerCommand } from "./config-reader.ts";
import type { CommandContext, RunningCommand } from "./running.ts";

export async function start(
  command: ServerCommand,
  { original, ...given }: Pick<CommandContext, "log" | "print"> & { readonly original: OriginalArguments },
): Promise<RunningCommand> {
  const { extensions } = original;
  const context = {
    ...given,
    ...configReloaders(command, original),
    ...{ runtime, openSender, extensions: extensions.current },
    cluster: clusterEnvironmentOf(original.env),
  };
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
