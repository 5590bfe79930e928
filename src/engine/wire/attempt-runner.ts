/** Runs the attempts of one request: checks out a connection, sends the request, and asks the exchange what follows a failure. */

import type { ProxyVersion } from "../../net/proxy-protocol.ts";
import { type Cancel, systemSchedule } from "../../lib/clock.ts";
import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, completed, type Failure, failure, type Outcome, rescued } from "../../pool/outcome.ts";
import type { Pool } from "../../pool/pool.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import { capDelay, type Interception } from "../../proxy/interception.ts";
import type { Wait } from "../../proxy/queue.ts";
import { type Refusal, refusal } from "../../proxy/refusal.ts";
import type { Destination, Timeouts } from "../../proxy/route.ts";
import { isSlowUpload, ReadingPace, type ReadingProgress, yieldResponse } from "../../proxy/slow-clients.ts";
import {
  abortDetail,
  abortFailure,
  type FailedAttempt,
  failedAttemptEntry,
  isStaleConnection,
  outcomeOf,
} from "./attempt-failures.ts";
import { AttemptPair } from "./attempt-pair.ts";
import { connectionPoolFor } from "./connection-pool.ts";
import type { WireContext } from "./context.ts";
import type { ForwardedRequest } from "./forwarded-request.ts";
import { type DrivenRunner, GuardedDriver } from "./guarded-driver.ts";
import { maxReplayBytes } from "./http1/request-buffer.ts";
import type { PinnedConnections } from "./pinned-connections.ts";
import type { ConnectionSink, ConnectionUser, UpstreamConnection } from "./upstream-connection.ts";

/** The response side of the same request; implemented by the request forwarder. */
export interface ResponseSide extends ConnectionSink {
  readonly request: ForwardedRequest;
  /** Whether the client got a part of the final response. */
  readonly hasResponseStarted: boolean;
  /** Upstream connections that belong to the client's connection; undefined if there never was one. */
  readonly pinned: PinnedConnections | undefined;
  /** Creates `pinned`. */
  startPinning(): PinnedConnections;
  /** The header that begins an upstream connection of this client alone. */
  proxyHeader(version: ProxyVersion): Buffer;
  /** How far the client has read what was sent to it. Read only while others wait for a slot. */
  readonly clientProgress: ReadingProgress;
  pauseClient(): void;
  resumeClient(): void;
  sendRefusal(refusal: Refusal): void;
  /** The upstream failed after the response had started. */
  truncated(): void;
  /** The client sends or reads too slowly. */
  clientStalled(): void;
}

/** The upstream has not said how long an idle connection stays open. */
const unannounced = -1;

/**
 * ```
 *  runStep ─┬─▶ idle connection ────────────▶ sent ──▶ response
 *           │        │ stale                   │ failed
 *           ├─▶ connect ──opened──▶ sent       ▼
 *           │        └──────failed─────▶ exchange.retryAfter ─▶ runStep …
 *           ├─▶ parked ──resume──▶ runStep …
 *           ├─▶ intercepted ──delay──▶ sent, failed, or responded to
 *           └─▶ refusal          (waiting, upstream went down) ──rescue──▶ runStep …
 *                                (waiting for long) ──hedge──▶ runStep for a second attempt; the first good head wins
 * ```
 */
export class AttemptRunner implements ConnectionUser, DrivenRunner {
  readonly #context: WireContext;
  readonly #exchange: Exchange;
  readonly #request: ForwardedRequest;
  readonly sink: ResponseSide;
  readonly #driver: GuardedDriver;
  readonly #pair = new AttemptPair();
  /** Made when others wait for the slot of a response for the first time. */
  #pace: ReadingPace | undefined;
  #isHedged = false;
  /** Cancels the delay of an intercepted attempt. */
  #cancelInterception: Cancel | undefined;

  constructor(context: WireContext, exchange: Exchange, side: ResponseSide) {
    this.#context = context;
    this.#exchange = exchange;
    this.sink = side;
    this.#request = side.request;
    this.#driver = new GuardedDriver(this);
  }

  /** The connection of the current attempt, from its connect to the end of its response. */
  get upstream(): UpstreamConnection | undefined {
    return this.#pair.upstream;
  }

  get timeouts(): Timeouts {
    return this.#destination.timeouts;
  }

  get #pool(): Pool {
    return this.#destination.pool;
  }

  get #destination(): Destination {
    const { destination } = this.#exchange;
    if (!destination) throw new Error("Cannot run an attempt: the exchange has no destination");
    return destination;
  }

  runStep(step: Attempt | Refusal | Wait): void {
    if (step.kind === "refusal") return this.sink.sendRefusal(step);
    if (step.kind === "wait") return this.#exchange.park(this.#driver);
    if (this.#pair.resume(step)) return this.upstream?.resume();
    const edit = this.#exchange.requestEditFor(step);
    if (edit) this.#request.edit(edit);
    this.#pair.attempt = step;
    step.driver = this.#driver;
    const interception = this.#exchange.interceptionOf(step);
    if (interception) return void (this.#cancelInterception = this.#intercept(step, interception));
    this.#send(step);
  }

  #send(step: Attempt): void {
    const idle =
      this.sink.pinned?.checkOut(this.#pool, step.upstream) ??
      (this.#destination.proxyProtocol ? undefined : this.#checkOut(step));
    if (!idle) return this.#connect(step);
    this.#pair.upstream = idle;
    idle.beginFor(this);
    this.#sendRequest(idle);
  }

  #checkOut({ upstream }: Attempt): UpstreamConnection | undefined {
    const connections = connectionPoolFor(this.#context, upstream);
    const idle = connections.checkOut();
    if (!idle || !this.#request.upgrades) return idle;
    if (!idle.refusesWebSockets || !this.#request.opensWebSocket) return idle;
    connections.checkIn(idle, unannounced);
    return undefined;
  }

  /** Delays an attempt as if it waited for a connection, then sends it, fails it or responds to it. @returns cancels that */
  #intercept(attempt: Attempt, interception: Interception): Cancel {
    const { delayMs, then } = capDelay(interception, this.timeouts.headMs);
    const proceed = () => {
      // The attempt may have been rescued, superseded or cancelled: each start of an attempt has its own interception.
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
      return this.#failed(failure("connect", "connect_timeout", "too many pending connects"));
    const { proxyProtocol } = this.#destination;
    this.#pair.upstream = connections.connect();
    if (proxyProtocol) this.#pair.upstream.greeting = this.sink.proxyHeader(proxyProtocol);
    this.#pair.upstream.connectFor(this, this.timeouts.connectMs);
  }

  /** Starts a second attempt for a waiting one. Not while the request body arrives: it is sent over one connection only. */
  hedge(attempt: Attempt): void {
    const request = this.#request;
    const isAlone = attempt === this.#pair.attempt && !this.#pair.isPair && !this.sink.hasResponseStarted;
    if (!isAlone || !request.isComplete || request.upgrades || this.#isPinned) return;
    const step = this.#exchange.hedge(request.replay.isWhole);
    if (!step) return;
    this.#isHedged = true;
    this.#pair.setAside();
    this.runStep(step);
  }

  /** The current attempt's response goes to the client: cancels the other attempt of a hedged request. */
  commit(): void {
    if (!this.#isHedged || !this.#pair.attempt) return;
    this.#isHedged = false;
    this.#exchange.commit(this.#pair.attempt);
    this.#pair.dropOther();
  }

  connectionOpened(upstream: UpstreamConnection): void {
    this.#pair.switchToConnection(upstream);
    this.#pair.attempt?.connectionOpened();
    if (upstream.greeting) this.pin();
    this.#sendRequest(upstream);
  }

  /** Whether the request makes sense on one connection only. */
  get #isPinned(): boolean {
    return this.#request.authenticatesConnection || this.#pair.upstream?.isPinned === true;
  }

  /** The current attempt's connection serves this client alone from now on. */
  pin(): void {
    const { attempt, upstream } = this.#pair;
    if (attempt && upstream) this.sink.startPinning().pin(upstream, this.#pool, attempt.upstream);
  }

  /** Sends all of the request that has arrived. */
  #sendRequest(upstream: UpstreamConnection): void {
    if (this.#request.authenticatesConnection) this.pin();
    const { replay: bytes } = this.#request;
    const isFlushed = upstream.write(bytes.bytes, 0, bytes.length);
    if (bytes.length > maxReplayBytes) this.#request.dropBody();
    return isFlushed ? this.#requestFlushed(upstream) : this.#awaitDrain(upstream);
  }

  /** Sends bytes[from..to), the next part of the request body. */
  sendBody(bytes: Buffer, from: number, to: number): void {
    const upstream = this.#pair.upstream;
    const request = this.#request;
    if (!upstream?.isOpen) {
      request.replay.append(bytes, from, to);
      if (request.replay.length > maxReplayBytes) this.sink.pauseClient();
      return;
    }
    request.replay.appendSent(bytes, from, to);
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

  /** The upstream took all that was sent: it is its turn to respond, or the client's to send more. */
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

  /** A 1xx head arrived: the upstream works on the request, and the head timeout starts again. */
  interimReceived(): void {
    if (!this.#request.isComplete) return;
    this.#pair.attempt?.interimReceived();
    this.upstream?.expectWithin(this.timeouts.headMs);
  }

  /** The next attempt, while another one's response is held. A bug in it must not leave the client waiting. */
  retry(step: Attempt): void {
    this.#driver.run(() => this.runStep(step));
  }

  /** The current attempt has ended, and its response is held. @returns its connection, which this request no longer uses */
  releaseConnection(): UpstreamConnection | undefined {
    const { upstream } = this.#pair;
    this.#pair.upstream = undefined;
    return upstream;
  }

  /** The rest of a held response goes to the client. All attempts have ended. */
  followConnection(upstream: UpstreamConnection): void {
    upstream.handOver(this);
    this.#pair.upstream = upstream;
  }

  /** The final head of the current attempt's response arrived. */
  responseStarted(status: number): void {
    this.#pair.attempt?.responseStarted(status);
  }

  /**
   * Called after `responseStarted`, for a status that may be retried.
   * @returns `pass` if this response goes to the client; else the current attempt has ended, and `retry` starts this one
   */
  responseReceived(status: number, detail?: string): Attempt | "pass" {
    const upstream = this.#pair.attempt?.upstream.id ?? "";
    const step = this.#exchange.responseReceived(status, this.#request.replay.isWhole);
    if (step !== "pass") this.#log({ upstream, failure: status, detail, next: step });
    return step;
  }

  /** Ends the current attempt. Its connection is checked in or closed by itself. */
  end(outcome: Outcome): void {
    const { attempt } = this.#pair;
    this.#pair.attempt = undefined;
    this.#pair.upstream = undefined;
    this.#cancelInterception?.();
    this.#cancelInterception = undefined;
    attempt?.end(outcome);
  }

  /** Ends all attempts because of the client: no upstream is at fault. */
  cancel(): void {
    const upstream = this.#pair.upstream;
    this.end(cancelled);
    upstream?.abort();
    this.#pair.dropOther();
  }

  connectionFailed(upstream: UpstreamConnection, failed: Failure): void {
    this.#failed(failed, upstream);
  }

  /** Follows a failure with another attempt, a refusal or a reset. A bug in this must not leave the client waiting. */
  #failed(failed: Failure, from?: UpstreamConnection): void {
    this.#driver.run(() => this.#runStepAfter(failed, from));
  }

  #runStepAfter(failed: Failure, from: UpstreamConnection | undefined): void {
    if (from) this.#pair.switchToConnection(from);
    const { attempt, upstream } = this.#pair;
    this.#pair.upstream = undefined;
    // Without an attempt it was the rest of a held response.
    if (!attempt) return upstream && this.sink.hasResponseStarted ? this.sink.truncated() : undefined;
    if (upstream && isStaleConnection(upstream, failed, this.#request)) return this.#connect(attempt);
    const failedAttempt = { upstream: attempt.upstream.id, failure: failed };
    this.end(outcomeOf(failed, upstream, this.#request));
    if (this.sink.hasResponseStarted) {
      this.#log({ ...failedAttempt, next: undefined });
      return this.sink.truncated();
    }
    const step = this.#exchange.retryAfter(failed, this.#request.replay.isWhole);
    this.#log({ ...failedAttempt, next: step });
    this.runStep(step);
  }

  /** The upstream went down: moves the waiting request to another one if it may move, and closes its connection. */
  rescue(attempt: Attempt): void {
    this.#pair.switchTo(attempt);
    if (!this.#pair.attempt || this.sink.hasResponseStarted) return;
    const upstream = this.#pair.upstream;
    const failedAttempt = { upstream: attempt.upstream.id, failure: rescued };
    const next = this.#exchange.rescue(this.#request.replay.isWhole, attempt);
    if (!next) return;
    this.#pair.upstream = undefined;
    upstream?.abort();
    this.#log({ ...failedAttempt, next });
    this.runStep(next);
  }

  /** The response takes no slot any more. */
  freeSlot(): void {
    this.#pair.attempt?.freeSlot();
  }

  /** Other requests wait for the slot: gives it up if the client sends or reads too slowly. */
  yieldSlot(attempt: Attempt, now: number): boolean {
    const { isComplete, receivedBytes } = this.#request;
    if (attempt !== this.#pair.attempt || this.sink.tunnel) return false;
    if (this.sink.hasResponseStarted) return this.#yieldResponse(attempt, now);
    if (isComplete || !isSlowUpload(receivedBytes, now - attempt.startedAt)) return false;
    this.sink.clientStalled();
    return true;
  }

  #yieldResponse(attempt: Attempt, now: number): boolean {
    const pace = (this.#pace ??= new ReadingPace());
    const next = yieldResponse(attempt, pace.slowMs(attempt, this.sink.clientProgress, now));
    if (next === "end") this.sink.clientStalled();
    return next === "freed";
  }

  /** As if the upstream had closed the connection, except that a reused one does not count as stale. */
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
