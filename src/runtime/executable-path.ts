/** Where the executable of this process was started from: a symbolic link may lead to another version later. */

import { realpathSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

/**
 * The path as it was given, if it leads to the executable; else the executable itself.
 * @param executable without symbolic links
 * @param argv0 as the process was called: a path, or a name that the shell looked up
 */
export function executablePath(executable: string, argv0: string, searchPath = ""): string {
  const candidates = argv0.includes("/")
    ? [resolve(argv0)]
    : searchPath.split(delimiter).map((folder) => join(resolve(folder), argv0));
  return candidates.find((path) => isSame(path, executable)) ?? executable;
}

function isSame(path: string, executable: string): boolean {
  try {
    return realpathSync(path) === executable;
  } catch {
    return false;
  }
}
