/** How many connections a process can have here: the limit of open files decides. */

import { readFileSync } from "node:fs";

/** The soft limit of open files, which child processes inherit. */
export function maxOpenFiles(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? 1_024);
}

/**
 * So many connections can be open in a proxy, a multiple of 100: each may need a second descriptor for its upstream, and
 * Evenkeel keeps some for itself (docs/running.md).
 */
export function maxConnections(openFiles = maxOpenFiles()): number {
  return Math.floor((openFiles - 700) / 200) * 100;
}
