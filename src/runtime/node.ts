/** Memory readings and TCP dials through node APIs, which both runtimes share. */

import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import process from "node:process";
import { patientSchedule } from "../lib/clock.ts";
import type { MemorySense } from "./runtime.ts";

/** Returns the text of a file, or undefined if it cannot be read. */
type Read = (path: string) => string | undefined;

const read: Read = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

/** @param collect runs the garbage collector, if the runtime supports it */
export function memorySense(collect: () => void = () => {}): MemorySense {
  return {
    rssBytes: memoryReader(process.memoryUsage.rss),
    limitBytes: () => cgroupLimitBytes(read),
    collect,
  };
}

/** A reading needs a file descriptor: without a free one this returns the last reading. */
export function memoryReader(measure: () => number): () => number {
  let last = 0;
  return () => {
    try {
      last = measure();
    } catch {
      // EMFILE. The snapshot and the workers' reports must go on.
    }
    return last;
  };
}

/** Larger values mean "no limit": cgroup version 1 reports a number near 2^63. */
const noLimitBytes = 2 ** 50;

/**
 * The lowest memory limit of the control group of this process and of its parents, in bytes; undefined without any.
 * Source: Linux's admin guide, cgroup-v2 (memory.max) and cgroup-v1/memory (memory.limit_in_bytes).
 */
export function cgroupLimitBytes(readText: Read): number | undefined {
  const lines = readText("/proc/self/cgroup")?.trim().split("\n") ?? [];
  const limits = lines.flatMap((line) => {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === "") return selfAndParents(path).map((group) => `/sys/fs/cgroup${group}/memory.max`);
    if (!controllers.split(",").includes("memory")) return [];
    return selfAndParents(path).map((group) => `/sys/fs/cgroup/memory${group}/memory.limit_in_bytes`);
  });
  const lowest = Math.min(
    ...limits.map((file) => Number(readText(file)?.trim() || Number.NaN)).filter(isLimit),
  );
  return Number.isFinite(lowest) ? lowest : undefined;
}

function isLimit(bytes: number): boolean {
  return bytes > 0 && bytes < noLimitBytes;
}

/** "/a/b" → "/a/b", "/a", "" */
function selfAndParents(path: string): string[] {
  const parts = path.split("/").filter(Boolean);
  return Array.from({ length: parts.length + 1 }, (_, index) =>
    parts
      .slice(0, parts.length - index)
      .map((part) => `/${part}`)
      .join(""),
  );
}

/** A timeout error with the system's code ETIMEDOUT. @param what verb and object: "connect to 10.0.0.1:80" */
export function timedOut(what: string, timeoutMs: number): Error {
  return Object.assign(new Error(`Cannot ${what}: timed out after ${timeoutMs} ms`), { code: "ETIMEDOUT" });
}

/**
 * Opens a TCP connection and closes it at once. Uses `node:net`, which can cancel a connect.
 * @param hostname a name, an IPv4 address, or an IPv6 address with or without brackets
 */
export function dial(
  hostname: string,
  port: number,
  timeoutMs: number,
  greeting?: Uint8Array,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: hostname.replace(/^\[(.*)\]$/, "$1"), port });
    const cancel = patientSchedule(timeoutMs, () => {
      socket.destroy();
      reject(timedOut(`connect to ${hostname}:${port}`, timeoutMs));
    });
    socket.on("connect", () => {
      cancel();
      if (greeting) socket.end(greeting, () => socket.destroy());
      else socket.destroy();
      resolve();
    });
    socket.on("error", (error) => {
      cancel();
      reject(error);
    });
  });
}
