/** How the process's limit on open files is shared out: a process that reaches it can neither accept nor connect. */

import { readFileSync } from "node:fs";

/** The process's limit on open files, undefined if it is unlimited or unknown. Both runtimes raise it to the hard limit when they start. */
function openFilesLimit(): number | undefined {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return limit ? Number(limit[1]) : undefined;
  } catch {
    return undefined;
  }
}

/** Files, logs, timers, probes, name lookups. */
const baseFiles = 48;

/** More connections to the admin API or to the dashboard are a mistake or an attack. */
const maxWebConnections = 256;

/** At most this many clients at a time get a 503 because there are too many. */
const maxRejectedClients = 64;

/** Maximum connections to the admin API, and to the dashboard. */
export function maxWebConnectionsFor(limit = openFilesLimit()): number {
  return Math.max(8, Math.min(maxWebConnections, Math.floor((limit ?? Infinity) / 8)));
}

/** Limits of the listeners of admin API and dashboard; times in milliseconds. */
export function webLimits() {
  return { maxConnections: maxWebConnectionsFor(), headMs: 10_000, idleMs: 60_000, stallMs: 30_000 };
}

/** Maximum clients at a time that get a 503 because there are too many: they use descriptors that served clients need. */
export function maxRejectedClientsFor(limit = openFilesLimit()): number {
  return Math.max(1, Math.min(maxRejectedClients, Math.floor((limit ?? Infinity) / 16)));
}

/**
 * The number of clients that leaves room for everything else: as many upstream connections, because each client has a request,
 * and what is reserved for admin API, dashboard, probes, files and rejected clients.
 */
export function maxClientsForOpenFiles(limit = openFilesLimit()): number {
  if (limit === undefined) return Infinity;
  const reserved = baseFiles + maxRejectedClientsFor(limit) + 2 * maxWebConnectionsFor(limit);
  return Math.max(1, Math.floor((limit - reserved) / 2));
}
