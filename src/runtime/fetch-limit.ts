/** Raises Bun's limit of concurrent fetches for the fetch engine. */

import type { Signals } from "./signals.ts";

const variable = "BUN_CONFIG_MAX_HTTP_REQUESTS";

/** Environment of a process that may have as many concurrent fetches as Bun supports. */
export const liftedLimit: Readonly<Record<string, string>> = { [variable]: "65535" };

/**
 * Raises the limit of 256 concurrent fetches where the runtime is Bun and the variable is not set. Bun reads the variable
 * only when it starts: this replaces the process by a new one with the same process id and arguments.
 */
export async function liftFetchLimit(signals: Pick<Signals, "release" | "resume">): Promise<void> {
  if (!process.versions["bun"] || process.env[variable] !== undefined || !process.execve) return;
  // Options of the runtime itself reach an executable only by BUN_OPTIONS, which stays.
  const words = Bun.isStandaloneExecutable
    ? process.argv.slice(2)
    : [...process.execArgv, ...process.argv.slice(1)];
  const argv = [process.execPath, ...words];
  const environment = { ...process.env, ...liftedLimit };
  await signals.release();
  try {
    process.execve(process.execPath, argv, environment);
  } catch {
    // The system cannot replace a process: the limit stays 256.
    signals.resume();
  }
}
