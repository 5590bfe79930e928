/** Keeps one worker process alive: starts it, restarts it with a growing delay, kills it when it hangs. */

import type { Cancel, Clock, Schedule } from "../lib/clock.ts";
import type { RequestRecord } from "../proxy/record.ts";
import type { WorkerSnapshot } from "../snapshot/snapshot.ts";
import { MergedReport } from "./merged-report.ts";
import type { FromWorker, ToWorker, UpstreamEvidence, WorkerReport } from "./messages.ts";

/** A started process. Sending to one that has exited does nothing. */
export interface WorkerProcess {
  readonly pid: number;
  /** Resolves with the exit status when the process has exited: "SIGKILL", "exit 1". */
  readonly exited: Promise<string>;
  send(message: ToWorker): void;
  /** Ends the process at once. */
  kill(): void;
}

/** Starts a worker process; `onMessage` is called with its messages. */
export type Spawn = (onMessage: (message: FromWorker) => void) => WorkerProcess;

export interface WorkerSupervisorOptions {
  readonly spawn: Spawn;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly onHello: (supervisor: WorkerSupervisor) => void;
  readonly onReport: (supervisor: WorkerSupervisor, report: WorkerReport) => void;
  readonly onEvidence: (supervisor: WorkerSupervisor, evidence: readonly UpstreamEvidence[]) => void;
  readonly onRequests: (requests: readonly RequestRecord[], isSampled: boolean) => void;
  /** Called with the worker's reply to an abort: `count` attempts were aborted. */
  readonly onAborted: (supervisor: WorkerSupervisor, requestId: number, count: number) => void;
  /** Called when the worker asks for tokens of shared limits. */
  readonly onBudgetAsk: (supervisor: WorkerSupervisor, message: BudgetAskMessage) => void;
  readonly onReady: (supervisor: WorkerSupervisor) => void;
  /** Called before a worker is killed because it sent nothing for `seconds`. */
  readonly onUnresponsive: (supervisor: WorkerSupervisor, seconds: number) => void;
  /** Called when a worker has exited or was killed, before it is restarted. Not called during a shutdown. */
  readonly onExit: (supervisor: WorkerSupervisor, exitStatus: string) => void;
}

type BudgetAskMessage = Extract<FromWorker, { kind: "ask-budgets" }>;

const minRestartDelayMs = 100;
const maxRestartDelayMs = 5_000;

/** A worker that served this long did not fail because of its start, so the restart delay is reset. */
const stableAfterMs = 10_000;

/** Ticks of one second without a message until a worker is killed. Reports come each second, but a machine may be busy. */
const maxSilentTicks = 10;

/** Ticks without a message until stall evidence does not wait for the worker any more. */
const maxResponsiveTicks = 2;

/** Ticks without a message until a starting worker is killed: it has to load and to listen. */
const maxStartTicks = 30;

/**
 * ```
 *  start ──hello──▶ greeted ──ready──▶ serving ──drained──▶ drained
 *    ▲                 │                  │
 *    └────── delay ────┴────── exits ─────┘   or sends nothing, and is killed
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
  /** Undefined before the first report and after the process has exited. */
  reported: MergedReport | undefined;

  constructor(options: WorkerSupervisorOptions) {
    this.#options = options;
  }

  get pid(): number {
    return this.#worker?.pid ?? 0;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Whether the worker serves and has sent a message recently. */
  get isResponsive(): boolean {
    return this.#isReady && this.#silentTicks <= maxResponsiveTicks;
  }

  get snapshot(): WorkerSnapshot {
    return {
      pid: this.pid,
      ready: this.#isReady,
      restarts: this.#restarts,
      inFlight: this.reported?.latest.active ?? 0,
      requests: this.reported?.requests ?? 0,
    };
  }

  /** Starts the process. Resolves when the worker serves; rejects, with the system's code, if it cannot. */
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
      reject(new Error(`Cannot start a worker: it exited with ${exitStatus}`));
      this.#workerExited(exitStatus, startedAt);
    });
    return promise;
  }

  /** Does nothing before `hello`, with which the worker requests its first state. */
  send(message: ToWorker): void {
    if (this.#hasHello) this.#worker?.send(message);
  }

  /**
   * To be called each second. Kills a worker that has sent nothing for too many of them. Ticks are counted instead of
   * measuring time, so that a machine that slept, or a delayed control plane, blames no worker.
   */
  tick(): void {
    if (!this.#worker) return;
    this.#silentTicks += 1;
    if (this.#silentTicks < (this.#isReady ? maxSilentTicks : maxStartTicks)) return;
    this.#options.onUnresponsive(this, this.#silentTicks);
    this.#worker.kill();
  }

  /** Resolves when the worker has nothing in flight, or has exited. */
  drain(): Promise<void> {
    this.#stopRestarts();
    if (!this.#isReady) {
      // It would start to listen after the others have stopped.
      this.#worker?.kill();
      return Promise.resolve();
    }
    this.send({ kind: "drain" });
    return new Promise((resolve) => (this.#onDrained = resolve));
  }

  /** Lets the worker abort what is left and exit. */
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
    const { onHello, onReport, onEvidence, onRequests, onAborted, onBudgetAsk, onReady } = this.#options;
    if (message.kind === "hello") {
      this.#hasHello = true;
      onHello(this);
    } else if (message.kind === "ready") {
      this.#isReady = true;
      onReady(this);
    } else if (message.kind === "report") {
      if (this.reported) this.reported.add(message);
      else this.reported = new MergedReport(message);
      onReport(this, message);
    } else if (message.kind === "evidence") onEvidence(this, message.evidence);
    else if (message.kind === "requests") onRequests(message.requests, message.isSampled);
    else if (message.kind === "aborted") onAborted(this, message.requestId, message.count);
    else if (message.kind === "ask-budgets") onBudgetAsk(this, message);
    else if (message.kind === "drained") this.#onDrained?.();
  }

  #workerExited(exitStatus: string, startedAt: number): void {
    const { clock, schedule, onExit } = this.#options;
    this.#onDrained?.();
    if (!this.#isClosed) onExit(this, exitStatus);
    const wasReady = this.#isReady;
    this.#worker = undefined;
    this.#isReady = false;
    this.#hasHello = false;
    if (this.#isClosed) return;
    this.reported = undefined;
    if (wasReady && clock() - startedAt > stableAfterMs) this.#restartDelayMs = minRestartDelayMs;
    this.#cancelStart = schedule(this.#restartDelayMs, () => {
      this.#restarts += 1;
      // A failed start counts as another exit.
      this.start().catch(() => this.#worker?.kill());
    });
    this.#restartDelayMs = Math.min(maxRestartDelayMs, this.#restartDelayMs * 2);
  }

  #stopRestarts(): void {
    this.#isClosed = true;
    this.#cancelStart?.();
  }
}
