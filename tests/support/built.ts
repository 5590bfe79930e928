/** Bundles the current sources into few files: loading them one by one is most of the cost of a start. */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
const cache = join(root, "node_modules/.cache/evenkeel");

/** A hash of everything that affects the build: the sources, the text that they import, and the packages. */
function digestOfSources(): string {
  const hash = createHash("sha256").update(Bun.version);
  const folders = ["src", "public"].map((folder) => join(root, folder));
  const inside = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name)),
  );
  const manifests = ["package.json", "package-lock.json", "tsconfig.json"].map((name) => join(root, name));
  for (const file of [...inside.toSorted(), ...manifests])
    hash.update(`${file}\0`).update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}

/** How many builds are kept: a test run in progress, also in another working copy with these packages, may use an older one. */
const maxBuilds = 20;

/** Test processes may build at the same time: each builds in its own folder, and the first rename wins. */
async function build(): Promise<string> {
  const folder = join(cache, digestOfSources());
  const script = join(folder, "main.js");
  if (existsSync(script)) return script;
  const stagingFolder = `${folder}.${process.pid}`;
  const entrypoints = [join(root, "src/main.ts")];
  await Bun.build({
    entrypoints,
    target: "bun",
    splitting: true,
    sourcemap: "linked",
    outdir: stagingFolder,
  });
  try {
    renameSync(stagingFolder, folder);
    removeOldest();
  } catch (error) {
    rmSync(stagingFolder, { recursive: true, force: true });
    if (!existsSync(script)) throw error;
  }
  return script;
}

function removeOldest(): void {
  const builds = readdirSync(cache).map((name) => join(cache, name));
  const builtAt = new Map(builds.map((folder) => [folder, statSync(folder).mtimeMs]));
  const newestFirst = builds.toSorted((left, right) => (builtAt.get(right) ?? 0) - (builtAt.get(left) ?? 0));
  for (const folder of newestFirst.slice(maxBuilds)) rmSync(folder, { recursive: true });
}

/** The bundled program; `src/main.ts` is its source. */
export const builtScript = await build();
