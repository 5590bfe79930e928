/** A plain socket of Bun to an upstream that is read in small pieces: what the client does not take waits in memory. */

import { readFileSync, readSync } from "node:fs";

import { toError } from "../../lib/bugs.ts";
import { afterEvents, freezeClock, thawClock } from "../../lib/clock.ts";
import type { ConnectHandler, WireSocket } from "./sockets.ts";

/** What a reader that stalls leaves in memory. Smaller pieces cost more system calls. */
export const pieceBytes = 131_072;

/** What is read in a row, about as much as by Bun itself. Then other connections get their turn. */
const maxBytesInTurn = 4_194_304;

/** Shared, because a piece is only valid during the call that receives it. */
const piece = Buffer.allocUnsafeSlow(pieceBytes);

/** Bun's types lack the descriptor (Bun 1.4.5). */
type PlainSocket = Bun.Socket<BunUpstreamSocket> & { readonly fd?: number };

/**
 * Bun reads up to 512 KiB at once, and has no setting for it. So after a large read, and when a paused connection resumes,
 * this reads the rest from the descriptor itself, in pieces, until the client takes no more or nothing is left.
 * ```
 *             ┌──small read──┐
 *             ▼              │
 *  Bun reads ─┴─large read─▶ pieces ──nothing left──▶ Bun reads
 *                             │  ▲
 *                pause (client) └─┴─ resume; the next turn
 * ```
 * Bun alone sees the end of the stream. Where the descriptor cannot be used, Bun reads all.
 */
export class BunUpstreamSocket implements WireSocket {
  data: ConnectHandler;
  /** Set by `opened`, which precedes all else. */
  #socket!: PlainSocket;
  /** Whether the descriptor can be read. */
  #readsPieces = false;
  /** Whether the engine wants nothing more. Bun follows at the end of a read. */
  #isPaused = false;
  #isBunPaused = false;
  /** Whether the next pieces are read in a later turn. */
  #isQueued = false;
  #isReading = false;
  #isOpen = true;
  #readError: Error | undefined;

  constructor(handler: ConnectHandler) {
    this.data = handler;
  }

  opened(socket: PlainSocket): void {
    this.#socket = socket;
    const { fd = -1 } = socket;
    this.#readsPieces = fd >= 0 && readsWithoutWaiting(fd);
    this.data.opened(this);
  }

  received(chunk: Buffer): void {
    if (chunk.length < pieceBytes || !this.#readsPieces) return this.data.received(chunk);
    this.#read(chunk);
  }

  /** @param first what Bun has read */
  #read(first?: Buffer): void {
    this.#isReading = true;
    try {
      if (first) this.data.received(first);
      this.#readPieces();
    } finally {
      this.#isReading = false;
      this.#tellBun();
    }
  }

  #readPieces(): void {
    for (let bytes = 0; this.#isOpen && !this.#isPaused; bytes += pieceBytes) {
      if (bytes === maxBytesInTurn) return this.#queue(afterEvents);
      const count = this.#readPiece();
      if (count > 0) this.data.received(piece.subarray(0, count));
      if (count < pieceBytes) return;
    }
  }

  /** @param schedule calls what it gets later */
  #queue(schedule: (task: () => void) => void): void {
    this.#isQueued = true;
    schedule(() => this.#readOn());
  }

  #readOn(): void {
    this.#isQueued = false;
    freezeClock();
    try {
      this.#read();
    } catch (error) {
      this.data.handlerThrew(toError(error));
    } finally {
      thawClock();
    }
  }

  /** @returns 0 if nothing has arrived, or at the end of the stream */
  #readPiece(): number {
    // Negative as soon as Bun has closed the socket: the system may have given the number to another one.
    const { fd = -1 } = this.#socket;
    if (fd < 0) return 0;
    try {
      return readSync(fd, piece, 0, pieceBytes, null);
    } catch (error) {
      if (!isTryAgain(error)) this.#failed(toError(error));
      return 0;
    }
  }

  /** Bun does not get an error that this read got: it would take the stream for ended. */
  #failed(error: Error): void {
    this.#readError = error;
    this.terminate();
  }

  #tellBun(): void {
    const pauses = this.#isPaused || this.#isQueued;
    if (pauses === this.#isBunPaused || !this.#isOpen) return;
    this.#isBunPaused = pauses;
    if (pauses) this.#socket.pause();
    else this.#socket.resume();
  }

  pause(): void {
    this.#isPaused = true;
    if (!this.#isReading) this.#tellBun();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#isReading || this.#isQueued || !this.#isBunPaused) return;
    // Not within the engine's own call.
    if (this.#readsPieces) this.#queue(queueMicrotask);
    else this.#tellBun();
  }

  closed(error: Error | undefined): void {
    this.#isOpen = false;
    this.data.closed(error ?? this.#readError);
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    return this.#socket.write(bytes, offset, length);
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }

  get localAddress(): string | undefined {
    return this.#socket.localAddress;
  }

  get localPort(): number | undefined {
    return this.#socket.localPort;
  }

  shutdown(): void {
    this.#socket.shutdown();
  }

  end(): void {
    this.#isOpen = false;
    this.#socket.end();
  }

  terminate(): void {
    this.#isOpen = false;
    this.#socket.terminate();
  }
}

function isTryAgain(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}

/** O_NONBLOCK of Linux, among the octal flags of a descriptor. */
const nonBlockingFlag = 0o4000;
let nonBlocking: boolean | undefined;

/** Whether a read of an empty socket returns at once: else it would stop the process. Bun opens all sockets alike. */
function readsWithoutWaiting(descriptor: number): boolean {
  return (nonBlocking ??= isNonBlocking(descriptor));
}

function isNonBlocking(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & nonBlockingFlag) !== 0;
  } catch {
    // Only Linux tells.
    return false;
  }
}
