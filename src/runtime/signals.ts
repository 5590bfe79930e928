/** What this process does about signals, from its first moment on. Imports only timers, so that it loads before all else. */

import { closeSync, openSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import process from "node:process";
import { setImmediate as nextTurn } from "node:timers/promises";

import { systemSchedule } from "../lib/clock.ts";
import { watchParent } from "./parent.ts";

/** End a process by default, and have no use here. Bun has no name for the last two and survives the first of them. */
const meaningless = ["SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGXFSZ", "SIGPWR", "SIGSTKFLT"];

/** SIGXCPU: the limit of processor time is near, and the system kills the process when it is reached. */
const stopSignals = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGXCPU"] as const;

export type StopSignal = (typeof stopSignals)[number] | "SIGHUP";

/** What a running command does. */
export interface SignalActions {
  /** @param code exit status of a process that this signal ends at once */
  readonly stop: (signal: StopSignal, code: number) => void;
  /** Missing for a command without a configuration file: a SIGHUP stops it. */
  readonly reload?: () => void;
  /** Missing for a command that writes no file. */
  readonly reopenLogs?: () => void;
  /** Missing for a command that cannot hand over. */
  readonly upgrade?: () => void;
  /** A worker has lost the balancer that started it. It has five seconds to end. */
  readonly orphaned?: () => void;
}

/** How long an exit waits for a reader of standard error. */
const lineTimeoutMs = 500;

const orphanTimeoutMs = 5_000;

/** Before the start is over: nothing is served yet, so nothing has to be drained. */
const starting: SignalActions = {
  stop(signal, code) {
    if (isEnding) process.exit(code);
    isEnding = true;
    systemSchedule(lineTimeoutMs, () => process.exit(0));
    process.stderr.write(`Stopped by ${signal} before the start was over.\n`, () => process.exit(0));
  },
  // The configuration may have changed since it was read.
  reload() {
    isReloadDue = true;
  },
  orphaned: () => process.exit(0),
};
let isEnding = false;
let isReloadDue = false;

/** The commands that run until they are stopped. */
const servers = ["up", "proxy", "backend", "dashboard"];

/**
 * ```
 *  created ──TERM──▶ exits at once with a line
 *     │ run(actions): the command serves
 *     ▼
 *  running ──TERM──▶ actions.stop
 * ```
 */
export class Signals {
  #actions = starting;

  /** @param command first argument of the program */
  constructor(command: string | undefined) {
    // In this order: a listener replaces the disposition that the process was started with.
    const ignoresHangup = isHangupIgnored();
    if (command === "worker") this.#handleAsWorker();
    else if (servers.includes(command ?? ""))
      this.#handleAsServer(ignoresHangup, command === "backend" && process.send !== undefined);
    else if (process.pid === 1) handleAsInit();
  }

  /** The start is over. */
  run(actions: SignalActions): void {
    this.#actions = actions;
    if (isReloadDue) actions.reload?.();
  }

  /**
   * Prepares for another program in this process, which would not know of signals that this one has caught. Resolves when
   * these are handled; never if one of them stops the process. From then on a stop signal ends it as by default.
   */
  async release(): Promise<void> {
    // Whole turns of the event loop: Bun queues a caught signal for the next one, which a timer may precede.
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    if (isEnding) await new Promise(() => {});
    for (const signal of stopSignals) process.removeAllListeners(signal);
  }

  /** Stop signals are handled again: no other program has replaced this one. */
  resume(): void {
    for (const signal of stopSignals) listen(signal, () => this.#stop(signal));
  }

  #handleAsServer(ignoresHangup: boolean, isChild: boolean): void {
    this.#handleCommon();
    // A demo server of `up`: a terminal signals it too, but its parent ends it, and without a parent it exits.
    if (isChild) watchParent(() => process.exit(0));
    for (const signal of stopSignals) {
      const isFromTerminal = signal === "SIGINT" || signal === "SIGQUIT";
      listen(signal, isChild && isFromTerminal ? () => {} : () => this.#stop(signal));
    }
    // Started by nohup, it outlives its terminal; so does a process that replaces this one, if nothing listens. Deno's first
    // listener has replaced all dispositions: there it takes a listener.
    if (ignoresHangup && isHangupIgnored()) return;
    listen("SIGHUP", isChild || ignoresHangup ? () => {} : () => this.#hangup());
  }

  /** Ctrl-C and a service manager's stop signal all processes at once: the parent drains, then ends this one. */
  #handleAsWorker(): void {
    this.#handleCommon();
    watchParent(() => {
      systemSchedule(orphanTimeoutMs, () => process.exit(0));
      this.#actions.orphaned?.();
    });
    for (const signal of [...stopSignals, "SIGHUP"]) listen(signal, () => {});
  }

  #handleCommon(): void {
    for (const signal of meaningless) listen(signal, () => {});
    listen("SIGUSR1", () => this.#actions.reopenLogs?.());
    listen("SIGUSR2", () => this.#actions.upgrade?.());
  }

  #stop(signal: StopSignal): void {
    this.#actions.stop(signal, 128 + constants.signals[signal]);
  }

  #hangup(): void {
    const { reload } = this.#actions;
    if (hasLostTerminal() || !reload) this.#stop("SIGHUP");
    else reload();
  }
}

/** The system ignores for the first process of a container what it does not handle: Ctrl-C would not end a command. */
function handleAsInit(): void {
  for (const signal of [...stopSignals, "SIGHUP"] as const)
    listen(signal, () => process.exit(128 + constants.signals[signal]));
}

/** Skips signals that this system, or the runtime, does not have. */
function listen(signal: string, handle: () => void): void {
  if (signal in constants.signals) process.on(signal, handle);
}

/** Whether the parent made this process ignore SIGHUP, as nohup does. Only Linux shows it: proc(5), SigIgn. */
function isHangupIgnored(): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
    return (BigInt(`0x${mask}`) & (1n << BigInt(constants.signals.SIGHUP - 1))) !== 0n;
  } catch {
    return false;
  }
}

/** A closing terminal also sends SIGHUP, which then must end the process instead of reloading. */
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
