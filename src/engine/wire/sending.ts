/** The attempts of a relay: finds a connection, sends the request on it, and asks the exchange again when that fails. */

import { type Cancel, systemSchedule } from "../../lib/clock.ts";
import type { Attempt, Carrier } from "../../pool/attempt.ts";
import { cancelled, type Failure, failure, type Outcome, rescued } from "../../pool/outcome.ts";
import { rehearsalDetail, type Staged, withinTime } from "../../pool/rehearsal.ts";
import type { Exchange, Parked, Wait } from "../../proxy/exchange.ts";
import type { Refusal } from "../../proxy/refusal.ts";
import { answerForShow } from "../../proxy/rehearsed.ts";
import { isIdempotent } from "../../proxy/retry.ts";
import { logAnswered, logFailed } from "./fault-lines.ts";
import type { Plane } from "./plane.ts";
import type { Relay } from "./relay.ts";
import type { RelayedRequest } from "./relayed-request.ts";
import { maxReplayBytes } from "./request-bytes.ts";
import type { UpstreamConnection } from "./upstream-connection.ts";

const cutDetail = "cut by the operator";

/**
 * ```
 *  follow ─┬─▶ idle connection ─────────────▶ sent ──▶ answered
 *          │        │ was stale                │ failed
 *          ├─▶ connect ──opened──▶ sent        ▼
 *          │        └──────failed──────▶ exchange.again ─▶ follow …
 *          ├─▶ wait ──resume──▶ follow …
 *          ├─▶ a rehearsal ──delay──▶ as above, or failed
 *          └─▶ refusal             (waiting, its upstream found down) ──rescue──▶ follow …
 * ```
 */
export class Sending implements Carrier, Parked {
  readonly #plane: Plane;
  readonly #exchange: Exchange;
  readonly #request: RelayedRequest;
  readonly #relay: Relay;
  #attempt: Attempt | undefined;
  #upstream: UpstreamConnection | undefined;
  #cancelPlay: Cancel | undefined;

  constructor(plane: Plane, exchange: Exchange, relay: Relay) {
    this.#plane = plane;
    this.#exchange = exchange;
    this.#relay = relay;
    this.#request = relay.request;
  }

  /** The connection that the request went to, while its answer is awaited or passed on. */
  get upstream(): UpstreamConnection | undefined {
    return this.#upstream;
  }

  get timeouts() {
    const { destination } = this.#exchange;
    if (!destination) throw new Error("Cannot tell the timeouts: the exchange has no destination");
    return destination.timeouts;
  }

  follow(step: Attempt | Refusal | Wait): void {
    if (step.kind === "refusal") return this.#relay.refused(step);
    if (step.kind === "wait") return this.#exchange.park(this);
    this.#attempt = step;
    step.carrier = this;
    if (step.staged) return this.#play(step, withinTime(step.staged, this.timeouts.headMs));
    this.#send(step);
  }

  #send(step: Attempt): void {
    const idle = this.#plane.laneOf(step.upstream).take();
    if (!idle) return this.#connect(step);
    this.#upstream = idle;
    idle.beginFor(this.#relay);
    this.opened();
  }

  resume(step: Attempt | Refusal): void {
    this.follow(step);
  }

  /** What is played on the upstream, before or instead of sending. Meanwhile it waits as if for a connection. */
  #play(step: Attempt, { delayMs, end }: Staged): void {
    this.#cancelPlay = systemSchedule(delayMs, () => {
      this.#cancelPlay = undefined;
      if (!end) return this.#send(step);
      if (end.kind === "failure") return this.failed(end);
      this.#exchange.isReplayable = this.#request.bytes.isWhole;
      this.#attempt = undefined;
      const where = step.upstream.id;
      const next = answerForShow(this.#exchange, step, end.status);
      const answered = { upstream: where, status: end.status, detail: rehearsalDetail };
      const { log } = this.#plane.setting;
      if (next.kind === "attempt") logAnswered(log, this.#request, { ...answered, next });
      this.follow(next);
    });
  }

  #stopPlay(): void {
    this.#cancelPlay?.();
    this.#cancelPlay = undefined;
  }

  #connect(attempt: Attempt): void {
    const lane = this.#plane.laneOf(attempt.upstream);
    if (!lane.mayConnect)
      return this.failed(failure("connect", "connect_timeout", "earlier connects still hang"));
    this.#upstream = lane.connect();
    this.#upstream.connectFor(this.#relay, this.timeouts.connectMs);
  }

  /** The connection is open: all that came of the request so far goes out. */
  opened(): void {
    const upstream = this.#upstream;
    if (!upstream) return;
    const { bytes } = this.#request;
    const isOut = upstream.write(bytes.bytes, 0, bytes.length);
    if (bytes.length > maxReplayBytes) bytes.isWhole = false;
    if (isOut) this.flushed();
    else this.#waitFor(upstream);
  }

  /** bytes[from..to) more of the request's body. */
  send(bytes: Buffer, from: number, to: number): void {
    const upstream = this.#upstream;
    const request = this.#request;
    if (!upstream?.isOpen) {
      request.bytes.append(bytes, from, to);
      if (request.bytes.length > maxReplayBytes) this.#relay.client?.pause();
      return;
    }
    request.bytes.keep(bytes, from, to);
    if (!upstream.write(bytes, from, to)) this.#waitFor(upstream);
    else if (request.isComplete) {
      this.#attempt?.upstreamTurn();
      upstream.expectWithin(this.timeouts.headMs);
    }
  }

  #waitFor(upstream: UpstreamConnection): void {
    this.#relay.client?.pause();
    this.#attempt?.upstreamTurn();
    upstream.expectWithin(this.timeouts.bodyIdleMs);
  }

  /** The upstream took all that was sent. */
  flushed(): void {
    if (this.#request.isComplete) {
      this.#attempt?.upstreamTurn();
      this.#upstream?.expectWithin(this.timeouts.headMs);
    } else {
      this.#attempt?.clientTurn();
      this.#upstream?.expectNothing();
      this.#relay.client?.resume();
    }
  }

  /** The final answer's head has come. */
  head(status: number): void {
    this.#attempt?.head(status);
  }

  /**
   * After `head`: whether this answer goes to the client, or the exchange wants another one. Then the attempt has ended,
   * and the next one waits for `follow`.
   */
  answered(status: number): Attempt | "pass" {
    this.#exchange.isReplayable = this.#request.bytes.isWhole;
    const where = this.#attempt?.upstream.id;
    const step = this.#exchange.answered(status);
    const { log } = this.#plane.setting;
    if (step !== "pass") logAnswered(log, this.#request, { upstream: where, status, next: step });
    return step;
  }

  /** The attempt is over; the upstream's connection looks after itself. */
  end(outcome: Outcome): void {
    this.#stopPlay();
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#upstream = undefined;
    attempt?.end(outcome);
  }

  /** Nobody wants the answer any more, and nobody is to blame. */
  cancel(): void {
    const upstream = this.#upstream;
    this.end(cancelled);
    upstream?.abort();
  }

  /** The attempt is lost; another one, or an answer of our own, or no way to say so but a reset. */
  failed(failed: Failure): void {
    const upstream = this.#upstream;
    const attempt = this.#attempt;
    this.#upstream = undefined;
    if (!attempt) return;
    if (upstream && this.#isStale(upstream, failed)) return this.#connect(attempt);
    const where = attempt.upstream.id;
    this.end(failed);
    if (this.#relay.hasBegun) {
      this.#log(where, failed, { notRetried: "answer_begun" });
      return this.#relay.cut();
    }
    this.#exchange.isReplayable = this.#request.bytes.isWhole;
    const step = this.#exchange.again(failed);
    const isAttempt = step.kind === "attempt";
    this.#log(where, failed, isAttempt ? { retriedOn: step.upstream.id } : { notRetried: step.notRetried });
    this.follow(step);
  }

  /** Its upstream was found down: the request goes elsewhere if it may, and its connection is of no use any more. */
  rescue(): void {
    const attempt = this.#attempt;
    if (!attempt || this.#relay.hasBegun) return;
    const upstream = this.#upstream;
    const where = attempt.upstream.id;
    this.#exchange.isReplayable = this.#request.bytes.isWhole;
    const step = this.#exchange.rescue();
    if (!step) return;
    this.#stopPlay();
    this.#upstream = undefined;
    upstream?.abort();
    this.#log(where, rescued, { retriedOn: step.upstream.id });
    this.follow(step);
  }

  /** As if the upstream had closed, but without its blame for a kept connection: the same attempt must not go on there. */
  cut(): void {
    const { tunnel, hasBegun } = this.#relay;
    if (tunnel) return tunnel.upstreamClosed(new Error(cutDetail));
    const upstream = this.#upstream;
    this.#upstream = undefined;
    upstream?.abort();
    this.failed(
      hasBegun ? failure("body", "body_truncated", cutDetail) : failure("head", "upstream_reset", cutDetail),
    );
  }

  /**
   * A kept connection that the upstream closed before it answered anything failed because it was idle, not because
   * of the upstream: the same attempt goes on with a fresh one. What may have been processed is not sent again
   * (RFC 9112 section 9.3.1).
   */
  #isStale(upstream: UpstreamConnection, failed: Failure): boolean {
    const isCut = upstream.isReused && !upstream.hasAnswered && failed.reason === "upstream_reset";
    return isCut && this.#request.bytes.isWhole && isIdempotent(this.#request.view.method);
  }

  #log(upstream: string, failed: Failure, followed: Readonly<Record<string, unknown>>): void {
    logFailed(this.#plane.setting.log, this.#request, { ...failed, upstream, followed });
  }
}
