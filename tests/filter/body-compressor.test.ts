import { describe, expect, test } from "bun:test";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";

import { BodyCompressor } from "../../src/filter/body-compressor.ts";
import { contentCodings } from "../../src/proxy/compression.ts";
import { until } from "../support/wait.ts";

export const decompress = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };

function collect(coding: keyof typeof decompress) {
  const seen = { pieces: [] as Buffer[], drains: 0, hasEnded: false };
  const compressor = new BodyCompressor(
    { coding, level: 4 },
    {
      compressedPiece: (piece) => void seen.pieces.push(piece),
      inputDrained: () => (seen.drains += 1),
      compressionEnded: () => (seen.hasEnded = true),
      compressionFailed: (error) => {
        throw error;
      },
    },
  );
  const bytes = () => seen.pieces.reduce((sum, { length }) => sum + length, 0);
  return { compressor, seen, bytes };
}

const noise = (length: number) => crypto.getRandomValues(new Uint8Array(length));

describe.each([...contentCodings])("a %s compressor", (coding) => {
  test("compresses what it is given, and copies it", async () => {
    const { compressor, seen } = collect(coding);
    const piece = Buffer.from("hello ".repeat(1_000));
    compressor.write(piece);
    piece.fill(0);
    compressor.write(Buffer.alloc(0));
    compressor.write(Buffer.from("world"));
    compressor.end();
    await until(() => seen.hasEnded, "the end");
    expect(decompress[coding](Buffer.concat(seen.pieces)).toString()).toBe("hello ".repeat(1_000) + "world");
  });

  test("compresses nothing to a valid body", async () => {
    const { compressor, seen } = collect(coding);
    compressor.end();
    await until(() => seen.hasEnded, "the end");
    expect(decompress[coding](Buffer.concat(seen.pieces))).toHaveLength(0);
  });

  test("passes each piece on while the next one has not come", async () => {
    const { compressor, seen, bytes } = collect(coding);
    for (let i = 0; i < 3; i++) {
      const before = bytes();
      compressor.write(Buffer.from(`<p>${i}</p>`));
      await until(() => bytes() > before, "the piece to pass");
    }
    compressor.end();
    await until(() => seen.hasEnded, "the end");
    expect(decompress[coding](Buffer.concat(seen.pieces)).toString()).toBe("<p>0</p><p>1</p><p>2</p>");
  });

  test("takes no more input than a little while its output waits", async () => {
    const { compressor, seen } = collect(coding);
    compressor.pause();
    let written = 0;
    // More than any buffer inside: a compressor that took it all would have no limit.
    while (written < 8_388_608) {
      const piece = noise(65_536);
      written += piece.length;
      if (compressor.write(piece)) continue;
      const { drains } = seen;
      const isDrained = await until(() => seen.drains > drains, "room", 200).then(
        () => true,
        () => false,
      );
      if (!isDrained) break;
    }
    expect(written).toBeLessThan(4_194_304);
    const { drains } = seen;
    compressor.resume();
    await until(() => seen.drains > drains, "the input to go on");
    compressor.end();
    await until(() => seen.hasEnded, "the end");
    expect(decompress[coding](Buffer.concat(seen.pieces))).toHaveLength(written);
  });

  test("calls nothing after it was destroyed", async () => {
    const { compressor, seen } = collect(coding);
    compressor.write(noise(200_000));
    compressor.end();
    compressor.destroy();
    const other = collect(coding);
    other.compressor.write(noise(200_000));
    other.compressor.end();
    await until(() => other.seen.hasEnded, "the other one's end");
    expect([seen.pieces.length, seen.hasEnded]).toEqual([0, false]);
  });
});
