/** An upgraded connection: bytes pass both ways untouched until both sides are done, one breaks, or nobody speaks. */

import { cancelled, failure, type Outcome, completed } from "../../pool/outcome.ts";
import type { Connection } from "./connection.ts";
import { TimerEntry, type TimerWheel } from "./timer-wheel.ts";

export interface TunnelSetting {
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
  readonly #setting: TunnelSetting;
  /** From the client. */
  receivedBytes = 0;
  #clientFinished = false;
  #upstreamFinished = false;
  #isEnded = false;

  constructor(setting: TunnelSetting) {
    super();
    this.#setting = setting;
    setting.wheel.arm(this, setting.idleMs);
  }

  fromClient(bytes: Buffer): void {
    const { client, upstream } = this.#setting;
    this.receivedBytes += bytes.length;
    this.#pass(client, upstream, bytes);
  }

  fromUpstream(bytes: Buffer): void {
    const { client, upstream } = this.#setting;
    this.#pass(upstream, client, bytes);
  }

  #pass(source: Connection, target: Connection, bytes: Buffer): void {
    this.progressed();
    if (!target.write(bytes, 0, bytes.length)) source.pause();
  }

  /** A slow reader took something: nobody is idle. */
  progressed(): void {
    this.#setting.wheel.arm(this, this.#setting.idleMs);
  }

  clientFlushed(): void {
    this.#setting.upstream.resume();
    this.#endIfDone();
  }

  upstreamFlushed(): void {
    this.#setting.client.resume();
    this.#endIfDone();
  }

  clientFinished(): void {
    this.#clientFinished = true;
    this.#setting.upstream.finish();
    this.#endIfDone();
  }

  upstreamFinished(): void {
    this.#upstreamFinished = true;
    this.#setting.client.finish();
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

  override faulted(error: Error): void {
    this.#setting.client.faulted(error);
  }

  #endIfDone(): void {
    const { client, upstream } = this.#setting;
    const isFlushed = client.isFlushed && upstream.isFlushed;
    if (this.#clientFinished && this.#upstreamFinished && isFlushed) this.#end(completed);
  }

  /** Nobody listens to it any more. */
  release(): void {
    this.#isEnded = true;
    this.#setting.wheel.forget(this);
  }

  #end(outcome: Outcome): void {
    if (this.#isEnded) return;
    this.release();
    this.#setting.onEnd(outcome);
  }
}
