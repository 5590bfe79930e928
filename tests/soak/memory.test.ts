import { expect, test } from "bun:test";

import { type Sample, sampleOf, verdictOn, windowsOf } from "./memory.ts";

const MiB = 2 ** 20;

const samples = (sizeMiB: (second: number) => number): readonly Sample[] =>
  Array.from({ length: 120 }, (_, second) => ({
    atSeconds: second,
    files: 20,
    rssBytes: sizeMiB(second) * MiB,
  }));

const verdict = (sizeMiB: (second: number) => number) => verdictOn(windowsOf(samples(sizeMiB), 12));

test("memory that grows at first and then stays is flat", () => {
  expect(verdict((second) => 60 + 60 * (1 - Math.exp(-second / 12))).isFlat).toBe(true);
});

test("memory that swings with garbage collection is flat", () => {
  expect(verdict((second) => 100 + (second % 9) * 3).isFlat).toBe(true);
});

test("memory that grows by a quarter of a mebibyte a second is not flat", () => {
  const { isFlat, grownBytes } = verdict((second) => 100 + second / 4);
  expect(isFlat).toBe(false);
  expect(Math.round(grownBytes / MiB)).toBe(10);
});

test("a single peak or a single low is ignored", () => {
  expect(verdict((second) => (second === 115 ? 900 : 100)).isFlat).toBe(true);
  expect(verdict((second) => (second === 50 ? 1 : 100)).isFlat).toBe(true);
});

test.if(process.platform === "linux")("a running process has a sample, an ended one has none", () => {
  const sample = sampleOf(process.pid, 1);
  expect(sample?.rssBytes).toBeGreaterThan(10 * MiB);
  expect(sample?.files).toBeGreaterThan(2);
  expect(sampleOf(2 ** 22 + 1, 1)).toBeUndefined();
});
