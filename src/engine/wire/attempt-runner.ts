/** The attempts of a relay: finds a connection, sends the request on it, and asks the exchange again when that fails. */

import {
  abortDetail,
  abortFailure,
  isStaleConnection,
  type FailedAttempt,
  failedAttemptEntry,
} from "./attempt-failures.ts";
import { connectionPoolFor } from "./connection-pool.ts";
import type { WireContext } from "./context.ts";
import type { ForwardedRequest } from "./forwarded-request.ts";
import { maxReplayBytes } from "./http1/request-buffer.ts";
import type { ConnectionSink, ConnectionUser, UpstreamConnection } from "./upstream-connection.ts";
import { type Cancel, systemSchedule } from "../../lib/clock.ts";
import type { Attempt, AttemptDriver } from "../../pool/attempt.ts";
import { cancelled, completed, failure, type Failure, type Outcome, rescued } from "../../pool/outcome.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import { capDelay, type Interception } from "../../proxy/interception.ts";
import { isSlowUpload, type ParkedRequest, type Wait } from "../../proxy/queue.ts";
import type { Timeouts } from "../../proxy/route.ts";
import { refusal, type Refusal } from "../../proxy/refusal.ts";

/** The response side of the same request. */
export interface ResponseSide extends ConnectionSink {
  readonly request: ForwardedRequest;
  /** Whether the client got a part of the final response. */
  readonly hasResponseStarted: boolean;
  pauseClient(): void;
  resumeClient(): void;
  sendRefusal(refusal: Refusal): void;
  /** The rest of the response will not come. */
  truncated(): void;
  clientStalled(): void;
}

/**
 * ```
 *  follow ─┬─▶ idle connection ─────────────▶ sent ──▶ answered
 *          │        │ was stale                │ failed
 *          ├─▶ connect ──opened──▶ sent        ▼
 *          │        └──────failed──────▶ exchange.again ─▶ follow …
 *          ├─▶ wait, or rehearsal ──its time──▶ follow …
 *          └─▶ refusal             (waiting, its upstream found down) ──rescue──▶ follow …
 *                                  (waiting for long) ──hedge──▶ follow, beside it; the first good head wins
 * ```
 */
export class AttemptRunner implements ConnectionUser {
  readonly #context: WireContext;
  readonly #exchange: Exchange;
  readonly #request: ForwardedRequest;
  readonly sink: ResponseSide;
  readonly #driver: GuardedDriver;
  readonly #pair = new AttemptPair();
  #isHedged = false;
  /** Ends the hold of an intercepted attempt. */
  #cancelHold: Cancel | undefined;

  constructor(context: WireContext, exchange: Exchange, side: ResponseSide) {
    this.#context = context;
    this.#exchange = exchange;
    this.sink = side;
    this.#request = side.request;
    this.#driver = new GuardedDriver(this);
  }

  /** The connection that the request went to, while its answer is awaited or passed on. */
  get upstream(): UpstreamConnection | undefined {
    return this.#pair.upstream;
  }

  get isRequestComplete(): boolean {
    return this.#request.isComplete;
  }

  get timeouts(): Timeouts {
    const { destination } = this.#exchange;
    if (!destination) throw new Error("Cannot tell the timeouts: the exchange has no destination");
    return destination.timeouts;
  }

  runStep(step: Attempt | Refusal | Wait): void {
    if (step.kind === "refusal") return this.sink.sendRefusal(step);
    if (step.kind === "wait") return this.#exchange.park(this.#driver);
    if (this.#pair.resume(step)) return this.upstream?.resume();
    this.#pair.attempt = step;
    step.driver = this.#driver;
    const interception = this.#exchange.interceptionOf(step);
    if (interception) return void (this.#cancelHold = this.#hold(step, interception));
    this.#send(step);
  }

  #send(step: Attempt): void {
    const idle = connectionPoolFor(this.#context, step.upstream).checkOut();
    if (!idle) return this.#connect(step);
    this.#pair.upstream = idle;
    idle.beginFor(this);
    this.connectionOpened(idle, false);
  }

  /** Holds, fails or answers an attempt before it is sent. Meanwhile it waits as if for a connection. @returns cancels that */
  #hold(attempt: Attempt, interception: Interception): Cancel {
    const { delayMs, then } = capDelay(interception, this.timeouts.headMs);
    const proceed = () => {
      // Rescued, superseded or cancelled meanwhile: each start of an attempt has an interception of its own.
      if (!attempt.isOpen || this.#exchange.interceptionOf(attempt) !== interception) return;
      this.#pair.switchTo(attempt);
      attempt.heldMs = delayMs;
      if (then === "send") return this.#send(attempt);
      if (then.kind === "failure") return this.#failed(then);
      this.responseStarted(then.status);
      const next = this.responseReceived(then.status, then.detail);
      if (next !== "pass") return this.runStep(next);
      this.commit();
      this.end(completed);
      this.sink.sendRefusal(refusal(then.reason, then.status));
    };
    return systemSchedule(delayMs, () => this.#driver.run(proceed));
  }

  #connect(attempt: Attempt): void {
    const connections = connectionPoolFor(this.#context, attempt.upstream);
    if (!connections.mayConnect)
      return this.#failed(failure("connect", "connect_timeout", "earlier connects still hang"));
    this.#pair.upstream = connections.connect();
    this.#pair.upstream.connectFor(this, this.timeouts.connectMs);
  }

  /** A second attempt beside the one that waits; not while the body still comes, which goes over one connection. */
  hedge(attempt: Attempt): void {
    const request = this.#request;
    const isAlone = attempt === this.#pair.attempt && !this.#pair.isPair && !this.sink.hasResponseStarted;
    if (!isAlone || !request.isComplete || request.upgrades) return;
    const step = this.#exchange.hedge(this.#request.bytes.isWhole);
    if (!step) return;
    this.#isHedged = true;
    this.#pair.setAside();
    this.runStep(step);
  }

  /** The present attempt's answer goes to the client: nobody waits for the other one any more. */
  commit(): void {
    if (!this.#isHedged || !this.#pair.attempt) return;
    this.#isHedged = false;
    this.#exchange.commit(this.#pair.attempt);
    this.#pair.dropOther();
  }

  /** The connection is open: all that came of the request so far goes out. */
  connectionOpened(upstream: UpstreamConnection, isFresh = true): void {
    this.#pair.switchToConnection(upstream);
    if (isFresh) this.#pair.attempt?.connectionOpened();
    const { bytes } = this.#request;
    const isFlushed = upstream.write(bytes.bytes, 0, bytes.length);
    if (bytes.length > maxReplayBytes) this.#request.dropBody();
    return isFlushed ? this.#requestFlushed(upstream) : this.#awaitDrain(upstream);
  }

  /** bytes[from..to) more of the request's body. */
  sendBody(bytes: Buffer, from: number, to: number): void {
    const upstream = this.#pair.upstream;
    const request = this.#request;
    if (!upstream?.isOpen) {
      request.bytes.append(bytes, from, to);
      if (request.bytes.length > maxReplayBytes) this.sink.pauseClient();
      return;
    }
    request.bytes.appendSent(bytes, from, to);
    if (!upstream.write(bytes, from, to)) this.#awaitDrain(upstream);
    else if (request.isComplete) this.#requestFlushed(upstream);
  }

  #awaitDrain(upstream: UpstreamConnection): void {
    this.sink.pauseClient();
    this.#pair.attempt?.awaitUpstream();
    upstream.expectWithin(this.timeouts.bodyIdleMs);
  }

  connectionFlushed(upstream: UpstreamConnection): void {
    const { tunnel } = this.sink;
    if (tunnel) tunnel.upstreamFlushed();
    else this.#requestFlushed(upstream);
  }

  /** The upstream took all that was sent. */
  #requestFlushed(upstream: UpstreamConnection): void {
    this.#pair.switchToConnection(upstream);
    if (this.#request.isComplete) {
      this.#pair.attempt?.awaitUpstream();
      upstream.expectWithin(this.timeouts.headMs);
    } else {
      this.#pair.attempt?.awaitClient();
      upstream.expectNothing();
      this.sink.resumeClient();
    }
  }

  bytesReceived(upstream: UpstreamConnection): void {
    this.#pair.switchToConnection(upstream);
  }

  /** The final answer's head has come. */
  responseStarted(status: number): void {
    this.#pair.attempt?.responseStarted(status);
  }

  /**
   * After `head`: whether this answer goes to the client, or the exchange wants another one. Then the attempt has ended,
   * and the next one waits for `follow`.
   */
  responseReceived(status: number, detail?: string): Attempt | "pass" {
    const upstream = this.#pair.attempt?.upstream.id ?? "";
    const step = this.#exchange.responseReceived(status, this.#request.bytes.isWhole);
    if (step !== "pass") this.#log({ upstream, failure: status, detail, next: step });
    return step;
  }

  /** The attempt is over; the upstream's connection looks after itself. */
  end(outcome: Outcome): void {
    const { attempt } = this.#pair;
    this.#pair.attempt = undefined;
    this.#pair.upstream = undefined;
    this.#cancelHold?.();
    this.#cancelHold = undefined;
    attempt?.end(outcome);
  }

  /** Nobody wants the answer any more, and nobody is to blame. */
  cancel(): void {
    const upstream = this.#pair.upstream;
    this.end(cancelled);
    upstream?.abort();
    this.#pair.dropOther();
  }

  connectionFailed(upstream: UpstreamConnection, failed: Failure): void {
    this.#failed(failed, upstream);
  }

  /** The attempt is lost: another one, an answer of our own, or a reset. No bug on the way may leave the client waiting. */
  #failed(failed: Failure, from?: UpstreamConnection): void {
    this.#driver.run(() => this.#runStepAfter(failed, from));
  }

  #runStepAfter(failed: Failure, from: UpstreamConnection | undefined): void {
    if (from) this.#pair.switchToConnection(from);
    const upstream = this.#pair.upstream;
    const attempt = this.#pair.attempt;
    this.#pair.upstream = undefined;
    if (!attempt) return;
    if (upstream && isStaleConnection(upstream, failed, this.#request)) return this.#connect(attempt);
    const failedAttempt = { upstream: attempt.upstream.id, failure: failed };
    this.end(failed);
    if (this.sink.hasResponseStarted) {
      this.#log({ ...failedAttempt, next: undefined });
      return this.sink.truncated();
    }
    const step = this.#exchange.retryAfter(failed, this.#request.bytes.isWhole);
    this.#log({ ...failedAttempt, next: step });
    this.runStep(step);
  }

  /** Its upstream was found down: the request goes elsewhere if it may, and its connection is of no use any more. */
  rescue(attempt: Attempt): void {
    this.#pair.switchTo(attempt);
    if (!this.#pair.attempt || this.sink.hasResponseStarted) return;
    const upstream = this.#pair.upstream;
    const failedAttempt = { upstream: attempt.upstream.id, failure: rescued };
    const next = this.#exchange.rescue(this.#request.bytes.isWhole, attempt);
    if (!next) return;
    this.#pair.upstream = undefined;
    upstream?.abort();
    this.#log({ ...failedAttempt, next });
    this.runStep(next);
  }

  /** Others wait: a client that trickles makes room for them. */
  yieldSlot(attempt: Attempt, now: number): boolean {
    const { isComplete, receivedBytes } = this.#request;
    if (attempt !== this.#pair.attempt || isComplete || this.sink.hasResponseStarted) return false;
    if (!isSlowUpload(receivedBytes, now - attempt.startedAt)) return false;
    this.sink.clientStalled();
    return true;
  }

  /** As if the upstream had closed, but without its blame for a kept connection: the same attempt must not go on there. */
  abort(attempt: Attempt, failed?: Failure): void {
    this.#pair.switchTo(attempt);
    const { tunnel, hasResponseStarted } = this.sink;
    if (tunnel) return tunnel.upstreamClosed(new Error(abortDetail));
    const upstream = this.#pair.upstream;
    this.#pair.upstream = undefined;
    upstream?.abort();
    this.#failed(failed ?? abortFailure(hasResponseStarted));
  }

  #log(failed: FailedAttempt): void {
    const { message, fields } = failedAttemptEntry(this.#request, failed);
    this.#context.options.log.warn(message, fields);
  }
}

// The one or two attempts of a request that are under way, each with its connection: which of them is the present one.

/**
 * ```
 *  one ──setAside, and a second begins──▶ two ──resume, dropOther──▶ one
 * ```
 * Of two, the one of which something is heard becomes the present one, and the other waits its turn.
 */
class AttemptPair {
  /** The present one's. */
  attempt: Attempt | undefined;
  upstream: UpstreamConnection | undefined;
  #other: { readonly attempt: Attempt; readonly upstream: UpstreamConnection | undefined } | undefined;

  get isPair(): boolean {
    return this.#other !== undefined;
  }

  /** A second one begins beside the present one. */
  setAside(): void {
    this.#other = this.attempt && { attempt: this.attempt, upstream: this.upstream };
    this.attempt = undefined;
    this.upstream = undefined;
  }

  /** That connection speaks: makes its attempt the present one. */
  switchToConnection(upstream: UpstreamConnection): void {
    if (this.#other?.upstream === upstream) this.switchTo(this.#other.attempt);
  }

  /** Makes it the present one of two. */
  switchTo(attempt: Attempt): void {
    const [other, current, upstream] = [this.#other, this.attempt, this.upstream];
    if (other?.attempt !== attempt) return;
    this.#other = current && { attempt: current, upstream };
    this.attempt = attempt;
    this.upstream = other.upstream;
  }

  /** Goes on with the other one alone; false if this is not it. */
  resume(attempt: Attempt): boolean {
    if (attempt !== this.#other?.attempt) return false;
    this.switchTo(attempt);
    this.#other = undefined;
    return true;
  }

  /** Nobody waits for the other one any more. */
  dropOther(): void {
    this.#other?.attempt.end(cancelled);
    this.#other?.upstream?.abort();
    this.#other = undefined;
  }
}

// Where timers and other requests reach a relay, outside of its sockets' events: a bug on the way costs that relay alone.

class GuardedDriver implements AttemptDriver, ParkedRequest {
  readonly #runner: AttemptRunner;

  constructor(runner: AttemptRunner) {
    this.#runner = runner;
  }

  resume(step: Attempt | Refusal): void {
    this.run(() => this.#runner.runStep(step));
  }

  failed(bug: unknown): void {
    this.#runner.sink.reportBug(bug);
  }

  rescue(attempt: Attempt): void {
    this.run(() => this.#runner.rescue(attempt));
  }

  hedge(attempt: Attempt): void {
    this.run(() => this.#runner.hedge(attempt));
  }

  abort(attempt: Attempt, failed?: Failure): void {
    this.run(() => this.#runner.abort(attempt, failed));
  }

  yieldSlot(attempt: Attempt, now: number): boolean {
    return this.run(() => this.#runner.yieldSlot(attempt, now)) ?? true;
  }

  /** @returns what the step returns; undefined if it met a bug */
  run<Result>(step: () => Result): Result | undefined {
    try {
      return step();
    } catch (bug) {
      this.failed(bug);
      return undefined;
    }
  }
}
