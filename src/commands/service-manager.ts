/** Tells systemd how the service is (sd_notify(3)): ready, reloading, stopping, which process is the main one, and that it lives. */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

import type { Environment } from "../cli/environment.ts";
import { type Cancel, repeat, type Schedule, systemSchedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { SystemCalls } from "../runtime/runtime.ts";

export interface ServiceManagerOptions {
  readonly environment: Environment;
  readonly pid: number;
  /** Undefined where the C library cannot be loaded: then the program `systemd-notify` sends. */
  readonly calls: () => SystemCalls | undefined;
  readonly log: Log;
  readonly schedule?: Schedule;
}

/** systemd shows one line. */
const maxStatus = 200;

/** Does nothing without NOTIFY_SOCKET. A message that cannot be sent never fails the service. */
/** A timer of more than 24 days would fire at once, and all the time. */
const maxSignIntervalMs = 3_600_000;

export class ServiceManager {
  readonly #options: ServiceManagerOptions;
  readonly #socket: string | undefined;
  #cancelWatchdog: Cancel | undefined;
  #hasWarned = false;

  constructor(options: ServiceManagerOptions) {
    this.#options = options;
    const { NOTIFY_SOCKET: socket = "" } = options.environment;
    // systemd knows AF_VSOCK too, which is for virtual machines.
    this.#socket = /^[/@]./.test(socket) ? socket : undefined;
  }

  /** @param status one line for people @param isMain whether this process has just become the main one */
  ready(status: string, isMain = false): void {
    this.#send("READY=1", statusLine(status), ...(isMain ? [`MAINPID=${this.#options.pid}`] : []));
  }

  /** `ready` follows, also after a reload that was rejected. */
  reloading(): void {
    this.#send("RELOADING=1", `MONOTONIC_USEC=${this.#monotonicMicros()}`, statusLine("Reloading"));
  }

  stopping(): void {
    this.#cancelWatchdog?.();
    this.#send("STOPPING=1", statusLine("Draining"));
  }

  /** Another process of the service takes this one's place. */
  replacedBy(pid: number): void {
    this.#cancelWatchdog?.();
    this.#send(`MAINPID=${pid}`);
  }

  /**
   * Sends a sign of life twice in the time after which systemd would kill the service. The event loop must turn for that.
   * @param isAlive whether what runs beside the event loop does its work
   */
  watch(isAlive: () => boolean): void {
    const { environment, pid, schedule = systemSchedule } = this.#options;
    const { WATCHDOG_USEC: micros, WATCHDOG_PID: watched } = environment;
    const limitMs = Number(micros) / 1_000;
    if (this.#socket === undefined || !(limitMs > 0)) return;
    if (watched !== undefined && Number(watched) !== pid) return;
    const ping = () => void (isAlive() && this.#send("WATCHDOG=1"));
    ping();
    this.#cancelWatchdog = repeat(schedule, Math.min(Math.max(1, limitMs / 2), maxSignIntervalMs), ping);
  }

  #monotonicMicros(): number {
    // The second is the time since the boot, which differs after a suspend alone; rounded up, because it may not be in the past.
    return this.#options.calls()?.monotonicMicros() ?? Math.ceil((uptimeSeconds() + 0.01) * 1_000_000);
  }

  #send(...lines: readonly string[]): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const calls = this.#options.calls();
    if (!calls) return this.#sendByProgram(lines);
    if (!calls.sendDatagram(socket, lines.join("\n"))) this.#warn("the socket does not take messages");
  }

  /** Without `--no-block` it would wait until systemd has read the message. */
  #sendByProgram(lines: readonly string[]): void {
    const child = spawn("systemd-notify", ["--no-block", ...lines], {
      env: { ...this.#options.environment },
      stdio: "ignore",
    });
    child.on("error", ({ message }) => this.#warn(message));
    child.on("exit", (code) => code !== 0 && this.#warn(`systemd-notify exited with ${code}`));
  }

  #warn(why: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#options.log.warn("service manager not notified", { socket: this.#socket, why });
  }
}

function statusLine(status: string): string {
  return `STATUS=${status.replace(/\s+/g, " ").slice(0, maxStatus)}`;
}

function uptimeSeconds(): number {
  try {
    return Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  } catch {
    return 0;
  }
}
