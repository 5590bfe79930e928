/** How many clients' connections the system leaves room for: past its limit on open files nobody is served any more. */

import { readFileSync } from "node:fs";

/** For what is neither a client nor an upstream: files, the admin side, clients that are turned away. */
const reserved = 128;
/** At most so many are left for connections to upstreams, of which a client needs one at a time, and idle ones none. */
const maxForUpstreams = 4_096;

/** @param limit open files that the process may have; undefined if there is no limit or none is known */
export function maxClientsForOpenFiles(limit = openFilesLimit()): number {
  if (limit === undefined) return Infinity;
  const left = Math.max(0, limit - reserved);
  return Math.max(1, left - Math.min(Math.ceil(left / 2), maxForUpstreams));
}

/** Both runtimes raise it as far as it goes when they start. */
function openFilesLimit(): number | undefined {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return limit ? Number(limit[1]) : undefined;
  } catch {
    return undefined;
  }
}
