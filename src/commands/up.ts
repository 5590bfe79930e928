/** `evenkeel up`: everything on one machine, to look at and to try things out. */

import type { Command } from "../cli/parse.ts";
import type { Engine } from "../engine/engine.ts";
import { type DemoServer, startDemo } from "./demo.ts";
import { startProxy } from "./proxy.ts";
import type { RunningCommand, CommandContext } from "./running.ts";
import { startDashboardCommand } from "./servers.ts";

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
