/** Finds Deno, which is no dependency, since its packages are not available everywhere. */

import { Program } from "./program.ts";

const denoPackage = "deno@2.9.6";

/** Path of the executable, which npx downloads; empty, with a notice, if it cannot. */
export async function findDeno(): Promise<string> {
  const find = new Program(["npx", "--yes", denoPackage, "eval", "console.log(Deno.execPath())"]);
  await find.exited;
  const path = find.stdout.trim();
  if (!path) console.warn(`skipped: ${denoPackage} is not available`);
  return path;
}
