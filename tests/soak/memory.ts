/** Whether memory stays flat: samples of a process's resident size, put into windows, and a verdict over them. */

import { readdirSync, readFileSync } from "node:fs";

export interface Sample {
  /** Seconds since the start. */
  readonly atSeconds: number;
  readonly rssBytes: number;
  /** Open files: sockets that nobody closes show here first. */
  readonly files: number;
}

/** Reads what Linux tells of a process; undefined when it is gone. */
export function sampleOf(pid: number, atSeconds: number): Sample | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return { atSeconds, rssBytes: Number(kib) * 1_024, files: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return undefined;
  }
}

/** A stretch of time. */
export interface Window {
  readonly fromSeconds: number;
  readonly toSeconds: number;
  readonly rssBytes: number;
  readonly files: number;
}

export interface Verdict {
  readonly isFlat: boolean;
  /** From the median of the first half of the windows after warm-up to that of the second half. */
  readonly grownBytes: number;
  readonly allowedBytes: number;
}

/** So much of the time counts for nothing: caches fill, code is compiled, the collector finds its pace. */
export const warmUpShare = 1 / 3;
/** What may come and go between two collections. */
const minAllowedBytes = 8 * 2 ** 20;
const allowedShare = 0.08;

/** Equal windows over all of the time, each with the medians of what was seen in it. */
export function windowsOf(samples: readonly Sample[], count: number): readonly Window[] {
  const end = samples.at(-1)?.atSeconds ?? 0;
  return Array.from({ length: count }, (_, index) => {
    const [fromSeconds, toSeconds] = [(end * index) / count, (end * (index + 1)) / count];
    const inside = samples.filter(({ atSeconds }) => atSeconds >= fromSeconds && atSeconds <= toSeconds);
    return {
      ...{ fromSeconds, toSeconds },
      rssBytes: median(inside.map(({ rssBytes }) => rssBytes)),
      files: median(inside.map(({ files }) => files)),
    };
  });
}

/** Flat is what did not grow from the first half after warm-up to the second by more than a collector's play. */
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
