/** Monitors one attempt: its timeouts, whether its client is still there, and the calls of the attempt driver. */

import { TimerEntry } from "../../lib/timer-wheel.ts";
import type { Attempt, AttemptDriver } from "../../pool/attempt.ts";
import { cancelled, type Failure, failure } from "../../pool/outcome.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import { failureOf } from "./forward.ts";
import type { ClientWait, RequestBody } from "./request-body.ts";
import { type FetchEngineContext, holdClient, type RequestContext } from "./request-context.ts";

export interface AttemptMonitorOptions {
  readonly engine: Pick<FetchEngineContext, "wheel" | "log" | "setIdleTimeout" | "isDraining">;
  readonly context: RequestContext;
  readonly attempt: Attempt;
  readonly body: RequestBody;
  /** Where the request may have a second attempt at the same time. */
  readonly race?: { run(attempt: Attempt): void };
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

/**
 * ```
 *  head (connect and head timeout) ──headReceived──▶ body (an idle timeout for each read) ──release──▶ ended
 *     ▲ ▼ clientWaitBegan, clientWaitEnded: no timeout while the client has to send more
 * ```
 * Nearly all attempts end within one turn of the timer wheel. Any other listens to its client from then on: the runtime makes
 * an AbortSignal for the request then, which costs as much as the route, and it knows of a client that left before.
 */
export class AttemptMonitor extends TimerEntry implements AttemptDriver, ClientWait {
  readonly #engine: AttemptMonitorOptions["engine"];
  readonly #context: RequestContext;
  readonly #attempt: Attempt;
  readonly #body: RequestBody;
  readonly #race: AttemptMonitorOptions["race"];
  readonly #stop = new AbortController();
  /** Present while the response's body is streamed. */
  responseStream: YieldingStream | undefined;
  /** Of the current wait, milliseconds, and when it began by the wheel's clock. */
  #limitMs = 0;
  #waitingSince = 0;
  #isListening = false;
  #isReleased = false;
  #hasHead = false;
  /** Whether a timeout aborted it. */
  hasTimedOut = false;
  /** The failure with which it was aborted. */
  #abortedAs: Failure | undefined;
  /** The attempt that replaced this one, which has ended then. */
  #redirectedTo: Attempt | undefined;
  isClientGone = false;
  /** Another attempt won; this one has ended. */
  isSuperseded = false;

  constructor({ engine, context, attempt, body, race }: AttemptMonitorOptions) {
    super();
    this.#engine = engine;
    this.#context = context;
    this.#attempt = attempt;
    this.#body = body;
    this.#race = race;
    attempt.driver = this;
    this.#await(headLimitMs(context.exchange));
    // An upload may pause for long, and a drain ends connections.
    if (!body.isWhole || engine.isDraining()) this.#listen();
  }

  /** Aborted when the upstream's connection is no longer needed. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  clientWaitBegan(): void {
    this.#engine.wheel.disarm(this);
    if (this.#isDriver) this.#attempt.awaitClient();
  }

  clientWaitEnded(): void {
    if (!this.#hasHead) this.#await(this.#limitMs);
    if (this.#isDriver) this.#attempt.awaitUpstream();
  }

  rescue(): void {
    if (this.#hasHead || this.isClientGone) return;
    this.#redirectedTo = this.#context.exchange.rescue(this.#body.isReplayable, this.#attempt);
    if (this.#redirectedTo) this.cancel();
  }

  hedge(): void {
    if (!this.#race || this.#hasHead || this.isClientGone) return;
    const second = this.#context.exchange.hedge(this.#body.isReplayable);
    if (second) this.#race.run(second);
  }

  yieldSlot(attempt: Attempt, now: number): boolean {
    if (this.responseStream) return this.responseStream.yieldSlot(now);
    if (this.#hasHead || this.isClientGone || !this.#body.abortIfSlow(now - attempt.startedAt)) return false;
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
    return !this.#body.isWhole && !this.signal.aborted;
  }

  /** The result of an attempt without a response, for a client that is still connected. Ends the attempt. */
  lost(error: unknown): Redirected | Failure {
    if (this.#redirectedTo) return { kind: "moved", next: this.#redirectedTo };
    const failed =
      this.#abortedAs ??
      (this.hasTimedOut ? failure("head", "head_timeout") : failureOf(error, this.#attempt));
    this.#attempt.end(failed.reason === "upstream_reset" && this.isUploading ? cancelled : failed);
    return failed;
  }

  /** False once the attempt object is reused for the next try. */
  get #isDriver(): boolean {
    return this.#attempt.driver === this;
  }

  headReceived(): void {
    this.#hasHead = true;
    this.#engine.wheel.disarm(this);
  }

  /** A piece of the response's body is due within so many milliseconds. */
  awaitBody(idleMs: number): void {
    this.#await(idleMs);
  }

  bodyReceived(): void {
    this.#engine.wheel.disarm(this);
  }

  cancel(): void {
    this.#stop.abort();
  }

  /**
   * Stops listening to the client, whose signal may also fire after a good end. `cancel` and the waits for a streamed body
   * stay possible.
   */
  release(): void {
    this.#hasHead = true;
    this.#isReleased = true;
    this.#engine.wheel.forget(this);
    if (this.#isListening) this.#context.request.signal.removeEventListener("abort", this);
  }

  #await(limitMs: number): void {
    const { wheel } = this.#engine;
    this.#limitMs = limitMs;
    this.#waitingSince = wheel.now;
    wheel.arm(this, this.#isListening || this.#isReleased ? limitMs : 0);
  }

  /** Called by the wheel only: at the first turn, when the limit is over, and when a drain begins. */
  expired(): void {
    if (!this.#isReleased) this.#listen();
    const { wheel } = this.#engine;
    const leftMs = this.#limitMs - (wheel.now - this.#waitingSince);
    if (leftMs > 0) return wheel.arm(this, leftMs);
    this.hasTimedOut = true;
    this.cancel();
  }

  /** Called by the wheel only. */
  handlerThrew(error: Error): void {
    this.#engine.log.bug(error, this.#context.requestId);
  }

  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    holdClient(this.#engine, this.#context);
    const { signal } = this.#context.request;
    if (signal.aborted) this.handleEvent();
    else signal.addEventListener("abort", this, { once: true });
  }

  /** The client left. Called by its signal only. */
  handleEvent(): void {
    this.isClientGone = true;
    this.cancel();
  }
}

/** One timeout for the connect and the response's head, milliseconds: the fetch client does not report them separately. */
function headLimitMs({ destination }: Exchange): number {
  if (!destination) throw new Error("Cannot make an attempt: the exchange has no destination");
  return destination.timeouts.connectMs + destination.timeouts.headMs;
}
