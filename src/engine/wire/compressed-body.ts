/** The body of a response that is compressed on its way to the client, in chunks. */

import { BodyCompressor, type CompressorSink } from "../../filter/body-compressor.ts";
import type { CompressionPlan } from "../../proxy/compression.ts";
import type { Connection } from "./connection.ts";
import { latin1 } from "./http1/bytes.ts";
import { ChunkedDecoder } from "./http1/body.ts";

/** What the forwarder does when the compression goes on. */
export interface CompressedBodyOwner {
  /** The upstream may send more. */
  compressorDrained(): void;
  /** The client has not taken the last chunk yet. */
  clientBlocked(): void;
  /** The client has been sent the whole response. */
  compressedBodyEnded(): void;
  /** Also for a compression that fails: the client must not take the body for whole. */
  reportBug(error: unknown): void;
}

const lineEnd = latin1("\r\n");
const lastChunk = latin1("0\r\n\r\n");

export class CompressedBody implements CompressorSink {
  readonly #client: Connection;
  readonly #owner: CompressedBodyOwner;
  readonly #compressor: BodyCompressor;
  /** Removes the upstream's chunk framing. */
  readonly #dechunker: ChunkedDecoder | undefined;

  /** @param isChunked whether the body comes in chunks */
  constructor(client: Connection, plan: CompressionPlan, isChunked: boolean, owner: CompressedBodyOwner) {
    this.#client = client;
    this.#owner = owner;
    this.#compressor = new BodyCompressor(plan, this);
    this.#dechunker = isChunked ? new ChunkedDecoder() : undefined;
    this.#dechunker?.begin();
  }

  /** @returns false if the upstream should pause until `compressorDrained` */
  write(piece: Buffer): boolean {
    if (!this.#dechunker) return this.#compressor.write(piece);
    // Moves the data together in place, as for a client of HTTP/1.0. Trailers end here.
    let length = 0;
    this.#dechunker.decode(piece, 0, piece.length, (bytes, from, to) => {
      bytes.copyWithin(length, from, to);
      length += to - from;
    });
    return this.#compressor.write(piece.subarray(0, length));
  }

  end(): void {
    this.#compressor.end();
  }

  clientFlushed(): void {
    this.#compressor.resume();
  }

  /** The client has left, or gets no more. */
  destroy(): void {
    this.#compressor.destroy();
  }

  compressedPiece(piece: Buffer): void {
    this.#guarded(() => {
      const size = latin1(`${piece.length.toString(16)}\r\n`);
      if (this.#client.writeAll(Buffer.concat([size, piece, lineEnd]))) return;
      this.#compressor.pause();
      this.#owner.clientBlocked();
    });
  }

  inputDrained(): void {
    this.#guarded(() => this.#owner.compressorDrained());
  }

  compressionEnded(): void {
    this.#guarded(() => {
      this.#client.writeAll(lastChunk);
      this.#owner.compressedBodyEnded();
    });
  }

  compressionFailed(error: Error): void {
    this.#owner.reportBug(error);
  }

  /** No event of a socket is under way: a bug here must not leave the client waiting. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (bug) {
      this.#owner.reportBug(bug);
    }
  }
}
