/** `evenkeel up`: balancer, dashboard and demo servers on one machine. */

import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";

import type { Command } from "../cli/parse.ts";
import { backendArguments } from "../cli/side-commands.ts";
import type { BackendConfig } from "../config/config.ts";
import type { Engine } from "../engine/engine.ts";
import { hostAndPort } from "../net/address.ts";
import { unusualHostOf } from "../net/own-addresses.ts";
import { startProxy } from "./proxy.ts";
import { type CommandContext, type RunningCommand, startDashboardCommand, UsageError } from "./running.ts";

type Up = Extract<Command, { kind: "up" }>;

/** Resolves when everything serves. If one part cannot start, the others are closed. */
export async function startUp(
  { config, configFile, dashboard, backends }: Up,
  engine: Engine,
  context: CommandContext,
): Promise<RunningCommand> {
  const started: RunningCommand[] = [];
  let proxy: RunningCommand | undefined;
  const closeAll = () => {
    for (const running of started.toReversed()) running.close();
  };
  try {
    const demo = await startDemo(backends, context);
    const endDemo = () => Promise.all(demo.map((server) => server.end()));
    started.push({ stop: async () => void (await endDemo()), close: () => void endDemo() });
    const own = { ...context, ...(demo.length > 0 && { upgradeProblem: demoProblem }) };
    const serving = await startProxy({ config, configFile }, engine, own);
    started.push(serving);
    proxy = serving;
    const [listener] = config.listeners;
    const address = {
      ...dashboard,
      balancerUrl: `${listener.tls ? "https" : "http"}://${reachable(listener.hostname, serving.port)}`,
      adminUrl: `http://${reachable(config.admin.hostname, serving.adminPort)}`,
      ...(config.admin.token === undefined ? {} : { adminToken: config.admin.token }),
    };
    const { viaName, dashboardSecret, isTrustedProxy } = serving;
    const ownDashboard = { viaName, dashboardSecret, isTrustedProxy };
    const open = (port: number) =>
      startDashboardCommand({ ...address, ...ownDashboard, port }, context, "dashboard");
    let page = await open(dashboard.port);
    started.push({ stop: () => page.stop(), close: () => page.close() });
    serving.releases({
      release: () => void page.stop(),
      resume: async () => void (page = await open(page.port)),
    });
    serving.listensOn({ key: "dashboard", hostname: dashboard.hostname, port: page.port });
    printNextSteps(
      demo,
      { proxy: address.balancerUrl, dashboard: `http://${reachable(dashboard.hostname, page.port)}` },
      context,
    );
  } catch (error) {
    closeAll();
    throw error;
  }
  return {
    // The demo servers stop last, because in-flight requests still need their responses.
    async stop() {
      for (const running of started.toReversed()) await running.stop();
    },
    ...(proxy?.reload && { reload: proxy.reload }),
    ...(proxy?.upgrade && { upgrade: proxy.upgrade }),
    ...(proxy?.replaced && { replaced: proxy.replaced }),
    ...(proxy?.isReplaced && { isReplaced: proxy.isReplaced }),
    ...(proxy?.isAlive && { isAlive: proxy.isAlive }),
    ...(proxy?.summary !== undefined && { summary: proxy.summary }),
    ...(proxy?.reopenLogs && { reopenLogs: proxy.reopenLogs }),
    close: closeAll,
  };
}

const demoProblem = "the demo servers of `up` end with this process; give your own upstreams, or restart it";

/** Replaces a wildcard address, which is no address to connect to. */
function reachable(hostname: string, port: number): string {
  return hostAndPort(unusualHostOf(hostname) === "unspecified" ? "localhost" : hostname, port);
}

function printNextSteps(
  demo: readonly DemoServer[],
  urls: { readonly proxy: string; readonly dashboard: string },
  { runtime, print }: CommandContext,
): void {
  const suggestions: [command: string, effect: string][] = [
    [`curl ${urls.proxy}/hello`, "each response names its server"],
  ];
  for (const { config, pid } of demo)
    print(`upstream   http://localhost:${config.port}   ${config.name}, pid ${pid}`);
  const [first] = demo;
  if (first) {
    const { name, port } = first.config;
    suggestions.push([`kill ${first.pid}`, "stop a server and watch the dashboard: no request fails"]);
    const backend = runtime.selfCommand.length === 1 ? "evenkeel backend" : "npm run backend --";
    suggestions.push([`${backend} --port ${port} --name ${name}`, "start it again"]);
  }
  const width = Math.max(...suggestions.map(([command]) => command.length)) + 3;
  print(`\nOpen ${urls.dashboard} and try:`);
  for (const [command, effect] of suggestions) print(`  ${command.padEnd(width)}${effect}`);
  print("Ctrl-C stops everything.");
}

/** A demo server in a child process, so that it can be killed. */
interface DemoServer {
  readonly config: BackendConfig;
  readonly pid: number;
  /** Kills the process, which aborts its requests. Resolves when the process has exited. */
  end(): Promise<void>;
}

/** Resolves when all demo servers listen. If one cannot, kills the others and rejects with a {@link UsageError}. */
async function startDemo(
  configs: readonly BackendConfig[],
  context: CommandContext,
): Promise<readonly DemoServer[]> {
  const servers = configs.map((config) => start(config, context));
  try {
    await Promise.all(servers.map(({ config, child }) => untilListening(config, child)));
  } catch (error) {
    await Promise.all(servers.map((server) => server.end()));
    throw error;
  }
  for (const { config, child, isEnding } of servers) {
    child.once("exit", (code, signal) => {
      if (!isEnding()) context.print(`${config.name} exited (${signal ?? `exit code ${code}`})`);
    });
  }
  return servers;
}

interface Started extends DemoServer {
  readonly child: ChildProcess;
  isEnding(): boolean;
}

/** The IPC channel closes when this process ends, even after a SIGKILL: the child then exits too. */
function start(config: BackendConfig, { runtime }: CommandContext): Started {
  const [program = "", ...rest] = runtime.selfCommand;
  const stdio: StdioOptions = ["ignore", "ignore", "pipe", "ipc"];
  const child = spawn(program, [...rest, ...backendArguments(config)], {
    stdio,
    env: runtime.childEnvironment(false),
  });
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let isEnding = false;
  return {
    config,
    child,
    pid: child.pid ?? 0,
    isEnding: () => isEnding,
    end() {
      isEnding = true;
      child.kill("SIGKILL");
      return exited;
    },
  };
}

/** A demo server sends a message when it listens. If it cannot, it writes the reason to standard error and exits. */
function untilListening(config: BackendConfig, child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let errors = "";
    const fail = (why: string) =>
      reject(new UsageError({ action: `start ${config.name} on port ${config.port}`, why }));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors = (errors + text).slice(-2_000)));
    child.once("message", () => resolve());
    child.once("error", ({ message }) => fail(message));
    child.once("close", () => fail(causeIn(errors) || "the process exited at once"));
  });
}

/** The cause in a demo server's listen error, with the flag of this command; any other text as it is. */
function causeIn(errors: string): string {
  const cause = /^Cannot listen on \S+: ([^;]+);/.exec(errors)?.[1];
  return cause === undefined ? errors.trim() : `${cause}; set --demo-port`;
}
