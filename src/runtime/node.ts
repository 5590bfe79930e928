/** How much memory this process takes, and how much its control group may: the same files on both runtimes. */

import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import process from "node:process";
import { systemSchedule } from "../lib/clock.ts";
import type { MemorySense } from "./runtime.ts";

/** Text of a file; undefined if it cannot be read. */
type Read = (path: string) => string | undefined;

const read: Read = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

/** @param collect gives back at once what is not needed any more, where the runtime can */
export function memorySense(collect: () => void = () => {}): MemorySense {
  return { rssBytes: () => process.memoryUsage.rss(), limitBytes: () => cgroupLimitBytes(read), collect };
}

/** Of version 1, which has no word for "none" but a number near 2^63. */
const maxBytes = 2 ** 50;

/**
 * The strictest limit on the control group of this process and those around it; undefined without any.
 * Source: Linux's admin guide, cgroup-v2 (memory.max) and cgroup-v1/memory (memory.limit_in_bytes).
 */
export function cgroupLimitBytes(readText: Read): number | undefined {
  const lines = readText("/proc/self/cgroup")?.trim().split("\n") ?? [];
  const limits = lines.flatMap((line) => {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === "") return upwards(path).map((group) => `/sys/fs/cgroup${group}/memory.max`);
    if (!controllers.split(",").includes("memory")) return [];
    return upwards(path).map((group) => `/sys/fs/cgroup/memory${group}/memory.limit_in_bytes`);
  });
  const least = Math.min(
    ...limits.map((file) => Number(readText(file)?.trim() || Number.NaN)).filter(isLimit),
  );
  return Number.isFinite(least) ? least : undefined;
}

function isLimit(bytes: number): boolean {
  return bytes > 0 && bytes < maxBytes;
}

/** "/a/b" → "/a/b", "/a", "" */
function upwards(path: string): string[] {
  const parts = path.split("/").filter(Boolean);
  return Array.from({ length: parts.length + 1 }, (_, left) =>
    parts
      .slice(0, parts.length - left)
      .map((part) => `/${part}`)
      .join(""),
  );
}

// Opens TCP connections for probes through `node:net`, which can give up one that is still opening; every runtime has it.

/** An error as the system would word it, with code ETIMEDOUT. */
export function timedOut(what: string, timeoutMs: number): Error {
  return Object.assign(new Error(`Cannot ${what}: no answer in ${timeoutMs} ms`), { code: "ETIMEDOUT" });
}

/**
 * Resolves when the connection is open, and closes it.
 * @param hostname a name, an IPv4 address, or an IPv6 address with or without brackets
 */
export function dial(hostname: string, port: number, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: hostname.replace(/^\[(.*)\]$/, "$1"), port });
    const cancel = systemSchedule(timeoutMs, () => {
      socket.destroy();
      reject(timedOut(`connect to ${hostname}:${port}`, timeoutMs));
    });
    socket.on("connect", () => {
      cancel();
      socket.destroy();
      resolve();
    });
    socket.on("error", (error) => {
      cancel();
      reject(error);
    });
  });
}
