/** Compresses a body piece by piece. Pieces that wait are flushed, so that a streamed page goes on to stream. */

import {
  constants,
  createBrotliCompress,
  createGzip,
  createZstdCompress,
  type BrotliCompress,
  type Gzip,
  type ZstdCompress,
} from "node:zlib";

import type { CompressionPlan } from "../proxy/compression.ts";

/** Receives the output. Called after `write` and `end` have returned, and not after `destroy`. */
export interface CompressorSink {
  compressedPiece(piece: Buffer): void;
  /** The input may go on after `write` returned false. */
  inputDrained(): void;
  /** After the last piece. */
  compressionEnded(): void;
  /** The output ends here, and is not whole. */
  compressionFailed(error: Error): void;
}

/** A window of 512 KiB: with the default ones a few thousand slow clients would fill the memory. */
const windowBits = 19;
const chunkSize = 65_536;

type Compressor = Gzip | BrotliCompress | ZstdCompress;

function createCompressor({ coding, level }: CompressionPlan): Compressor {
  switch (coding) {
    case "gzip":
      return createGzip({ level, chunkSize });
    case "br":
      return createBrotliCompress({
        chunkSize,
        params: {
          [constants.BROTLI_PARAM_QUALITY]: level,
          [constants.BROTLI_PARAM_LGWIN]: windowBits,
        },
      });
    case "zstd":
      return createZstdCompress({
        chunkSize,
        params: {
          [constants.ZSTD_c_compressionLevel]: level,
          [constants.ZSTD_c_windowLog]: windowBits,
        },
      });
  }
}

const flushKinds = {
  gzip: constants.Z_SYNC_FLUSH,
  br: constants.BROTLI_OPERATION_FLUSH,
  zstd: constants.ZSTD_e_flush,
} as const;

/**
 * ```
 *  open ──write──▶ open ──end──▶ ending ──▶ compressionEnded
 *    └──destroy──▶ gone ◀──destroy──┘
 * ```
 * Bounded: where the output is paused, `write` soon returns false.
 */
export class BodyCompressor {
  readonly #stream: Compressor;
  readonly #flushKind: number;
  readonly #sink: CompressorSink;
  #isEnding = false;
  #isBlocked = false;
  #isGone = false;

  constructor(plan: CompressionPlan, sink: CompressorSink) {
    this.#sink = sink;
    this.#flushKind = flushKinds[plan.coding];
    this.#stream = createCompressor(plan);
    this.#stream.on("data", (piece: Buffer) => {
      if (!this.#isGone) sink.compressedPiece(piece);
    });
    this.#stream.on("drain", () => this.#drained());
    this.#stream.on("end", () => {
      if (!this.#isGone) sink.compressionEnded();
    });
    this.#stream.on("error", (error: Error) => {
      if (!this.#isGone) sink.compressionFailed(error);
    });
  }

  /** @param piece copied  @returns false if the source should pause until `inputDrained` */
  write(piece: Uint8Array): boolean {
    if (piece.length === 0) return !this.#isBlocked;
    const takesMore = this.#stream.write(Buffer.from(piece), () => this.#written());
    this.#isBlocked = !takesMore;
    return takesMore;
  }

  end(): void {
    this.#isEnding = true;
    this.#stream.end();
  }

  /** The output waits. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#isGone) this.#stream.resume();
  }

  destroy(): void {
    this.#isGone = true;
    this.#stream.destroy();
  }

  /** No other piece has come: what is buffered must not wait for one. */
  #written(): void {
    if (!this.#isGone && !this.#isEnding && this.#stream.writableLength === 0)
      this.#stream.flush(this.#flushKind);
  }

  #drained(): void {
    if (!this.#isBlocked || this.#isGone) return;
    this.#isBlocked = false;
    this.#sink.inputDrained();
  }
}
