/** `evenkeel backend` and `evenkeel dashboard`: the two servers beside the balancer, of which a process loads what it serves. */

import type { BackendConfig, DashboardConfig } from "../config/config.ts";
import type { Dashboard } from "../dashboard/dashboard.ts";
import { bugs } from "../lib/bugs.ts";
import { logOf } from "../lib/log.ts";
import { listening, type RunningCommand, type CommandContext } from "./running.ts";

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
