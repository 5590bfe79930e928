/** The interface of a long-running command, its usage errors, and the commands `backend` and `dashboard`. */

import type { BackendConfig, Config, DashboardConfig } from "../config/config.ts";
import type { ListenerKey } from "../config/cross-checks.ts";
import type { Setting } from "../config/effective.ts";
import { type Problem, problemSentence } from "../config/problem.ts";
import type { Environment } from "../cli/environment.ts";
import type { InheritedSockets } from "../handover/inherited-sockets.ts";
import type { Predecessor } from "../handover/messages.ts";
import type { ServiceManager } from "./service-manager.ts";
import type { ConfigLoader } from "../control/reconciler.ts";
import type { AccessRuntime } from "../dataplane/access-resources.ts";
import type { Dashboard, DashboardOptions } from "../dashboard/dashboard.ts";
import type { ClusterEnvironment } from "../discovery/source.ts";
import type { Extensions } from "../extension/extensions.ts";
import { bugs } from "../lib/bugs.ts";
import { type Log, logOf } from "../lib/log.ts";
import { hostAndPort, trustedProxyMatcher } from "../net/address.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** A command that runs until it is stopped. */
export interface RunningCommand {
  /** Lets in-flight requests finish; resolves when everything has stopped. */
  stop(): Promise<void>;
  /** Reloads the configuration; undefined for a command without one. Never rejects: problems are logged. */
  reload?(by: string): Promise<void>;
  /** Reopens log files that were moved away; undefined for a command that writes none. */
  reopenLogs?(): void;
  /** Starts a new process that takes over. Undefined for a command that cannot hand over. Never rejects. */
  upgrade?(by: string): Promise<unknown>;
  /** Resolves when another process has taken over: this one is to stop. */
  readonly replaced?: Promise<void>;
  /** Whether it has. */
  isReplaced?(): boolean;
  /** What it serves, in one line. */
  readonly summary?: string;
  /** Whether what runs beside the event loop does its work. */
  isAlive?(): boolean;
  /** Aborts everything, synchronously, right before the process exits. */
  close(): void;
}

/** Dependencies of a long-running command. */
export interface CommandContext {
  readonly runtime: Runtime;
  /** Opens connections for requests of the balancer itself. */
  readonly openSender: AccessRuntime["openSender"];
  readonly log: Log;
  /** Filters and policies of the operator's own. */
  readonly extensions: Extensions;
  readonly cluster: ClusterEnvironment;
  /** Re-reads the configuration of a balancer. */
  readonly loadConfig: ConfigLoader;
  /** Lists the values of a configuration, with their sources at the last read. */
  readonly settings: (config: Config) => readonly Setting[];
  /** Prints a line to standard output. */
  readonly print: (line: string) => void;
  /** Told of reloads and upgrades. */
  readonly manager: ServiceManager;
  /** The environment of this process, with which a new one starts. */
  readonly environment: Environment;
  /** The arguments of this process, likewise. */
  readonly argv: readonly string[];
  /** The process that this one takes over from. */
  readonly predecessor?: Predecessor | undefined;
  /** Listening sockets that this process was started with. */
  readonly inherited?: InheritedSockets | undefined;
  /** Why the command cannot hand over, whatever the configuration is. */
  readonly upgradeProblem?: string | undefined;
}

/** A mistake of the operator that appears only at run time. Printed without a stack trace; exit code 2. */
export class UsageError extends Error {
  constructor(problem: Problem) {
    super(problemSentence(problem));
  }
}

/** Causes, and which part of the address to change. */
const listenErrors: Readonly<Record<string, { readonly why: string; readonly part: "host" | "port" }>> = {
  EADDRINUSE: { why: "the address is already in use", part: "port" },
  EACCES: { why: "permission denied", part: "port" },
  EADDRNOTAVAIL: { why: "this machine does not have the address", part: "host" },
  ENOTFOUND: { why: "the host name has no address", part: "host" },
};

export interface ListenAddress {
  /** The listener's key in the configuration; undefined for the only listener of a command, which has flags alone. */
  readonly key?: ListenerKey | undefined;
  /** Its setting in the file, where no flag changes it. */
  readonly setting?: string;
  readonly hostname: string;
  readonly port: number;
}

/** Waits for a listener to start. Turns a known listen error into a {@link UsageError} that says what to change. */
export async function listening<T>(
  address: ListenAddress | ((error: unknown) => ListenAddress),
  starting: Promise<T>,
): Promise<T> {
  try {
    return await starting;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const known = listenErrors[code];
    if (!known) throw error;
    const { key, setting, hostname, port } = typeof address === "function" ? address(error) : address;
    const where = setting === undefined ? settingsFor(key, known.part) : `${setting}.${known.part}`;
    const why = `${known.why}; set ${where}`;
    throw new UsageError({ action: `listen on ${hostAndPort(hostname, port)}`, why });
  }
}

/** "--port or listen.port" */
function settingsFor(key: ListenerKey | undefined, part: "host" | "port"): string {
  if (key === undefined) return `--${part}`;
  return `${key === "listen" ? `--${part}` : `--${key}-${part}`} or ${key}.${part}`;
}

/** `evenkeel backend`. Loads only what it serves. */
export async function startBackendCommand(
  config: BackendConfig,
  { runtime, print }: CommandContext,
): Promise<RunningCommand> {
  const { startBackend } = await import("../backend/backend.ts");
  const bug = (error: unknown) => bugs.report(logOf("backend"), error);
  const backend = await listening(config, startBackend(config, runtime, { bug }));
  print(`backend    http://${hostAndPort(config.hostname, backend.port)}   ${config.name}`);
  return { stop: () => backend.stop(), close: () => backend.close() };
}

/**
 * `evenkeel dashboard`, and the dashboard of `evenkeel up`. Loads only what it serves.
 * @param key the key of the dashboard in the configuration, for a command with a configuration file
 */
export async function startDashboardCommand(
  config: DashboardConfig & Pick<DashboardOptions, "viaName" | "dashboardSecret" | "isTrustedProxy">,
  { runtime, print }: CommandContext,
  key?: ListenerKey,
): Promise<RunningCommand & Pick<Dashboard, "port">> {
  const { trustedProxies } = config;
  const trust = trustedProxies && { isTrustedProxy: trustedProxyMatcher(trustedProxies) };
  const { startDashboard } = await import("../dashboard/dashboard.ts");
  const bug = (error: unknown) => bugs.report(logOf("dashboard"), error);
  const dashboard = await listening(
    { key, ...config },
    startDashboard({ ...trust, ...config, bug }, runtime),
  );
  print(`dashboard  http://${hostAndPort(config.hostname, dashboard.port)}`);
  return { port: dashboard.port, stop: () => dashboard.stop(), close: () => dashboard.close() };
}
