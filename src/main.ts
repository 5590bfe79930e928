/** The process: picks the command, loads and runs it, minds the signals, exits. The only file that touches argv and exit. */

import { closeSync, openSync, statSync } from "node:fs";

import type { Command } from "./cli/parse.ts";
import type { AdminTarget } from "./cli/side-commands.ts";
import { systemEnvironment, userName } from "./cli/environment.ts";
import type { AdminCall, Failed, Reply } from "./commands/admin-call.ts";
import type { ServerCommand } from "./commands/config-reader.ts";
import { UsageError, type RunningCommand } from "./commands/running.ts";
import type { SecretSource } from "./commands/credentials.ts";
import type { Terminal } from "./commands/terminal.ts";
import { describeConfigError, type ConfigError } from "./config/problem.ts";
import { bugs } from "./lib/bugs.ts";
import { configureLog, flushLog, type Log, logOf } from "./lib/log.ts";
import type { ToWorker } from "./dataplane/messages.ts";
import type { Worker } from "./dataplane/worker.ts";
import { liftFetchLimit } from "./runtime/fetch-limit.ts";

/** For whatever the operator got wrong: flags, environment, configuration, a port in use. */
const misuseExit = 2;

async function main(): Promise<void> {
  const argv = process.argv.slice(2);
  // Started by a balancer, not by people: their syntax is not even loaded.
  if (argv.length === 1 && argv[0] === "worker") return serveAsWorker();
  const isBalancer = argv[0] === "up" || argv[0] === "proxy";
  // Before anything else is loaded. A match that is no engine name costs one restart, and no more.
  if (isBalancer && [...argv, process.env["EVENKEEL_ENGINE"]?.trim()].some(namesFetch)) liftFetchLimit();
  const { parse } = await import("./cli/parse.ts");
  const command = parse(argv, process.env, systemEnvironment(process.env));
  if (isBalancer && "configFile" in command && usesFetch(command)) liftFetchLimit();
  if (command.kind === "verb") return runVerbCommand(command);
  if (!isLongRunning(command)) return printReply(command);
  configureLog({ json: !process.stderr.isTTY, level: "info" });
  const log = logOf("main");
  process.on("uncaughtException", failToStart).on("unhandledRejection", failToStart);
  // Until it has started there is nothing to reload: the configuration was read a moment ago.
  const onEarlyHangup = () => hasLostTerminal() && process.exit(128 + 1);
  if ("config" in command) process.on("SIGHUP", onEarlyHangup);
  try {
    const { start } = await import("./commands/start.ts");
    mindSignals(await start(command, { log, say: printLine, written: { argv, env: process.env } }));
    process.off("SIGHUP", onEarlyHangup);
    outliveBugs(log);
    process.send?.("listening");
  } catch (error) {
    if (!(error instanceof UsageError)) return failToStart(error);
    await exitSaying(error.message, misuseExit);
  }
}

function namesFetch(word: string | undefined): boolean {
  return word === "fetch" || word === "--engine=fetch";
}

/** False for a configuration that came through a pipe: the restarted process could not read it again. */
function usesFetch({ config, configFile }: Extract<Command, { kind: "up" | "proxy" }>): boolean {
  return config.engine === "fetch" && (!configFile.exists || statSync(configFile.path).isFile());
}

async function exitSaying(text: string, code: number): Promise<void> {
  await flushLog();
  process.stderr.write(`${text}\n`, () => process.exit(code));
}

async function exitQuietly(code: number): Promise<void> {
  await flushLog();
  process.exit(code);
}

/** Nobody is served yet: what cannot start well says so and ends. */
function failToStart(error: unknown): void {
  const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
  void exitSaying(`Cannot start: a fault of evenkeel itself: ${why}`, 1);
}

/** What nobody caught is a fault of ours, but no reason to drop every client's connection, once there are some. */
function outliveBugs(log: Log): void {
  process.off("uncaughtException", failToStart).off("unhandledRejection", failToStart);
  const report = (error: unknown) => bugs.report(log, error);
  process.on("uncaughtException", report).on("unhandledRejection", report);
}

type VerbCommand = Extract<Command, { kind: "verb" }>;
type PrintingCommand = Exclude<Command, ServerCommand | VerbCommand> | ConfigError;

function isLongRunning(command: Command | ConfigError): command is ServerCommand {
  return ["up", "proxy", "backend", "dashboard"].includes(command.kind);
}

/** Asks a running balancer, and ends with what came of it. */
async function runVerbCommand({ verb, ask: target }: VerbCommand): Promise<void> {
  // Whoever reads the output may have seen enough, as `head` has.
  process.stdout.on("error", () => process.exit(0));
  const { stdout, stderr } = process;
  const terminal: Terminal = {
    write: (text) => void stdout.write(text),
    warn: (line) => void stderr.write(`${line}\n`),
    isInteractive: stdout.isTTY === true,
    hasColour: stdout.isTTY === true && !process.env["NO_COLOR"],
    size: () => (stdout.columns > 0 ? { columns: stdout.columns, rows: stdout.rows } : undefined),
  };
  const { runVerb } = await import("./commands/run-verb.ts");
  process.exitCode = await runVerb(verb, { target, actor: userName(process.env), terminal });
}

async function printReply(command: PrintingCommand): Promise<void> {
  const { text, exitCode } = await replyTo(command);
  process.exitCode = exitCode;
  const stream = exitCode >= misuseExit ? process.stderr : process.stdout;
  stream.write(text.endsWith("\n") ? text : `${text}\n`);
  // Whoever asked on a terminal has an answer: what else may be typed there is not waited for.
  if (command.kind === "password") process.stdin.destroy();
}

async function replyTo(command: PrintingCommand): Promise<Reply | Failed> {
  switch (command.kind) {
    case "invalid":
      return { text: describeConfigError(command), exitCode: misuseExit };
    case "plan": {
      const { printPlan: askPlan } = await import("./commands/admin-call.ts");
      return askPlan(await callsTo(command.ask), command.file);
    }
    case "state": {
      const { printState: askState } = await import("./commands/admin-call.ts");
      return askState(await callsTo(command.ask));
    }
    case "password":
    case "token":
      return makeCredential(command.kind);
    default:
      return { text: command.text, exitCode: 0 };
  }
}

async function callsTo(target: AdminTarget): Promise<AdminCall> {
  const { adminCalls } = await import("./commands/admin-call.ts");
  return adminCalls(target, userName(process.env));
}

async function makeCredential(kind: "password" | "token"): Promise<Reply | Failed> {
  const { makePassword, makeToken } = await import("./commands/credentials.ts");
  if (kind === "token") return makeToken();
  const { runtime } = await import("#runtime");
  return makePassword(standardInput(), runtime.passwords);
}

function standardInput(): SecretSource {
  const { stdin, stderr } = process;
  const texts = stdin.setEncoding("utf8")[Symbol.asyncIterator]();
  return {
    isTerminal: stdin.isTTY === true,
    hide: (isHidden) => void (stdin.isTTY && stdin.setRawMode(isHidden)),
    async next() {
      const { done, value } = (await texts.next()) as IteratorResult<string>;
      return done ? undefined : value;
    },
    prompt: (text) => void stderr.write(text),
  };
}

function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Serves clients for the balancer that started this process, which alone decides when it ends. */
function serveAsWorker(): void {
  if (!process.send) {
    process.stderr.write("Cannot start a worker: a balancer does that itself, see --workers\n");
    process.exit(misuseExit);
  }
  configureLog({ json: !process.stderr.isTTY, level: "info" });
  const log = logOf("worker");
  process.on("uncaughtException", failToStart).on("unhandledRejection", failToStart);
  // A terminal's Ctrl-C and a service manager's stop reach all processes at once: the parent drains, then ends this one.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  const loaded = loadWorker(log);
  const hear = async (message: ToWorker) => (await loaded).receive(message);
  // The parent speaks at once, and may be gone as soon.
  process.on("message", (message) => hear(message as ToWorker));
  process.on("disconnect", () => hear({ kind: "close" }));
}

async function loadWorker(log: Log): Promise<Worker> {
  const [{ engines, runtime }, dataPlane] = await Promise.all([
    import("#runtime"),
    import("./dataplane/worker.ts"),
  ]);
  const worker: Worker = new dataPlane.Worker({
    engines,
    log,
    send(message) {
      if (message.kind === "ready") outliveBugs(log);
      // Deno tells of a parent that is gone only once: here, if something was sent before that was noticed.
      process.send?.(message, undefined, undefined, (error) => error && worker.receive({ kind: "close" }));
    },
    exit: () => void exitQuietly(0),
    rssBytes: () => runtime.memory.rssBytes(),
  });
  return worker;
}

/** The first signal lets everything finish, the second one ends it at once. */
function mindSignals(running: RunningCommand): void {
  let isStopping = false;
  const leave = (code: number) => {
    try {
      running.close();
    } finally {
      void exitQuietly(code);
    }
  };
  const onSignal = (code: number) => {
    if (isStopping) return leave(code);
    isStopping = true;
    running.stop().then(
      () => leave(0),
      (error: unknown) => {
        bugs.report(logOf("main"), error);
        leave(1);
      },
    );
  };
  if (running.reload)
    process.on("SIGHUP", () => (hasLostTerminal() ? onSignal(128 + 1) : void running.reload?.("SIGHUP")));
  process.on("SIGTERM", () => onSignal(128 + 15));
  if (!process.send) {
    process.on("SIGINT", () => onSignal(128 + 2));
    return;
  }
  // A child: the terminal's Ctrl-C reaches it too, but its parent decides; without a parent it has no purpose.
  process.on("SIGINT", () => {});
  process.on("disconnect", () => leave(0));
}

/** A terminal that closes sends SIGHUP too, and takes what runs in it along. */
const hadTerminal = canOpenTerminal();

function hasLostTerminal(): boolean {
  return hadTerminal && !canOpenTerminal();
}

function canOpenTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

await main();
