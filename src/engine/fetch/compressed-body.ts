/** Bodies of responses that are compressed on their way to the client, as the standard fetch types have them. */

import { BodyCompressor } from "../../filter/body-compressor.ts";
import type { CompressibleResponse, CompressionPlan } from "../../proxy/compression.ts";
import type { UpstreamResponse } from "./forward.ts";

/** An upstream's response as the decision reads it: most requests have no filter that asks. */
export class CompressibleHead implements CompressibleResponse {
  readonly #response: UpstreamResponse;

  constructor(response: UpstreamResponse) {
    this.#response = response;
  }

  get status(): number {
    return this.#response.status;
  }

  get bodyBytes(): number | undefined {
    const { headers } = this.#response;
    const length = headers.has("transfer-encoding") ? null : headers.get("content-length");
    return length === null ? undefined : Number.parseInt(length, 10);
  }

  header(name: string): string | undefined {
    return this.#response.headers.get(name) ?? undefined;
  }
}

/** A small body, compressed at once. */
export async function compressedBytes(
  bytes: ArrayBuffer | Uint8Array<ArrayBuffer>,
  plan: CompressionPlan,
): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  await new Promise<void>((resolve, reject) => {
    const compressor = new BodyCompressor(plan, {
      compressedPiece: (piece) => void pieces.push(piece),
      inputDrained() {},
      compressionEnded: resolve,
      compressionFailed: reject,
    });
    compressor.write(new Uint8Array(bytes));
    compressor.end();
  });
  return new Uint8Array(Buffer.concat(pieces));
}

/** A body as it arrives: read from the source no faster than the reader takes the result. */
export function compressedStream(
  source: ReadableStream<Uint8Array>,
  plan: CompressionPlan,
): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  let compressor: BodyCompressor | undefined;
  let drained = Promise.withResolvers<void>();
  const pump = async (target: BodyCompressor) => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return target.end();
      if (target.write(value)) continue;
      await drained.promise;
      drained = Promise.withResolvers<void>();
    }
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const created = new BodyCompressor(plan, {
          compressedPiece(piece) {
            created.pause();
            controller.enqueue(piece);
          },
          inputDrained: () => drained.resolve(),
          compressionEnded: () => controller.close(),
          compressionFailed: (error) => controller.error(error),
        });
        compressor = created;
        created.pause();
        pump(created).catch((error: unknown) => {
          created.destroy();
          controller.error(error);
        });
      },
      pull: () => compressor?.resume(),
      async cancel(reason) {
        compressor?.destroy();
        drained.resolve();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
