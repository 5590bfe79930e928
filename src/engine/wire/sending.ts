/** The attempts of a relay: finds a connection, sends the request on it, and asks the exchange again when that fails. */

import type { Cancel } from "../../lib/clock.ts";
import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure, failure, type Outcome, rescued } from "../../pool/outcome.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import type { Wait } from "../../proxy/queue.ts";
import type { Refusal } from "../../proxy/refusal.ts";
import { isSlowUpload } from "../../proxy/slow-body.ts";
import { GuardedDriver } from "./carrier.ts";
import { abortDetail, abortFailure, isStaleConnection, logFailedAttempt } from "./losses.ts";
import { AttemptPair } from "./legs.ts";
import { holdAttempt } from "./play.ts";
import type { WireContext } from "./plane.ts";
import type { RequestForwarder } from "./relay.ts";
import type { ForwardedRequest } from "./relayed-request.ts";
import { maxReplayBytes } from "./request-bytes.ts";
import type { UpstreamConnection } from "./upstream-connection.ts";

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
export class AttemptRunner {
  readonly #plane: WireContext;
  readonly #exchange: Exchange;
  readonly #request: ForwardedRequest;
  readonly #relay: RequestForwarder;
  readonly driver: GuardedDriver;
  readonly pair = new AttemptPair();
  #isHedged = false;
  /** Ends the wait for what a rehearsal has in store. */
  #cancelPlay: Cancel | undefined;

  constructor(plane: WireContext, exchange: Exchange, relay: RequestForwarder) {
    this.#plane = plane;
    this.#exchange = exchange;
    this.#relay = relay;
    this.#request = relay.request;
    this.driver = new GuardedDriver(this, relay, plane.setting.log);
  }

  /** The connection that the request went to, while its answer is awaited or passed on. */
  get upstream(): UpstreamConnection | undefined {
    return this.pair.upstream;
  }

  get timeouts() {
    const { destination } = this.#exchange;
    if (!destination) throw new Error("Cannot tell the timeouts: the exchange has no destination");
    return destination.timeouts;
  }

  runStep(step: Attempt | Refusal | Wait): void {
    if (step.kind === "refusal") return this.#relay.sendRefusal(step);
    if (step.kind === "wait") return this.#exchange.park(this.driver);
    if (this.pair.resume(step)) return this.upstream?.resume();
    this.pair.attempt = step;
    step.driver = this.driver;
    if (step.interception) return void (this.#cancelPlay = holdAttempt(step, step.interception, this.#relay));
    const idle = this.#plane.connectionPoolOf(step.upstream).checkOut();
    if (!idle) return this.#connect(step);
    this.pair.upstream = idle;
    idle.beginFor(this.#relay);
    this.opened(idle, false);
  }

  #connect(attempt: Attempt): void {
    const lane = this.#plane.connectionPoolOf(attempt.upstream);
    if (!lane.mayConnect)
      return this.failed(failure("connect", "connect_timeout", "earlier connects still hang"));
    this.pair.upstream = lane.connect();
    this.pair.upstream.connectFor(this.#relay, this.timeouts.connectMs);
  }

  /** A second attempt beside the one that waits; not while the body still comes, which goes over one connection. */
  hedge(attempt: Attempt): void {
    const request = this.#request;
    const isAlone = attempt === this.pair.attempt && !this.pair.isPair && !this.#relay.hasBegun;
    if (!isAlone || !request.isComplete || request.upgrades) return;
    this.#exchange.isReplayable = request.bytes.isWhole;
    const step = this.#exchange.hedge();
    if (!step) return;
    this.#isHedged = true;
    this.pair.setAside();
    this.runStep(step);
  }

  /** The present attempt's answer goes to the client: nobody waits for the other one any more. */
  commit(): void {
    if (!this.#isHedged || !this.pair.attempt) return;
    this.#isHedged = false;
    this.#exchange.commit(this.pair.attempt);
    this.pair.dropOther();
  }

  /** The connection is open: all that came of the request so far goes out. */
  opened(upstream: UpstreamConnection, isFresh = true): void {
    this.pair.switchToConnection(upstream);
    if (isFresh) this.pair.attempt?.connectionOpened();
    const { bytes } = this.#request;
    const isOut = upstream.write(bytes.bytes, 0, bytes.length);
    if (bytes.length > maxReplayBytes) this.#request.dropBody();
    return isOut ? this.flushed(upstream) : this.#waitFor(upstream);
  }

  /** bytes[from..to) more of the request's body. */
  send(bytes: Buffer, from: number, to: number): void {
    const upstream = this.pair.upstream;
    const request = this.#request;
    if (!upstream?.isOpen) {
      request.bytes.append(bytes, from, to);
      if (request.bytes.length > maxReplayBytes) this.#relay.client?.pause();
      return;
    }
    request.bytes.keep(bytes, from, to);
    if (!upstream.write(bytes, from, to)) this.#waitFor(upstream);
    else if (request.isComplete) this.flushed(upstream);
  }

  #waitFor(upstream: UpstreamConnection): void {
    this.#relay.client?.pause();
    this.pair.attempt?.awaitUpstream();
    upstream.expectWithin(this.timeouts.bodyIdleMs);
  }

  /** The upstream took all that was sent. */
  flushed(upstream: UpstreamConnection): void {
    this.pair.switchToConnection(upstream);
    if (this.#request.isComplete) {
      this.pair.attempt?.awaitUpstream();
      upstream.expectWithin(this.timeouts.headMs);
    } else {
      this.pair.attempt?.awaitClient();
      upstream.expectNothing();
      this.#relay.client?.resume();
    }
  }

  /** The final answer's head has come. */
  head(status: number): void {
    this.pair.attempt?.responseStarted(status);
  }

  /**
   * After `head`: whether this answer goes to the client, or the exchange wants another one. Then the attempt has ended,
   * and the next one waits for `follow`.
   */
  answered(status: number, detail?: string): Attempt | "pass" {
    this.#exchange.isReplayable = this.#request.bytes.isWhole;
    const upstream = this.pair.attempt?.upstream.id ?? "";
    const step = this.#exchange.responseReceived(status);
    if (step !== "pass") this.#log({ upstream, how: status, detail, next: step });
    return step;
  }

  /** The attempt is over; the upstream's connection looks after itself. */
  end(outcome: Outcome): void {
    const { attempt } = this.pair;
    this.pair.attempt = undefined;
    this.pair.upstream = undefined;
    this.#cancelPlay?.();
    this.#cancelPlay = undefined;
    attempt?.end(outcome);
  }

  /** Nobody wants the answer any more, and nobody is to blame. */
  cancel(): void {
    const upstream = this.pair.upstream;
    this.end(cancelled);
    upstream?.abort();
    this.pair.dropOther();
  }

  /** The attempt is lost: another one, an answer of our own, or a reset. No bug on the way may leave the client waiting. */
  failed(failed: Failure, from?: UpstreamConnection): void {
    this.driver.run(() => this.#goOnAfter(failed, from));
  }

  #goOnAfter(failed: Failure, from: UpstreamConnection | undefined): void {
    if (from) this.pair.switchToConnection(from);
    const upstream = this.pair.upstream;
    const attempt = this.pair.attempt;
    this.pair.upstream = undefined;
    if (!attempt) return;
    if (upstream && isStaleConnection(upstream, failed, this.#request)) return this.#connect(attempt);
    const loss = { upstream: attempt.upstream.id, how: failed };
    this.end(failed);
    if (this.#relay.hasBegun) {
      this.#log({ ...loss, next: undefined });
      return this.#relay.truncated();
    }
    this.#exchange.isReplayable = this.#request.bytes.isWhole;
    const step = this.#exchange.retryAfter(failed);
    this.#log({ ...loss, next: step });
    this.runStep(step);
  }

  /** Its upstream was found down: the request goes elsewhere if it may, and its connection is of no use any more. */
  rescue(attempt: Attempt): void {
    this.pair.switchTo(attempt);
    if (!this.pair.attempt || this.#relay.hasBegun) return;
    const upstream = this.pair.upstream;
    const loss = { upstream: attempt.upstream.id, how: rescued };
    this.#exchange.isReplayable = this.#request.bytes.isWhole;
    const next = this.#exchange.rescue(attempt);
    if (!next) return;
    this.pair.upstream = undefined;
    upstream?.abort();
    this.#log({ ...loss, next });
    this.runStep(next);
  }

  /** Others wait: a client that trickles makes room for them. */
  yieldSlot(attempt: Attempt, now: number): boolean {
    const { isComplete, receivedBytes } = this.#request;
    if (attempt !== this.pair.attempt || isComplete || this.#relay.hasBegun) return false;
    if (!isSlowUpload(receivedBytes, now - attempt.startedAt)) return false;
    this.#relay.clientStalled();
    return true;
  }

  /** As if the upstream had closed, but without its blame for a kept connection: the same attempt must not go on there. */
  abort(attempt: Attempt, failed?: Failure): void {
    this.pair.switchTo(attempt);
    const { tunnel, hasBegun } = this.#relay;
    if (tunnel) return tunnel.upstreamClosed(new Error(abortDetail));
    const upstream = this.pair.upstream;
    this.pair.upstream = undefined;
    upstream?.abort();
    this.failed(failed ?? abortFailure(hasBegun));
  }

  #log(loss: Parameters<typeof logFailedAttempt>[2]): void {
    logFailedAttempt(this.#plane.setting.log, this.#request, loss);
  }
}
