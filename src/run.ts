/** Runs the command of this process and exits. With the runtimes, the only user of argv, the streams and exit. */

import { statSync } from "node:fs";

import { systemEnvironment, userName } from "./cli/environment.ts";
import type { Command } from "./cli/parse.ts";
import type { AdminTarget } from "./cli/side-commands.ts";
import type { VersionCheckRequest } from "./cli/version-check.ts";
import type { AdminCall, Failed, Reply } from "./commands/admin-call.ts";
import type { ServerCommand } from "./commands/config-reader.ts";
import { ExtensionLoader } from "./commands/extension-loader.ts";
import type { SecretSource } from "./commands/credentials.ts";
import { type RunningCommand, UsageError } from "./commands/running.ts";
import type { Terminal } from "./commands/terminal.ts";
import { type ConfigError, describeConfigError } from "./config/problem.ts";
import type { ToWorker } from "./dataplane/messages.ts";
import type { Worker } from "./dataplane/worker.ts";
import { handoverVariable, inheritedSockets, socketVariables } from "./handover/inherited-sockets.ts";
import type { PredecessorChannel, ToSuccessor } from "./handover/messages.ts";
import { bugs } from "./lib/bugs.ts";
import { configureLog, flushLog, type Log, logOf } from "./lib/log.ts";
import { liftFetchLimit } from "./runtime/fetch-limit.ts";
import { watchParent } from "./runtime/parent.ts";
import type { SignalActions, Signals } from "./runtime/signals.ts";

/** Exit code for mistakes of the operator: flags, environment, configuration, a port in use. */
const usageErrorExit = 2;

export async function run(signals: Signals): Promise<void> {
  const argv = process.argv.slice(2);
  // Started by a balancer: the syntax of the command line is not needed.
  if (argv.length === 1 && argv[0] === "worker") return serveAsWorker(signals);
  const { parse } = await import("./cli/parse.ts");
  const served = { http3: process.versions["bun"] !== undefined };
  const extensions = new ExtensionLoader();
  const findExtensions = (path: string) => extensions.find(path);
  const parseLine = () =>
    parse(argv, process.env, systemEnvironment(process.env, { served, findExtensions }));
  const channel = predecessorChannel();
  let command = parseLine();
  if (await extensions.load(async () => (await import("#runtime")).runtime)) command = parseLine();
  // A process that takes over got the variable from the one before: as a new program it would lose the channel to it.
  if (!channel && (command.kind === "up" || command.kind === "proxy") && usesFetch(command)) {
    await liftFetchLimit(signals);
  }
  if (command.kind === "verb") return runVerbCommand(command);
  if (!isLongRunning(command)) {
    if (command.kind !== "invalid" || !channel) return printReply(command);
    const why = describeConfigError(command);
    await channel.send({ kind: "failed", why });
    // The channel keeps the process alive.
    return exitWithMessage(why, usageErrorExit);
  }
  configureLog({ json: !process.stderr.isTTY, level: "info" });
  const log = logOf("main");
  process.on("uncaughtException", failToStart).on("unhandledRejection", failToStart);
  try {
    const { start } = await import("./commands/start.ts");
    const inherited = inheritedSockets(process.env, process.pid);
    for (const variable of socketVariables) delete process.env[variable];
    const original = { argv, env: process.env, served, extensions };
    const handover = { inherited, channel: inherited?.source === "process" ? channel : undefined };
    const running = await start(command, { log, print: printLine, original, pid: process.pid, ...handover });
    signals.run(actionsOf(running));
    surviveBugs(log);
    process.send?.("listening");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    await channel?.send({ kind: "failed", why });
    if (!(error instanceof UsageError)) return failToStart(error);
    await exitWithMessage(error.message, usageErrorExit);
  }
}

/** To the process that this one takes over from. Read before the variable is removed. */
function predecessorChannel(): PredecessorChannel | undefined {
  if (process.env[handoverVariable] === undefined || !process.send) return undefined;
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  watchParent(close);
  return {
    send(message) {
      if (!process.connected) return Promise.resolve();
      const sent = new Promise<void>((resolve) =>
        process.send?.(message, undefined, undefined, () => resolve()),
      );
      // No runtime calls back for a message to a process that is gone.
      return Promise.race([sent, closed]);
    },
    follow(onMessage, onClosed) {
      process.on("message", (message) => onMessage(message as ToSuccessor));
      void closed.then(onClosed);
    },
  };
}

/** False if the configuration file is a pipe, which the restarted process could not read again. */
function usesFetch({ config, configFile }: Extract<Command, { kind: "up" | "proxy" }>): boolean {
  const asksServers = config.routes.some(({ settings }) => settings.forwardAuth);
  const hasFetches = config.engine === "fetch" || asksServers || config.listeners.some(({ http3 }) => http3);
  return hasFetches && (!configFile.exists || statSync(configFile.path).isFile());
}

async function exitWithMessage(text: string, code: number): Promise<void> {
  await flushLog();
  process.stderr.write(`${text}\n`, () => process.exit(code));
}

/** A reader such as `head` may close the pipe early: it has what it wants. A full disk is no success. */
function endWithoutOutput(error: Error): void {
  const code = "code" in error ? String(error.code) : error.message;
  // A command that writes once has its exit code then; one that watches has none, and ends here.
  if (code === "EPIPE") return void setImmediate(() => process.exit(process.exitCode ?? 0));
  void exitWithMessage(`Cannot write to standard output: system error ${code}.`, usageErrorExit);
}

async function exitQuietly(code: number): Promise<void> {
  await flushLog();
  process.exit(code);
}

/** Handles an uncaught exception before clients are served: reports it and exits. */
function failToStart(error: unknown): void {
  const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
  void exitWithMessage(`Cannot start: internal error (please report): ${why}`, 1);
}

/** From now on uncaught exceptions are logged and counted: they must not close the connections of all clients. */
function surviveBugs(log: Log): void {
  process.off("uncaughtException", failToStart).off("unhandledRejection", failToStart);
  const report = (error: unknown) => bugs.report(log, error);
  process.on("uncaughtException", report).on("unhandledRejection", report);
}

type VerbCommand = Extract<Command, { kind: "verb" }>;
type PrintingCommand = Exclude<Command, ServerCommand | VerbCommand> | ConfigError;

function isLongRunning(command: Command | ConfigError): command is ServerCommand {
  return ["up", "proxy", "backend", "dashboard"].includes(command.kind);
}

/** Runs a verb against a running balancer and sets its exit code. */
async function runVerbCommand({ verb, target }: VerbCommand): Promise<void> {
  process.stdout.on("error", endWithoutOutput);
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
  process.stdout.on("error", endWithoutOutput);
  const { text, exitCode } = await replyTo(command);
  process.exitCode = exitCode;
  const stream = exitCode >= usageErrorExit ? process.stderr : process.stdout;
  stream.write(text.endsWith("\n") ? text : `${text}\n`);
  // Further input on a terminal must not keep the process alive.
  if (command.kind === "password" || command.kind === "init") process.stdin.destroy();
}

async function replyTo(command: PrintingCommand): Promise<Reply | Failed> {
  switch (command.kind) {
    case "invalid":
      return { text: describeConfigError(command), exitCode: usageErrorExit };
    case "plan": {
      const { printPlan } = await import("./commands/admin-call.ts");
      return printPlan(await callsTo(command.target), command.file);
    }
    case "state": {
      const { printState } = await import("./commands/admin-call.ts");
      return printState(await callsTo(command.target));
    }
    case "init":
      return writeFirstFile(command);
    case "state-backup":
      return writeBackup(command);
    case "version-check":
      return checkOwnVersion(command.request);
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

async function writeBackup({ stateFile, to }: Extract<Command, { kind: "state-backup" }>): Promise<Reply> {
  const { backUpState } = await import("./state/state-backup.ts");
  try {
    const { schema } = backUpState(stateFile, to);
    return { text: `Wrote ${to}: schema ${schema} of ${stateFile}.`, exitCode: 0 };
  } catch (error) {
    return { text: error instanceof Error ? error.message : String(error), exitCode: usageErrorExit };
  }
}

async function checkOwnVersion(request: VersionCheckRequest): Promise<Reply> {
  const [{ runtime }, { checkVersion }] = await Promise.all([
    import("#runtime"),
    import("./commands/version-check.ts"),
  ]);
  const { platform, arch, execPath: executable } = process;
  const isCompiled = runtime.selfCommand.length === 1;
  return checkVersion(request, { runtime, platform, arch, executable, isCompiled });
}

async function makeCredential(kind: "password" | "token"): Promise<Reply | Failed> {
  const { makePassword, makeToken } = await import("./commands/credentials.ts");
  if (kind === "token") return makeToken();
  const { runtime } = await import("#runtime");
  return makePassword(standardInput(), runtime.passwords);
}

async function writeFirstFile({
  request,
  defaultState,
}: Extract<Command, { kind: "init" }>): Promise<Reply | Failed> {
  const [{ initialize }, { systemCertificateReader }] = await Promise.all([
    import("./commands/init.ts"),
    import("./tls/certificate-files.ts"),
  ]);
  const reader = { ...systemCertificateReader, defaultState };
  return initialize(request, { reader, source: standardInput(), pid: process.pid });
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

/** Serves clients for the balancer that started this process. Only that balancer ends it. */
function serveAsWorker(signals: Signals): void {
  if (!process.send) {
    process.stderr.write("Cannot start a worker: only the balancer starts workers; use --workers.\n");
    process.exit(usageErrorExit);
  }
  configureLog({ json: !process.stderr.isTTY, level: "info" });
  const log = logOf("worker");
  process.on("uncaughtException", failToStart).on("unhandledRejection", failToStart);
  const loaded = loadWorker(log);
  const deliver = async (message: ToWorker) => (await loaded).receive(message);
  // The parent may send or disconnect before the worker is loaded.
  process.on("message", (message) => deliver(message as ToWorker));
  signals.run({
    stop() {},
    orphaned: () => void deliver({ kind: "close" }),
    reopenLogs: () => void deliver({ kind: "reopen-logs" }),
  });
}

async function loadWorker(log: Log): Promise<Worker> {
  const [{ engines, openSender, runtime }, dataPlane] = await Promise.all([
    import("#runtime"),
    import("./dataplane/worker.ts"),
  ]);
  const inherited = inheritedSockets(process.env, process.pid);
  for (const { fd } of inherited?.left ?? []) {
    runtime.systemCalls()?.protect(fd);
    runtime.systemCalls()?.unblock(fd);
  }
  const worker: Worker = new dataPlane.Worker({
    inherited,
    engines,
    log,
    importExtension: runtime.importExtension,
    send(message) {
      if (message.kind === "ready") {
        surviveBugs(log);
        runtime.serving();
      }
      // Deno reports a closed channel only once: here, if a send precedes the disconnect event.
      process.send?.(message, undefined, undefined, (error) => error && worker.receive({ kind: "close" }));
    },
    exit: () => void exitQuietly(0),
    rssBytes: () => runtime.memory.rssBytes(),
    access: { passwords: runtime.passwords, openSender },
  });
  return worker;
}

/** The first signal drains, the second one exits at once. */
function actionsOf(running: RunningCommand): SignalActions {
  let isStopping = false;
  const exit = (code: number) => {
    try {
      running.close();
    } finally {
      void exitQuietly(code);
    }
  };
  const stop = () => {
    isStopping = true;
    running.stop().then(
      () => exit(0),
      (error: unknown) => {
        bugs.report(logOf("main"), error);
        exit(1);
      },
    );
  };
  void running.replaced?.then(stop);
  return {
    stop(_, code) {
      if (isStopping) exit(code);
      else stop();
    },
    ...(running.upgrade && { upgrade: () => void (isStopping || running.upgrade?.("SIGUSR2")) }),
    ...(running.reload && { reload: () => void running.reload?.("SIGHUP") }),
    ...(running.reopenLogs && { reopenLogs: () => running.reopenLogs?.() }),
  };
}
