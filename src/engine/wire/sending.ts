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
  readonly carrier: GuardedDriver;
  readonly legs = new AttemptPair();
  #isHedged = false;
  /** Ends the wait for what a rehearsal has in store. */
  #cancelPlay: Cancel | undefined;

  constructor(plane: WireContext, exchange: Exchange, relay: RequestForwarder) {
    this.#plane = plane;
    this.#exchange = exchange;
    this.#relay = relay;
    this.#request = relay.request;
    this.carrier = new GuardedDriver(this, relay, plane.setting.log);
  }

  /** The connection that the request went to, while its answer is awaited or passed on. */
  get upstream(): UpstreamConnection | undefined {
    return this.legs.upstream;
  }

  get timeouts() {
    const { destination } = this.#exchange;
    if (!destination) throw new Error("Cannot tell the timeouts: the exchange has no destination");
    return destination.timeouts;
  }

  follow(step: Attempt | Refusal | Wait): void {
    if (step.kind === "refusal") return this.#relay.refused(step);
    if (step.kind === "wait") return this.#exchange.park(this.carrier);
    if (this.legs.resume(step)) return this.upstream?.resume();
    this.legs.attempt = step;
    step.carrier = this.carrier;
    if (step.staged) return void (this.#cancelPlay = holdAttempt(step, step.staged, this.#relay));
    const idle = this.#plane.laneOf(step.upstream).take();
    if (!idle) return this.#connect(step);
    this.legs.upstream = idle;
    idle.beginFor(this.#relay);
    this.opened(idle, false);
  }

  #connect(attempt: Attempt): void {
    const lane = this.#plane.laneOf(attempt.upstream);
    if (!lane.mayConnect)
      return this.failed(failure("connect", "connect_timeout", "earlier connects still hang"));
    this.legs.upstream = lane.connect();
    this.legs.upstream.connectFor(this.#relay, this.timeouts.connectMs);
  }

  /** A second attempt beside the one that waits; not while the body still comes, which goes over one connection. */
  hedge(attempt: Attempt): void {
    const request = this.#request;
    const isAlone = attempt === this.legs.attempt && !this.legs.isPair && !this.#relay.hasBegun;
    if (!isAlone || !request.isComplete || request.upgrades) return;
    this.#exchange.isReplayable = request.bytes.isWhole;
    const step = this.#exchange.hedge();
    if (!step) return;
    this.#isHedged = true;
    this.legs.setAside();
    this.follow(step);
  }

  /** The present attempt's answer goes to the client: nobody waits for the other one any more. */
  win(): void {
    if (!this.#isHedged || !this.legs.attempt) return;
    this.#isHedged = false;
    this.#exchange.won(this.legs.attempt);
    this.legs.dropOther();
  }

  /** The connection is open: all that came of the request so far goes out. */
  opened(upstream: UpstreamConnection, isFresh = true): void {
    this.legs.hearFrom(upstream);
    if (isFresh) this.legs.attempt?.connected();
    const { bytes } = this.#request;
    const isOut = upstream.write(bytes.bytes, 0, bytes.length);
    if (bytes.length > maxReplayBytes) this.#request.letGoOfBody();
    return isOut ? this.flushed(upstream) : this.#waitFor(upstream);
  }

  /** bytes[from..to) more of the request's body. */
  send(bytes: Buffer, from: number, to: number): void {
    const upstream = this.legs.upstream;
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
    this.legs.attempt?.upstreamTurn();
    upstream.expectWithin(this.timeouts.bodyIdleMs);
  }

  /** The upstream took all that was sent. */
  flushed(upstream: UpstreamConnection): void {
    this.legs.hearFrom(upstream);
    if (this.#request.isComplete) {
      this.legs.attempt?.upstreamTurn();
      upstream.expectWithin(this.timeouts.headMs);
    } else {
      this.legs.attempt?.clientTurn();
      upstream.expectNothing();
      this.#relay.client?.resume();
    }
  }

  /** The final answer's head has come. */
  head(status: number): void {
    this.legs.attempt?.head(status);
  }

  /**
   * After `head`: whether this answer goes to the client, or the exchange wants another one. Then the attempt has ended,
   * and the next one waits for `follow`.
   */
  answered(status: number, detail?: string): Attempt | "pass" {
    this.#exchange.isReplayable = this.#request.bytes.isWhole;
    const upstream = this.legs.attempt?.upstream.id ?? "";
    const step = this.#exchange.answered(status);
    if (step !== "pass") this.#log({ upstream, how: status, detail, next: step });
    return step;
  }

  /** The attempt is over; the upstream's connection looks after itself. */
  end(outcome: Outcome): void {
    const { attempt } = this.legs;
    this.legs.attempt = undefined;
    this.legs.upstream = undefined;
    this.#cancelPlay?.();
    this.#cancelPlay = undefined;
    attempt?.end(outcome);
  }

  /** Nobody wants the answer any more, and nobody is to blame. */
  cancel(): void {
    const upstream = this.legs.upstream;
    this.end(cancelled);
    upstream?.abort();
    this.legs.dropOther();
  }

  /** The attempt is lost: another one, an answer of our own, or a reset. No bug on the way may leave the client waiting. */
  failed(failed: Failure, from?: UpstreamConnection): void {
    this.carrier.run(() => this.#goOnAfter(failed, from));
  }

  #goOnAfter(failed: Failure, from: UpstreamConnection | undefined): void {
    if (from) this.legs.hearFrom(from);
    const upstream = this.legs.upstream;
    const attempt = this.legs.attempt;
    this.legs.upstream = undefined;
    if (!attempt) return;
    if (upstream && isStaleConnection(upstream, failed, this.#request)) return this.#connect(attempt);
    const loss = { upstream: attempt.upstream.id, how: failed };
    this.end(failed);
    if (this.#relay.hasBegun) {
      this.#log({ ...loss, next: undefined });
      return this.#relay.cut();
    }
    this.#exchange.isReplayable = this.#request.bytes.isWhole;
    const step = this.#exchange.again(failed);
    this.#log({ ...loss, next: step });
    this.follow(step);
  }

  /** Its upstream was found down: the request goes elsewhere if it may, and its connection is of no use any more. */
  rescue(attempt: Attempt): void {
    this.legs.turnTo(attempt);
    if (!this.legs.attempt || this.#relay.hasBegun) return;
    const upstream = this.legs.upstream;
    const loss = { upstream: attempt.upstream.id, how: rescued };
    this.#exchange.isReplayable = this.#request.bytes.isWhole;
    const next = this.#exchange.rescue(attempt);
    if (!next) return;
    this.legs.upstream = undefined;
    upstream?.abort();
    this.#log({ ...loss, next });
    this.follow(next);
  }

  /** Others wait: a client that trickles makes room for them. */
  giveWay(attempt: Attempt, now: number): boolean {
    const { isComplete, receivedBytes } = this.#request;
    if (attempt !== this.legs.attempt || isComplete || this.#relay.hasBegun) return false;
    if (!isSlowUpload(receivedBytes, now - attempt.startedAt)) return false;
    this.#relay.clientStalled();
    return true;
  }

  /** As if the upstream had closed, but without its blame for a kept connection: the same attempt must not go on there. */
  cut(attempt: Attempt, failed?: Failure): void {
    this.legs.turnTo(attempt);
    const { tunnel, hasBegun } = this.#relay;
    if (tunnel) return tunnel.upstreamClosed(new Error(abortDetail));
    const upstream = this.legs.upstream;
    this.legs.upstream = undefined;
    upstream?.abort();
    this.failed(failed ?? abortFailure(hasBegun));
  }

  #log(loss: Parameters<typeof logFailedAttempt>[2]): void {
    logFailedAttempt(this.#plane.setting.log, this.#request, loss);
  }
}
