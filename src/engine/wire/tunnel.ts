/** An upgraded connection: bytes pass both ways untouched until both sides are done, one breaks, or nobody speaks. */

import { cancelled, failure, type Outcome, completed } from "../../pool/outcome.ts";
import type { Connection } from "./connection.ts";
import { TimerEntry, type TimerWheel } from "./timer-wheel.ts";

export interface TunnelOptions {
  readonly wheel: TimerWheel;
  readonly idleMs: number;
  readonly client: Connection;
  readonly upstream: Connection;
  /** Called once, when both connections are closed or closing. */
  readonly onEnd: (outcome: Outcome) => void;
}

/**
 * ```
 *            FIN of one side              FIN of the other
 *  open ─────────────────────▶ half open ─────────────────▶ ended
 *    └── a side closes or breaks, or idle for too long ──────▲
 * ```
 * Half open: the FIN went on behind the last byte, the other direction still flows.
 */
export class Tunnel extends TimerEntry {
  readonly #options: TunnelOptions;
  /** From the client. */
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

  /** A slow reader took something: nobody is idle. */
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

  /** Its connection is gone: whoever hears of the end sends the other one the same way. */
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

  /** Nobody listens to it any more. */
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
