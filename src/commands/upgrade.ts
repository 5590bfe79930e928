/** Hands this process's clients over to a new one: starts it, waits until it can serve, gives it files and ports, and leaves. */

import { type Actor, commandError, type CommandError, type UpgradeReport } from "../control/control.ts";
import type { NewEvent } from "../control/event-log.ts";
import type { InheritedSocket } from "../handover/inherited-sockets.ts";
import {
  type FromSuccessor,
  handoverProtocol,
  type PredecessorState,
  type Release,
} from "../handover/messages.ts";
import { type Schedule, systemWallClock, type WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { UpgradeSnapshot } from "../snapshot/snapshot.ts";
import type { StartSuccessor, Successor } from "./successor.ts";

/** What the new process gets at first, without what the upgrade itself knows. */
export type KnownState = Omit<
  PredecessorState,
  "protocol" | "pid" | "version" | "generation" | "by" | "reason"
>;

export interface UpgraderOptions {
  readonly pid: number;
  readonly version: string;
  /** Number of takeovers so far, and when this process took over. */
  readonly generation: number;
  readonly since: number | null;
  /** Why this process cannot hand over; undefined if it can. */
  readonly problem: () => string | undefined;
  readonly sockets: () => readonly InheritedSocket[];
  readonly state: () => KnownState;
  /** Closes files and ports that one process at a time has. */
  readonly release: () => Omit<Release, "reload">;
  /** Takes them back. */
  readonly resume: () => Promise<void>;
  readonly reload: (by: string) => Promise<void>;
  /** Called once, when another process serves. */
  readonly onReplaced: (pid: number) => void;
  readonly start: StartSuccessor;
  readonly record: (event: NewEvent) => void;
  readonly log: Log;
  readonly schedule: Schedule;
  readonly wallClock?: WallClock;
  readonly limits?: typeof upgradeLimits;
}

/** For the new process to be able to serve, and then to serve; milliseconds. */
export const upgradeLimits = { readyMs: 30_000, servingMs: 10_000 };

const runningTexts = {
  idle: undefined,
  starting: "another upgrade is running",
  released: "another upgrade is running",
  replaced: "another process has taken over",
};

type Outcome =
  { readonly to: "serving"; readonly version: string } | { readonly to: "failed"; readonly why: string };

/**
 * ```
 *  idle ──run──▶ starting ──ready──▶ released ──serving──▶ replaced
 *    ▲              │                    │
 *    └── exits, fails, is late ──────────┘ takes files and ports back
 * ```
 */
export class Upgrader {
  readonly #options: UpgraderOptions;
  #phase: "idle" | "starting" | "released" | "replaced" = "idle";
  #successor: Successor | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #failed: UpgradeSnapshot["failed"] = null;
  #failures = 0;
  #isAbandoned = false;
  /** Who ordered a reload since the new process has read the configuration. */
  #reloadBy: string | undefined;

  constructor(options: UpgraderOptions) {
    this.#options = options;
  }

  get snapshot(): UpgradeSnapshot {
    const { generation, since } = this.#options;
    const isRunning = this.#phase !== "idle";
    return { generation, since, isRunning, failures: this.#failures, failed: this.#failed };
  }

  /** Files and ports are, or will be, another process's. */
  get isReleased(): boolean {
    return this.#phase === "released" || this.#phase === "replaced";
  }

  /** Whether a reload has to wait: the new process has read the configuration, or soon will. It reloads then. */
  defersReload(by: string): boolean {
    if (this.#phase === "idle") return false;
    this.#reloadBy ??= by;
    return true;
  }

  get isReplaced(): boolean {
    return this.#phase === "replaced";
  }

  /** This process stops: nothing may take its place. Resolves when a running upgrade has ended. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    if (!this.isReplaced) this.#successor?.kill();
    await this.#running;
  }

  /** Resolves when another process serves, or has failed. */
  async run({ by, reason }: Actor): Promise<CommandError | UpgradeReport> {
    const { problem, log } = this.#options;
    const running = runningTexts[this.#phase];
    const why = running ?? problem();
    if (why !== undefined) {
      log.warn("upgrade refused", { by, why });
      const [status, word] =
        running === undefined ? ([501, "unsupported"] as const) : ([409, "running"] as const);
      return commandError(status, `upgrade_${word}`, `Cannot upgrade: ${why}.`);
    }
    this.#phase = "starting";
    this.#reloadBy = undefined;
    log.info("upgrade started", { by, reason });
    const outcome = this.#end({ by, reason });
    this.#running = outcome;
    return outcome;
  }

  async #end({ by, reason }: Actor): Promise<UpgradeReport> {
    const { log, pid, version, onReplaced } = this.#options;
    const outcome = await this.#handOver({ by, reason });
    const successor = this.#successor?.pid ?? 0;
    if (outcome.to === "serving") {
      this.#phase = "replaced";
      this.#successor?.letGo();
      log.info("upgrade finished", { by, from: version, to: outcome.version, successor });
      onReplaced(successor);
      return { upgraded: true, pid: successor, version: outcome.version, why: "" };
    }
    await this.#fail(outcome.why, by);
    return { upgraded: false, pid, version, why: outcome.why };
  }

  async #handOver(actor: Actor): Promise<Outcome> {
    const { start, sockets, schedule, limits = upgradeLimits } = this.#options;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const fail = (why: string) => resolve({ to: "failed", why });
    const late = (what: string, afterMs: number) =>
      schedule(afterMs, () => fail(`the new process was not ${what} within ${afterMs / 1_000} s`));
    let cancel = late("ready", limits.readyMs);
    let saidWhy: string | undefined;
    try {
      const successor = start(sockets(), (message) => {
        if (message.kind === "failed") saidWhy = message.why;
        else if (message.kind === "serving") resolve({ to: "serving", version: message.version });
        else {
          try {
            this.#reply(message, actor);
          } catch (error) {
            return fail(error instanceof Error ? error.message : String(error));
          }
          if (message.kind !== "ready") return;
          cancel();
          cancel = late("serving", limits.servingMs);
        }
      });
      this.#successor = successor;
      void successor.exited.then((status) =>
        fail(this.#isAbandoned ? "it had to stop in the meantime" : (saidWhy ?? `the new process ${status}`)),
      );
      return await promise;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { to: "failed", why: `the new process cannot be started (${why})` };
    } finally {
      cancel();
    }
  }

  #reply(message: FromSuccessor, { by, reason }: Actor): void {
    const { state, release, pid, version, generation } = this.#options;
    if (message.kind === "hello" && this.#phase === "starting") {
      const about = { protocol: handoverProtocol, pid, version, generation, by, reason };
      this.#successor?.send({ kind: "state", ...about, ...state() });
    } else if (message.kind === "ready" && this.#phase === "starting") {
      this.#phase = "released";
      this.#successor?.send({ kind: "released", ...release(), reload: this.#reloadBy !== undefined });
    }
  }

  async #fail(why: string, by: string): Promise<void> {
    const { record, log, resume, reload, version, wallClock = systemWallClock } = this.#options;
    const wasReleased = this.#phase === "released";
    this.#successor?.kill();
    await this.#successor?.exited;
    this.#successor = undefined;
    if (wasReleased) await resume();
    this.#phase = "idle";
    this.#failures += 1;
    this.#failed = { at: wallClock(), by, why };
    log.error("upgrade failed, this process goes on", { by, why });
    const common = { kind: "upgrade", pool: null, upstream: null, reason: "upgrade" } as const;
    record({ ...common, from: version, to: "failed", by, detail: why });
    if (this.#reloadBy !== undefined) await reload(this.#reloadBy);
  }
}
