/** Checks that memory stays flat: samples of a process's resident size, grouped in windows, and a verdict. */

import { readdirSync, readFileSync } from "node:fs";

export interface Sample {
  /** Seconds since the start. */
  readonly atSeconds: number;
  readonly rssBytes: number;
  /** Open files: leaked sockets show here first. */
  readonly files: number;
}

/** Reads a process's memory and open files from /proc; undefined when the process has ended. */
export function sampleOf(pid: number, atSeconds: number): Sample | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return { atSeconds, rssBytes: Number(kib) * 1_024, files: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return undefined;
  }
}

/** A time window with the medians of its samples. */
export interface Window {
  readonly fromSeconds: number;
  readonly toSeconds: number;
  readonly rssBytes: number;
  readonly files: number;
}

export interface Verdict {
  readonly isFlat: boolean;
  /** The median of the second half of the windows after the warm-up minus that of the first half. */
  readonly grownBytes: number;
  readonly allowedBytes: number;
}

/** The share of the time that is ignored: caches fill, code is compiled, garbage collection settles. */
export const warmUpShare = 1 / 3;
/** Growth that two garbage collections may differ by. */
const minAllowedBytes = 8 * 2 ** 20;
const allowedShare = 0.08;

/** Splits the samples into `count` windows of equal length, each with the medians of its samples. */
export function windowsOf(samples: readonly Sample[], count: number): readonly Window[] {
  const end = samples.at(-1)?.atSeconds ?? 0;
  return Array.from({ length: count }, (_, index) => {
    const [fromSeconds, toSeconds] = [(end * index) / count, (end * (index + 1)) / count];
    const inside = samples.filter(({ atSeconds }) => atSeconds >= fromSeconds && atSeconds <= toSeconds);
    return {
      fromSeconds,
      toSeconds,
      rssBytes: median(inside.map(({ rssBytes }) => rssBytes)),
      files: median(inside.map(({ files }) => files)),
    };
  });
}

/** Memory is flat if its growth from the first to the second half after the warm-up stays within the allowance. */
export function verdictOn(windows: readonly Window[]): Verdict {
  const warm = windows.slice(Math.floor(windows.length * warmUpShare));
  const half = Math.floor(warm.length / 2);
  const sizeOf = (some: readonly Window[]) => median(some.map(({ rssBytes }) => rssBytes));
  const [first, last] = [sizeOf(warm.slice(0, half)), sizeOf(warm.slice(half))];
  const grownBytes = last - first;
  const allowedBytes = Math.max(minAllowedBytes, first * allowedShare);
  return { isFlat: grownBytes <= allowedBytes, grownBytes, allowedBytes };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}
