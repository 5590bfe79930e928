/** The process: picks the command, runs it, minds the signals, exits. The only file that touches argv, signals and exit. */

import { engines, runtime } from "#runtime";

import { type Command, parse } from "./cli.ts";
import { systemSurroundings } from "./cli/surroundings.ts";
import { startProxy } from "./commands/proxy.ts";
import { Misuse, type Running, type Tools } from "./commands/running.ts";
import { startBackendCommand, startDashboardCommand } from "./commands/servers.ts";
import { startUp } from "./commands/up.ts";
import { describeTrouble, type Trouble } from "./config/problem.ts";
import { configureLog, logOf } from "./lib/log.ts";

/** For whatever the operator got wrong: flags, environment, configuration, a port in use. */
const misuseExit = 2;

async function main(): Promise<void> {
  const command = parse(process.argv.slice(2), process.env, systemSurroundings(process.env));
  if (
    command.kind === "trouble" ||
    !("config" in command || "backend" in command || command.kind === "dashboard")
  ) {
    return answer(command);
  }
  if (command.kind === "check") return answer(command);
  if ("config" in command) runtime.liftFetchLimit();
  configureLog({ json: !process.stderr.isTTY, level: "info" });
  const log = logOf("main");
  // A stray rejection is a fault of ours, but no reason to drop every client's connection.
  process.on("unhandledRejection", (error) => log.error("bug", { error }));
  try {
    mindSignals(await start(command, { runtime, log, say }));
    process.send?.("listening");
  } catch (error) {
    if (!(error instanceof Misuse)) throw error;
    process.stderr.write(`${error.message}\n`, () => process.exit(misuseExit));
  }
}

type Lasting = Exclude<Command, { kind: "check" | "help" | "version" }>;
type Passing = Extract<Command, { kind: "check" | "help" | "version" }> | Trouble;

function answer(command: Passing): void {
  if (command.kind === "trouble") {
    process.stderr.write(`${describeTrouble(command)}\n`);
    process.exitCode = misuseExit;
    return;
  }
  process.stdout.write(command.text.endsWith("\n") ? command.text : `${command.text}\n`);
}

function start(command: Lasting, tools: Tools): Promise<Running> {
  switch (command.kind) {
    case "up":
      return startUp(command, engines[command.config.engine], tools);
    case "proxy":
      return startProxy(command, engines[command.config.engine], tools);
    case "backend":
      return startBackendCommand(command.backend, tools);
    case "dashboard":
      return startDashboardCommand(command.dashboard, tools);
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The first signal lets everything finish, the second one ends it at once. */
function mindSignals(running: Running): void {
  let isStopping = false;
  const leave = (code: number) => {
    try {
      running.close();
    } finally {
      process.exit(code);
    }
  };
  const onSignal = (code: number) => {
    if (isStopping) return leave(code);
    isStopping = true;
    running.stop().then(
      () => leave(0),
      (error: unknown) => {
        logOf("main").error("bug", { error });
        leave(1);
      },
    );
  };
  process.on("SIGTERM", () => onSignal(128 + 15));
  if (!process.send) {
    process.on("SIGINT", () => onSignal(128 + 2));
    return;
  }
  // A child: the terminal's Ctrl-C reaches it too, but its parent decides; without a parent it has no purpose.
  process.on("SIGINT", () => {});
  process.on("disconnect", () => leave(0));
}

await main();
