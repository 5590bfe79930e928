/** Base of client and upstream connections: a socket, the queue of bytes that it has not taken yet, and a deadline. */

import type { SocketHandler, WireSocket } from "./sockets.ts";
import { TimerEntry } from "../../lib/timer-wheel.ts";

/**
 * ```
 *  write ──socket takes all──────────────▶ flushed
 *    └──takes a part──▶ queue ──drained──▶ flushed()
 *  shutdownWrite: FIN as soon as the queue is empty
 * ```
 */
export abstract class Connection extends TimerEntry implements SocketHandler {
  #socket: WireSocket | undefined;
  #queue: Buffer[] | undefined;
  #shutsDown = false;
  #isPaused = false;
  isClosed = false;
  /** Bytes passed to `write` since the connection was opened. */
  writtenBytes = 0;

  opened(socket: WireSocket): void {
    this.#socket = socket;
  }

  abstract received(chunk: Buffer): void;
  abstract ended(): void;
  abstract closed(error: Error | undefined): void;

  /** Called when the queue becomes empty. */
  protected abstract flushed(): void;
  /** Called when the system took a part of the queue. */
  protected abstract progressed(): void;

  protected get socket(): WireSocket | undefined {
    return this.#socket;
  }

  get isFlushed(): boolean {
    return this.#queue === undefined;
  }

  /** Bytes that the system has taken since the connection was opened. */
  get takenBytes(): number {
    return this.writtenBytes - (this.#queue ?? []).reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * Sends bytes[from..to) after what is queued. Copies what the system does not take.
   * @returns false if bytes are queued: the source should pause until `flushed`
   */
  write(bytes: Uint8Array, from: number, to: number): boolean {
    if (this.isClosed || from === to) return true;
    this.writtenBytes += to - from;
    let start = from;
    if (this.#queue === undefined) {
      const taken = this.#socket?.write(bytes, from, to - from) ?? -1;
      if (taken === to - from || taken < 0) return true;
      start += taken;
    }
    (this.#queue ??= []).push(Buffer.from(bytes.subarray(start, to)));
    return false;
  }

  /** As `write`; `shutdownWrite` or `close` must follow at once. */
  writeLast(bytes: Uint8Array, from: number, to: number): boolean {
    return this.write(bytes, from, to);
  }

  writeAll(bytes: Uint8Array): boolean {
    return this.write(bytes, 0, bytes.length);
  }

  drained(): void {
    if (this.#queue === undefined) return;
    for (;;) {
      const first = this.#queue[0];
      if (first === undefined) break;
      const taken = this.#socket?.write(first, 0, first.length) ?? -1;
      if (taken < 0) return;
      if (taken < first.length) {
        this.#queue[0] = first.subarray(taken);
        return taken > 0 ? this.progressed() : undefined;
      }
      this.#queue.shift();
    }
    this.#queue = undefined;
    if (this.#shutsDown) this.#socket?.shutdown();
    this.flushed();
  }

  /** Tells the socket that a whole response follows to a request that is not wanted. */
  holdResponse(): void {
    this.#socket?.holdResponse?.();
  }

  /** Sends FIN after the queue. Reading continues. */
  shutdownWrite(): void {
    if (this.#shutsDown) return;
    this.#shutsDown = true;
    if (this.#queue === undefined) this.#socket?.shutdown();
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket?.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket?.resume();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Closes without waiting for the queue. */
  close(): void {
    this.#socket?.end();
  }

  /** Closes with RST. */
  terminate(): void {
    this.#socket?.terminate();
  }
}
