/** `evenkeel up`: everything on one machine, to look at and to try things out. */

import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import type { Command } from "../cli/parse.ts";
import { backendArguments } from "../cli/side-commands.ts";
import { startProxy } from "./proxy.ts";
import { type CommandContext, type RunningCommand, startDashboardCommand, UsageError } from "./running.ts";
import type { BackendConfig } from "../config/config.ts";
import type { Engine } from "../engine/engine.ts";

type Up = Extract<Command, { kind: "up" }>;

/** Resolves when everything serves; whatever could not start has ended the rest. */
export async function startUp(
  { config, configFile, dashboard, backends }: Up,
  engine: Engine,
  tools: CommandContext,
): Promise<RunningCommand> {
  const started: RunningCommand[] = [];
  let reload: RunningCommand["reload"];
  const closeAll = () => {
    for (const running of started.toReversed()) running.close();
  };
  try {
    const demo = await startDemo(backends, tools);
    const endDemo = () => Promise.all(demo.map((server) => server.end()));
    started.push({ stop: async () => void (await endDemo()), close: () => void endDemo() });
    const proxy = await startProxy({ config, configFile }, engine, tools);
    started.push(proxy);
    reload = proxy.reload;
    const address = {
      ...dashboard,
      balancerUrl: `${config.listen.tls ? "https" : "http"}://${reachable(config.listen.hostname)}:${proxy.port}`,
      adminUrl: `http://${reachable(config.admin.hostname)}:${proxy.adminPort}`,
      ...(config.admin.token === undefined ? {} : { adminToken: config.admin.token }),
    };
    const page = await startDashboardCommand(address, tools, "--dashboard-port");
    started.push(page);
    printNextSteps(
      demo,
      { proxy: address.balancerUrl, dashboard: `http://${reachable(dashboard.hostname)}:${page.port}` },
      tools,
    );
  } catch (error) {
    closeAll();
    throw error;
  }
  return {
    // The dashboard goes with the balancer it shows; the demo servers go last, since answers still come from them.
    async stop() {
      for (const running of started.toReversed()) await running.stop();
    },
    ...(reload && { reload }),
    close: closeAll,
  };
}

/** A wildcard address is no address to connect to. */
function reachable(hostname: string): string {
  if (hostname === "0.0.0.0" || hostname === "::") return "localhost";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

function printNextSteps(
  demo: readonly DemoServer[],
  urls: { readonly proxy: string; readonly dashboard: string },
  { runtime, say }: CommandContext,
): void {
  const tries: [command: string, what: string][] = [
    [`curl ${urls.proxy}/hello`, "each answer names its server"],
  ];
  for (const { config, pid } of demo)
    say(`upstream   http://localhost:${config.port}   ${config.name}, pid ${pid}`);
  const [first] = demo;
  if (first) {
    const { name, port } = first.config;
    tries.push([`kill ${first.pid}`, "stop one, and watch the dashboard: no client notices"]);
    const backend = runtime.selfCommand.length === 1 ? "evenkeel backend" : "npm run backend --";
    tries.push([`${backend} --port ${port} --name ${name}`, "bring it back"]);
  }
  const width = Math.max(...tries.map(([command]) => command.length)) + 3;
  say(`\nOpen ${urls.dashboard} and try:`);
  for (const [command, what] of tries) say(`  ${command.padEnd(width)}${what}`);
  say("Ctrl-C stops everything.");
}

// The demo servers of `evenkeel up`: child processes, so that one can be killed for real.

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
