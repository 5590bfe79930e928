/** Starts what runs until it is stopped, each command with no more of the program than it needs: loading takes longest. */

import { engines, runtime } from "#runtime";

import type { RunningCommand, CommandContext } from "./running.ts";
import { type ServerCommand, configReloaders, type OriginalArguments } from "./config-reader.ts";

export async function start(
  command: ServerCommand,
  { written, ...given }: Pick<CommandContext, "log" | "say"> & { readonly written: OriginalArguments },
): Promise<RunningCommand> {
  const tools = { ...given, ...configReloaders(command, written), runtime };
  switch (command.kind) {
    case "up": {
      const { startUp } = await import("./up.ts");
      return startUp(command, engines[command.config.engine], tools);
    }
    case "proxy": {
      const { startProxy } = await import("./proxy.ts");
      return startProxy(command, engines[command.config.engine], tools);
    }
    case "backend": {
      const { startBackendCommand } = await import("./running.ts");
      return startBackendCommand(command.backend, tools);
    }
    case "dashboard": {
      const { startDashboardCommand } = await import("./running.ts");
      return startDashboardCommand(command.dashboard, tools);
    }
  }
}
