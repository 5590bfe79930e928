/** One worker's place: whoever sits there may die, the place is filled again. */

import type { Cancel, Clock, Schedule } from "../lib/clock.ts";
import type { RequestRecord } from "../proxy/record.ts";
import type { WorkerSnapshot } from "../snapshot/snapshot.ts";
import type { WorkerReport, FromWorker, UpstreamEvidence, ToWorker } from "./messages.ts";

/** A process that was started. Sending to one that is gone does nothing. */
export interface WorkerProcess {
  readonly pid: number;
  /** Resolves when it is gone, with how: "SIGKILL", "exit 1". */
  readonly exited: Promise<string>;
  send(message: ToWorker): void;
  /** Ends it at once. */
  kill(): void;
}

/** Starts a worker and hears what it says. */
export type Spawn = (onMessage: (message: FromWorker) => void) => WorkerProcess;

export interface WorkerSupervisorOptions {
  readonly spawn: Spawn;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly onHello: (supervisor: WorkerSupervisor) => void;
  readonly onReport: (supervisor: WorkerSupervisor) => void;
  readonly onEvidence: (supervisor: WorkerSupervisor, evidence: readonly UpstreamEvidence[]) => void;
  readonly onRequests: (requests: readonly RequestRecord[], isSampled: boolean) => void;
  /** Hears how many it has ended, as it was told to. */
  readonly onAborted: (supervisor: WorkerSupervisor, requestId: number, count: number) => void;
  readonly onReady: (supervisor: WorkerSupervisor) => void;
  /** Hears that nothing was heard of a worker for so many seconds, before it is ended. */
  readonly onUnresponsive: (supervisor: WorkerSupervisor, seconds: number) => void;
  /** Hears that a worker that had served is gone, before another one is started. */
  readonly onExit: (supervisor: WorkerSupervisor, exitStatus: string) => void;
}

const minRestartDelayMs = 100;
const maxRestartDelayMs = 5_000;

/** Whoever served this long did not die of its start. */
const stableAfterMs = 10_000;

/** Seconds: reports come each second, but a machine may be busy. */
const maxSilentTicks = 10;

/** Seconds after which nobody waits for its word. */
const maxResponsiveTicks = 2;

/** Seconds: until it serves it has to load and to listen. */
const maxStartTicks = 30;

/**
 * ```
 *  start ──hello──▶ greeted ──ready──▶ serving ──drained──▶ drained
 *    ▲                 │                  │
 *    └──── a pause ────┴───── it dies ────┘   or falls silent, and is killed
 * ```
 */
export class WorkerSupervisor {
  readonly #options: WorkerSupervisorOptions;
  #worker: WorkerProcess | undefined;
  #restartDelayMs = minRestartDelayMs;
  #cancelStart: Cancel | undefined;
  #isClosed = false;
  #hasHello = false;
  #isReady = false;
  #restarts = 0;
  #silentTicks = 0;
  #onDrained: (() => void) | undefined;
  /** The last that it reported; undefined before and after. */
  lastReport: WorkerReport | undefined;

  constructor(options: WorkerSupervisorOptions) {
    this.#options = options;
  }

  get pid(): number {
    return this.#worker?.pid ?? 0;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Whether it serves, and has spoken lately. */
  get isResponsive(): boolean {
    return this.#isReady && this.#silentTicks <= maxResponsiveTicks;
  }

  get snapshot(): WorkerSnapshot {
    const requests = this.lastReport?.upstreams.reduce((sum, { counts }) => sum + counts.requests, 0);
    return {
      pid: this.pid,
      ready: this.#isReady,
      restarts: this.#restarts,
      inFlight: this.lastReport?.active ?? 0,
      requests: requests ?? 0,
    };
  }

  /** Fills it. Resolves when the worker serves; rejects, with the system's code, if it cannot. */
  start(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const startedAt = this.#options.clock();
    const worker = this.#options.spawn((message) => {
      if (this.#worker !== worker) return;
      this.#silentTicks = 0;
      if (message.kind === "failed")
        reject(Object.assign(new Error(message.message), { code: message.code }));
      else this.#receive(message);
      if (message.kind === "ready") resolve();
    });
    this.#worker = worker;
    this.#silentTicks = 0;
    void worker.exited.then((exitStatus) => {
      reject(new Error(`Cannot start a worker: it ended with ${exitStatus}`));
      this.#workerExited(exitStatus, startedAt);
    });
    return promise;
  }

  /** Nothing happens before it has greeted: it asks for its first state. */
  send(message: ToWorker): void {
    if (this.#hasHello) this.#worker?.send(message);
  }

  /**
   * A second has passed: ends a worker that has been silent for too many of them. They are counted, not measured, so that a
   * machine that slept, or a control plane that was held up itself, accuses nobody.
   */
  tick(): void {
    if (!this.#worker) return;
    this.#silentTicks += 1;
    if (this.#silentTicks < (this.#isReady ? maxSilentTicks : maxStartTicks)) return;
    this.#options.onUnresponsive(this, this.#silentTicks);
    this.#worker.kill();
  }

  /** Resolves when it has nothing under way any more, or is gone. */
  drain(): Promise<void> {
    this.#stopRestarts();
    if (!this.#isReady) {
      // It would begin to listen when the others have stopped.
      this.#worker?.kill();
      return Promise.resolve();
    }
    this.send({ kind: "drain" });
    return new Promise((resolve) => (this.#onDrained = resolve));
  }

  /** Lets it cut what is left and end by itself. */
  async shutdown(): Promise<void> {
    this.#stopRestarts();
    this.send({ kind: "close" });
    await this.#worker?.exited;
  }

  close(): void {
    this.#stopRestarts();
    this.#worker?.kill();
  }

  #receive(message: FromWorker): void {
    const { onHello, onReport, onEvidence, onRequests, onAborted, onReady } = this.#options;
    if (message.kind === "hello") {
      this.#hasHello = true;
      onHello(this);
    } else if (message.kind === "ready") {
      this.#isReady = true;
      onReady(this);
    } else if (message.kind === "counts") {
      this.lastReport = message;
      onReport(this);
    } else if (message.kind === "sights") onEvidence(this, message.sights);
    else if (message.kind === "requests") onRequests(message.requests, message.isSampled);
    else if (message.kind === "cut") onAborted(this, message.requestId, message.count);
    else if (message.kind === "drained") this.#onDrained?.();
  }

  #workerExited(exitStatus: string, startedAt: number): void {
    const { clock, schedule, onExit: onExit } = this.#options;
    this.#onDrained?.();
    if (!this.#isClosed) onExit(this, exitStatus);
    const wasReady = this.#isReady;
    this.#worker = undefined;
    this.#isReady = false;
    this.#hasHello = false;
    if (this.#isClosed) return;
    this.lastReport = undefined;
    if (wasReady && clock() - startedAt > stableAfterMs) this.#restartDelayMs = minRestartDelayMs;
    this.#cancelStart = schedule(this.#restartDelayMs, () => {
      this.#restarts += 1;
      // If it fails too, that is another loss.
      this.start().catch(() => this.#worker?.kill());
    });
    this.#restartDelayMs = Math.min(maxRestartDelayMs, this.#restartDelayMs * 2);
  }

  #stopRestarts(): void {
    this.#isClosed = true;
    this.#cancelStart?.();
  }
}
