/** Monitors one attempt until its response's head: timeout, client abort, and the calls of the attempt driver. */

import { type Cancel, systemSchedule } from "../../lib/clock.ts";
import type { Attempt, AttemptDriver } from "../../pool/attempt.ts";
import { cancelled, type Failure, failure } from "../../pool/outcome.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import { failureOf } from "./forward.ts";
import type { ClientWait } from "./request-body.ts";

export interface AttemptMonitorOptions {
  readonly client: AbortSignal;
  /** Timeout from the last byte sent to the response's head, connecting included, milliseconds. */
  readonly limitMs: number;
  readonly attempt: Attempt;
  /** Replaces the attempt by one on another upstream; undefined if the request has to stay. */
  readonly redirect: () => Attempt | undefined;
  /** Starts a second attempt, if the request may have one. */
  readonly hedge?: () => void;
  /** Aborts the request's body if the client uploads too slowly, so many ms after the start. @returns whether it did */
  readonly abortIfSlow?: (ms: number) => boolean;
  /** The request's body; undefined if it has none. */
  readonly body?: { readonly isWhole: boolean };
}

/** One timeout for the connect and the response's head: the fetch client does not report them separately. */
export function headLimitMs({ destination }: Exchange): number {
  if (!destination) throw new Error("Cannot make an attempt: the exchange has no destination");
  return destination.timeouts.connectMs + destination.timeouts.headMs;
}

/** The request moved to another attempt, which is already counted in. */
export interface Redirected {
  readonly kind: "moved";
  readonly next: Attempt;
  /** The cause is logged already. */
  readonly isLogged?: true;
}

/** A response whose body is streamed. */
interface YieldingStream {
  /** Others wait for its slot. @returns whether it gave the slot up */
  yieldSlot(now: number): boolean;
}

/** The timeout pauses while the attempt waits for more of the client's body: that wait is not the upstream's. */
export class AttemptMonitor implements AttemptDriver {
  readonly #client: AbortSignal;
  readonly #limitMs: number;
  readonly #attempt: Attempt;
  readonly #redirect: () => Attempt | undefined;
  readonly #startHedge: (() => void) | undefined;
  readonly #abortIfSlow: AttemptMonitorOptions["abortIfSlow"];
  readonly #body: AttemptMonitorOptions["body"];
  /** Present while the response's body is streamed. */
  responseStream: YieldingStream | undefined;
  readonly #stop = new AbortController();
  #cancelTimer: Cancel | undefined;
  #hasHead = false;
  #hasTimedOut = false;
  /** The failure with which it was aborted. */
  #abortedAs: Failure | undefined;
  /** The attempt that replaced this one, which has ended then. */
  #redirectedTo: Attempt | undefined;
  isClientGone = false;
  /** Another attempt won; this one has ended. */
  isSuperseded = false;

  constructor({ client, limitMs, attempt, redirect, hedge, abortIfSlow, body }: AttemptMonitorOptions) {
    this.#client = client;
    this.#limitMs = limitMs;
    this.#attempt = attempt;
    this.#redirect = redirect;
    this.#startHedge = hedge;
    this.#abortIfSlow = abortIfSlow;
    this.#body = body;
    attempt.driver = this;
    this.#startTimer();
    if (client.aborted) this.#onClientGone();
    else client.addEventListener("abort", this.#onClientGone, { once: true });
  }

  /** Aborted when the upstream's connection is no longer needed. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  readonly clientWait: ClientWait = {
    begin: () => {
      this.#cancelTimer?.();
      if (this.#isDriver) this.#attempt.awaitClient();
    },
    end: () => {
      this.#startTimer();
      if (this.#isDriver) this.#attempt.awaitUpstream();
    },
  };

  rescue(): void {
    if (this.#hasHead || this.isClientGone) return;
    this.#redirectedTo = this.#redirect();
    if (this.#redirectedTo) this.cancel();
  }

  hedge(): void {
    if (!this.#hasHead && !this.isClientGone) this.#startHedge?.();
  }

  yieldSlot(attempt: Attempt, now: number): boolean {
    if (this.responseStream) return this.responseStream.yieldSlot(now);
    if (this.#hasHead || this.isClientGone || !this.#abortIfSlow?.(now - attempt.startedAt)) return false;
    this.cancel();
    return true;
  }

  supersede(): void {
    if (this.#hasHead) return;
    this.isSuperseded = true;
    this.cancel();
  }

  /** Ends the response, or the wait for it, as if the upstream had closed the connection. */
  abort(_attempt: Attempt, failed?: Failure): void {
    this.#abortedAs = failed;
    this.cancel();
  }

  /** Whether the request moved to another attempt: this response comes too late. */
  get isRedirected(): boolean {
    return this.#redirectedTo !== undefined;
  }

  /**
   * Whether a broken connection says nothing about the server: one that hangs up before it has the whole request may do so
   * because of what the client sends.
   */
  get isUploading(): boolean {
    return this.#body?.isWhole === false && !this.signal.aborted;
  }

  /** The result of an attempt without a response, for a client that is still connected. Ends the attempt. */
  lost(error: unknown): Redirected | Failure {
    if (this.#redirectedTo) return { kind: "moved", next: this.#redirectedTo };
    const failed =
      this.#abortedAs ??
      (this.#hasTimedOut ? failure("head", "head_timeout") : failureOf(error, this.#attempt));
    this.#attempt.end(failed.reason === "upstream_reset" && this.isUploading ? cancelled : failed);
    return failed;
  }

  /** False once the attempt object is reused for the next try. */
  get #isDriver(): boolean {
    return this.#attempt.driver === this;
  }

  headReceived(): void {
    this.#cancelTimer?.();
    this.#hasHead = true;
  }

  cancel(): void {
    this.#stop.abort();
  }

  /** Stops listening to the client, whose signal may also fire after a good end. `cancel` stays possible. */
  release(): void {
    this.headReceived();
    this.#client.removeEventListener("abort", this.#onClientGone);
  }

  #startTimer(): void {
    this.#cancelTimer?.();
    if (this.#hasHead) return;
    this.#cancelTimer = systemSchedule(this.#limitMs, () => {
      this.#hasTimedOut = true;
      this.cancel();
    });
  }

  readonly #onClientGone = (): void => {
    this.isClientGone = true;
    this.cancel();
  };
}
