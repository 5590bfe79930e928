/** How many fetches Bun lets be in flight, and how the program gets more: apart, since it comes before all else. */

const variable = "BUN_CONFIG_MAX_HTTP_REQUESTS";

/** What a process finds in its environment that may have as many as Bun can. */
export const liftedLimit: Readonly<Record<string, string>> = { [variable]: "65535" };

/**
 * Lets more than Bun's 256 fetches be in flight, where that limit exists and is as it came. Bun reads it when it starts
 * and never again: the program begins anew under the same process id, and loses what it has loaded by then.
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
    // Where the system cannot replace a process, 256 it is.
  }
}
