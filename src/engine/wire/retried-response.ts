/** A response whose status is retried: kept until another attempt's response replaces it, or it goes to the client after all. */

import type { Timeouts } from "../../proxy/route.ts";
import { smallPieceBytes } from "./context.ts";
import type { HeadLimits } from "./http1/head-limits.ts";
import { ParsedResponse, type ResponseExpectation } from "./http1/response-reader.ts";
import type { ConnectionSink, ConnectionUser, UpstreamConnection } from "./upstream-connection.ts";

export interface RetriedResponseOptions {
  /** What it was read with; it is read again when it goes to the client. */
  readonly expectation: ResponseExpectation;
  readonly limits: HeadLimits;
  readonly timeouts: Timeouts;
  /** Its connection, unless the response is whole. */
  readonly connection: UpstreamConnection | undefined;
  readonly reportBug: (error: unknown) => void;
}

/**
 * ```
 *  collecting ──complete──▶ whole ──release──▶ gone
 *    │  └──64 KiB──▶ paused ──release, the rest follows──▶ gone
 *    └──connection failed──▶ broken
 * ```
 * The status is retried when its head has arrived, however many pieces the body comes in. A body that is longer than what we
 * keep waits in its connection, so that the client can get all of it whichever way the retry ends.
 */
export class RetriedResponse implements ConnectionUser, ConnectionSink {
  readonly #options: RetriedResponseOptions;
  readonly request = { isHead: false, upgrades: false, isComplete: true, opensWebSocket: false };
  readonly tunnel = undefined;
  readonly timeouts: Timeouts;
  readonly #pieces: Buffer[];
  #length: number;
  #connection: UpstreamConnection | undefined;
  #isBroken = false;

  /** @param start the head and what has arrived of the body; copied */
  constructor(start: Buffer, options: RetriedResponseOptions) {
    this.#options = options;
    this.timeouts = options.timeouts;
    this.#pieces = [Buffer.from(start)];
    this.#length = start.length;
    this.#connection = options.connection;
    this.#connection?.handOver(this);
    this.#pauseIfFull();
  }

  get sink(): ConnectionSink {
    return this;
  }

  responseBody(piece: Buffer): void {
    this.#pieces.push(Buffer.from(piece));
    this.#length += piece.length;
    this.#pauseIfFull();
  }

  #pauseIfFull(): void {
    if (this.#length > smallPieceBytes) this.#connection?.pause();
  }

  responseComplete(): void {
    this.#connection = undefined;
  }

  connectionFailed(): void {
    this.#connection = undefined;
    this.#isBroken = true;
    this.#pieces.length = 0;
  }

  /**
   * The response for the client, parsed again because only its bytes were kept, and the connection from which its rest comes.
   * Undefined if it broke off meanwhile.
   */
  release():
    { readonly head: ParsedResponse; readonly connection: UpstreamConnection | undefined } | undefined {
    if (this.#isBroken) return undefined;
    const bytes = Buffer.concat(this.#pieces);
    const head = new ParsedResponse(this.#options.limits);
    head.parser.beginResponse(0);
    head.parser.parse(bytes, bytes.length);
    head.validate(bytes, this.#options.expectation);
    const connection = this.#connection;
    this.#connection = undefined;
    return { head, connection };
  }

  /** It is not needed. */
  drop(): void {
    this.#connection?.terminate();
    this.#connection = undefined;
  }

  reportBug(error: unknown): void {
    this.#options.reportBug(error);
  }

  connectionOpened(): void {}
  connectionFlushed(): void {}
  bytesReceived(): void {}
  interim(): void {}
  responseHead(): void {}
  switchProtocols(): void {}
}
