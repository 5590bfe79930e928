/** The queue of one receiver: alerts leave in order, one at a time, and are tried again until they are taken or too old. */

import type { AlertReceiverConfig } from "../config/alerts.ts";
import type { Alert } from "../extension/alert-format.ts";
import type { Cancel, Clock, Schedule, WallClock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import { RetryPace } from "../lib/retry-pace.ts";
import type { AlertRow } from "../state/alert-record.ts";
import type { ReceiverSnapshot } from "./alerts-snapshot.ts";
import { deliver, type DeliveryOptions, type DeliveryResult, type DeliveryTarget } from "./delivery.ts";
import type { AlertRequest } from "./formats.ts";

/** Waiting alerts of one receiver: of a day without a receiver the latest matter. */
export const maxWaiting = 1_000;

/** After this time an alert says nothing any more. */
export const maxAgeMs = 24 * 3_600_000;

/** Between two tries. */
const maxBackoffMs = 5 * 60_000;

export interface WaitingAlert {
  row: AlertRow;
  readonly alert: Alert;
}

export interface ReceiverQueueOptions {
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly allowLinkLocal: () => boolean;
  readonly requestOf: (alert: Alert, receiver: AlertReceiverConfig) => AlertRequest;
  /** After a try that has failed; the alert waits. */
  readonly onFailed: (waiting: WaitingAlert, result: DeliveryResult) => void;
  /** When an alert leaves the queue: sent, or given up. */
  readonly onEnd: (row: AlertRow, result?: DeliveryResult) => void;
  /** Called with an exception of this module. */
  readonly onBug: (error: unknown) => void;
}

/**
 * ```
 *            push, timer                    acknowledged, refused, too old: the next one
 *   idle ───────────────▶ trying ───────────────────────────────────────────────────────▶ idle, trying
 *                            │ ▲
 *                     failed ▼ │ timer, wake
 *                          waiting
 * ```
 */
export class ReceiverQueue {
  #receiver: AlertReceiverConfig;
  readonly #options: ReceiverQueueOptions;
  readonly #pace: RetryPace;
  #waiting: WaitingAlert[] = [];
  #isRunning = true;
  #isTrying = false;
  #cancel: Cancel | undefined;
  #abort = new AbortController();
  #nextTryAt: number | null = null;
  #failing: ReceiverSnapshot["failing"] = null;
  #last: ReceiverSnapshot["last"] = null;

  constructor(receiver: AlertReceiverConfig, options: ReceiverQueueOptions) {
    this.#receiver = receiver;
    this.#options = options;
    this.#pace = new RetryPace(options.random, maxBackoffMs);
  }

  get receiver(): AlertReceiverConfig {
    return this.#receiver;
  }

  get waiting(): readonly WaitingAlert[] {
    return this.#waiting;
  }

  get state(): Pick<ReceiverSnapshot, "failing" | "waiting" | "nextTryAt" | "last"> {
    const nextTryAt = this.#waiting.length > 0 ? this.#nextTryAt : null;
    return { failing: this.#failing, waiting: this.#waiting.length, nextTryAt, last: this.#last };
  }

  /** A changed receiver is tried at once: the change may be the repair. */
  configure(receiver: AlertReceiverConfig): void {
    const isChanged = JSON.stringify(receiver) !== JSON.stringify(this.#receiver);
    this.#receiver = receiver;
    if (isChanged) this.wake();
  }

  /** Alerts of before a restart, before any other. */
  restore(waiting: readonly WaitingAlert[]): void {
    this.#waiting = [...waiting];
    const [first] = waiting;
    if (first && first.row.tries > 0)
      this.#failing = { since: first.row.at, reason: "", answer: first.row.answer };
    this.#next();
  }

  push(alert: WaitingAlert): void {
    this.#waiting.push(alert);
    while (this.#waiting.length > maxWaiting) this.#drop();
    this.#next();
  }

  /** The one that is being tried stays: it may have arrived. */
  #drop(): void {
    const [dropped] = this.#waiting.splice(this.#isTrying ? 1 : 0, 1);
    if (dropped) this.#end(dropped, "dropped");
  }

  /** Tries now what waits for its time. */
  wake(): void {
    if (this.#isTrying || !this.#isRunning) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#next();
  }

  /** Sends one alert beside the queue, and tells what came of it. */
  async test(alert: Alert): Promise<DeliveryResult> {
    const result = await this.#deliver(alert);
    if (result.kind === "sent") {
      this.#succeeded();
      this.wake();
    }
    return result;
  }

  /** Aborts a try that is under way. What waits is kept by the caller. */
  stop(): void {
    this.#isRunning = false;
    this.#cancel?.();
    this.#abort.abort();
  }

  #next(): void {
    if (this.#isTrying || this.#cancel || !this.#isRunning) return;
    this.#expire();
    const [first] = this.#waiting;
    if (!first) return;
    this.#isTrying = true;
    this.#nextTryAt = null;
    void this.#try(first).catch(this.#options.onBug);
  }

  #expire(): void {
    const now = this.#options.wallClock();
    for (let first = this.#waiting[0]; first && now - first.row.at >= maxAgeMs; first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#end(first, "expired");
    }
  }

  async #try(first: WaitingAlert): Promise<void> {
    let result: DeliveryResult | undefined;
    try {
      result = await this.#deliver(first.alert);
    } finally {
      this.#isTrying = false;
    }
    // Another process has the alert; this one must not say what became of it.
    if (!this.#isRunning) return;
    const { kind, answer, reason, tookMs, status } = result;
    const at = this.#options.wallClock();
    this.#last = { at, kind, status, answer, tookMs };
    first.row = { ...first.row, tries: first.row.tries + 1, answer };
    if (kind === "sent") this.#succeeded();
    else this.#failing = { since: this.#failing?.since ?? at, reason, answer };
    if (kind === "failed") {
      this.#options.onFailed(first, result);
      return this.#waitFor(this.#pace.failed(result.retryAfterMs), first);
    }
    this.#waiting.shift();
    this.#end(first, kind, result);
    this.#next();
  }

  #waitFor(backoffMs: number, { row }: WaitingAlert): void {
    const { wallClock, schedule } = this.#options;
    const now = wallClock();
    const delayMs = Math.max(0, Math.min(backoffMs, row.at + maxAgeMs - now));
    this.#nextTryAt = now + delayMs;
    this.#cancel = schedule(delayMs, () => {
      this.#cancel = undefined;
      this.#next();
    });
  }

  #succeeded(): void {
    this.#pace.succeeded();
    this.#failing = null;
  }

  #end({ row }: WaitingAlert, state: AlertRow["state"], result?: DeliveryResult): void {
    this.#options.onEnd({ ...row, state, endedAt: this.#options.wallClock() }, result);
  }

  #deliver(alert: Alert): Promise<DeliveryResult> {
    const { requestOf, allowLinkLocal, clock, wallClock, schedule } = this.#options;
    const { url, ca } = this.#receiver;
    const target: DeliveryTarget = { url, ca: ca?.text, allowLinkLocal: allowLinkLocal() };
    const options: DeliveryOptions = { clock, wallClock, schedule, signal: this.#abort.signal };
    return deliver(target, requestOf(alert, this.#receiver), options);
  }
}
