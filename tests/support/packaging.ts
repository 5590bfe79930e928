/** Files of the folder `packaging`, and the programs that check them where they are installed. */

import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

export const projectFolder = join(import.meta.dirname, "../..");
export const packagingFolder = join(projectFolder, "packaging");

export const packagingText = (...path: readonly string[]): string =>
  readFileSync(join(packagingFolder, ...path), "utf8");

/** Paths of all files, relative to the folder. */
export const packagingFiles: readonly string[] = readdirSync(packagingFolder, {
  recursive: true,
  withFileTypes: true,
})
  .filter((entry) => entry.isFile())
  .map(({ parentPath, name }) => relative(packagingFolder, join(parentPath, name)))
  .toSorted();

/** Whether all programs are installed. If not, says which tests are skipped: `what` completes the sentence. */
export function hasPrograms(what: string, ...names: readonly string[]): boolean {
  const missing = names.filter((name) => Bun.which(name) === null);
  if (missing.length > 0) console.warn(`skipped: ${what}, because ${missing.join(" and ")} is not installed`);
  return missing.length === 0;
}

/** Whether this process may mount and change its root, as container runtimes do; if not, says what is skipped. */
export function canUnshare(what: string): boolean {
  const { exitCode } = Bun.spawnSync(["unshare", "--mount", "--pid", "--fork", "true"], { stderr: "ignore" });
  if (exitCode !== 0) console.warn(`skipped: ${what}, because this user may not make namespaces`);
  return exitCode === 0;
}

export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a program to its end. */
export async function runProgram(
  command: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Finished> {
  const child = Bun.spawn([...command], { cwd: projectFolder, stdout: "pipe", stderr: "pipe", ...options });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, out, err };
}
