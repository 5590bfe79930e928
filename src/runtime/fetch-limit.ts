/** Lifts Bun's limit of concurrent fetches. In a separate file, because it must run before other modules load. */

const variable = "BUN_CONFIG_MAX_HTTP_REQUESTS";

/** Environment of a process with the maximum limit. */
export const liftedLimit: Readonly<Record<string, string>> = { [variable]: "65535" };

/**
 * Lifts the default limit of 256 concurrent fetches, unless the environment sets one. Bun reads the limit only at start, so
 * this replaces the process by a new one with the same process id. Does nothing on other runtimes.
 */
export function liftFetchLimit(): void {
  if (!process.versions["bun"] || process.env[variable] !== undefined || !process.execve) return;
  const given = process.argv.slice(Bun.isStandaloneExecutable ? 2 : 1);
  try {
    process.execve(process.execPath, [process.execPath, ...process.execArgv, ...given], {
      ...process.env,
      ...liftedLimit,
    });
  } catch {
    // The limit stays at 256 on systems that cannot replace a process.
  }
}
