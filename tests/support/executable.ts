/** Compiles the executable as `npm run build` does, once for all test files that run it. */

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import manifest from "../../package.json" with { type: "json" };
import { builtScript } from "./built.ts";

const root = join(import.meta.dirname, "../..");

/** Beside the bundle of the same sources, so that the digest of the sources names both. */
const folder = join(dirname(builtScript), "executable");

/** Path of the executable, whose name is `evenkeel`. Test processes may build at the same time: the first rename wins. */
export async function compiledExecutable(): Promise<string> {
  const path = join(folder, "evenkeel");
  if (existsSync(path)) return path;
  const staging = `${folder}.${process.pid}`;
  mkdirSync(staging, { recursive: true });
  const words = manifest.scripts.build.split(" ");
  if (words[0] !== "bun" || basename(words.at(-1) ?? "") !== "evenkeel")
    throw new Error(`Cannot compile: the build script has another form (received ${manifest.scripts.build})`);
  const command = [process.execPath, ...words.slice(1, -1), join(staging, "evenkeel")];
  const build = Bun.spawn(command, { cwd: root, stdout: "pipe", stderr: "pipe" });
  const errors = await build.stderr.text();
  if ((await build.exited) !== 0) throw new Error(`Cannot compile: ${errors}`);
  // A map of the sources, as large as the rest of the cache together.
  rmSync(join(staging, "evenkeel.map"), { force: true });
  try {
    renameSync(staging, folder);
    removeOldest();
  } catch (error) {
    rmSync(staging, { recursive: true });
    if (!existsSync(path)) throw error;
  }
  return path;
}

/** Each has more than 100 MB. */
const maxExecutables = 2;

function removeOldest(): void {
  const cache = dirname(dirname(folder));
  const found = readdirSync(cache)
    .map((name) => join(cache, name, "executable"))
    .filter(existsSync)
    .map((path) => ({ path, builtAt: statSync(path).mtimeMs }));
  for (const { path } of found.toSorted((a, b) => b.builtAt - a.builtAt).slice(maxExecutables))
    rmSync(path, { recursive: true });
}
