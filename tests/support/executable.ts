/** Compiles the executable as `npm run build` does, once for all test files that run the program. */

import { rmSync } from "node:fs";
import { basename, join } from "node:path";

import manifest from "../../package.json" with { type: "json" };
import { cachedBuild } from "./build-cache.ts";

const root = join(import.meta.dirname, "../..");

async function compile(folder: string): Promise<void> {
  const words = manifest.scripts.build.split(" ");
  if (words[0] !== "bun" || basename(words.at(-1) ?? "") !== "evenkeel")
    throw new Error(`Cannot compile: the build script has another form (received ${manifest.scripts.build})`);
  const command = [process.execPath, ...words.slice(1, -1), join(folder, "evenkeel")];
  const build = Bun.spawn(command, { cwd: root, stdout: "pipe", stderr: "pipe" });
  const errors = await build.stderr.text();
  if ((await build.exited) !== 0) throw new Error(`Cannot compile: ${errors}`);
  // A map of the sources, as large as the rest of the cache together.
  rmSync(join(folder, "evenkeel.map"), { force: true });
}

/** Path of the executable, whose name is `evenkeel`. Each build has more than 100 MB. */
export async function compiledExecutable(): Promise<string> {
  return join(await cachedBuild({ name: "executable", kept: 3, build: compile }), "evenkeel");
}
