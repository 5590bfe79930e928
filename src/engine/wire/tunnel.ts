/** An upgraded connection: passes bytes both ways unchanged until both sides finish, one side closes, or it is idle. */

import { cancelled, completed, failure, type Outcome } from "../../pool/outcome.ts";
import type { Connection } from "./connection.ts";
import { TimerEntry, type TimerWheel } from "../../lib/timer-wheel.ts";

export interface TunnelOptions {
  readonly wheel: TimerWheel;
  readonly idleMs: number;
  readonly client: Connection;
  readonly upstream: Connection;
  /** Called once, at the end of the tunnel. Must close both connections. */
  readonly onEnd: (outcome: Outcome) => void;
}

/**
 * ```
 *            FIN of one side              FIN of the other
 *  open ─────────────────────▶ half open ─────────────────▶ ended
 *    └── a side closes, or no byte for `idleMs` ─────────────▲
 * ```
 * Half open: the FIN was passed on after the last byte, and the other direction still flows.
 */
export class Tunnel extends TimerEntry {
  readonly #options: TunnelOptions;
  /** Bytes received from the client. */
  receivedBytes = 0;
  #clientFinished = false;
  #upstreamFinished = false;
  #isEnded = false;

  constructor(options: TunnelOptions) {
    super();
    this.#options = options;
    options.wheel.arm(this, options.idleMs);
  }

  fromClient(bytes: Buffer): void {
    const { client, upstream } = this.#options;
    this.receivedBytes += bytes.length;
    this.#pass(client, upstream, bytes);
  }

  fromUpstream(bytes: Buffer): void {
    const { client, upstream } = this.#options;
    this.#pass(upstream, client, bytes);
  }

  #pass(source: Connection, target: Connection, bytes: Buffer): void {
    this.progressed();
    if (!target.write(bytes, 0, bytes.length)) source.pause();
  }

  /** A side took queued bytes, so the tunnel is not idle. */
  progressed(): void {
    this.#options.wheel.arm(this, this.#options.idleMs);
  }

  clientFlushed(): void {
    this.#options.upstream.resume();
    this.#endIfDone();
  }

  upstreamFlushed(): void {
    this.#options.client.resume();
    this.#endIfDone();
  }

  clientFinished(): void {
    this.#clientFinished = true;
    this.#options.upstream.shutdownWrite();
    this.#endIfDone();
  }

  upstreamFinished(): void {
    this.#upstreamFinished = true;
    this.#options.client.shutdownWrite();
    this.#endIfDone();
  }

  clientClosed(error: Error | undefined): void {
    this.#end(error ? cancelled : completed);
  }

  upstreamClosed(error: Error | undefined): void {
    this.#end(error ? failure("body", "body_truncated", error.message) : completed);
  }

  override expired(): void {
    this.#end(completed);
  }

  override handlerThrew(error: Error): void {
    this.#options.client.handlerThrew(error);
  }

  #endIfDone(): void {
    const { client, upstream } = this.#options;
    const isFlushed = client.isFlushed && upstream.isFlushed;
    if (this.#clientFinished && this.#upstreamFinished && isFlushed) this.#end(completed);
  }

  /** Ends the tunnel without calling `onEnd`. */
  release(): void {
    this.#isEnded = true;
    this.#options.wheel.forget(this);
  }

  #end(outcome: Outcome): void {
    if (this.#isEnded) return;
    this.release();
    this.#options.onEnd(outcome);
  }
}
