/** Builds of the current sources, made once for all test processes and kept for the next run. */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
const cache = join(root, "node_modules/.cache/evenkeel");

/** A hash of everything that affects a build: the sources, the text that they import, and the packages. */
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

const digest = digestOfSources();

/** A builder that was killed leaves its lock. */
const maxBuildMs = 60_000;

export interface BuildKind {
  /** The folder of these builds in the cache. */
  readonly name: string;
  /** How many are kept: a test run in progress, also in another working copy with these packages, may use an older one. */
  readonly kept: number;
  /** Writes the build into an empty folder. */
  build(folder: string): Promise<void>;
}

/** Resolves with the folder of the build. Of the test processes that start together, one builds and the others wait. */
export async function cachedBuild({ name, kept, build }: BuildKind): Promise<string> {
  const builds = join(cache, name);
  const folder = join(builds, digest);
  const lock = join(builds, `${digest}.lock`);
  mkdirSync(builds, { recursive: true });
  while (!existsSync(folder)) {
    if (!acquire(lock)) {
      await Bun.sleep(20);
      continue;
    }
    const staging = `${folder}.${process.pid}`;
    try {
      mkdirSync(staging);
      await build(staging);
      if (!existsSync(folder)) renameSync(staging, folder);
      removeOldest(builds, kept);
    } finally {
      rmSync(staging, { recursive: true, force: true });
      rmSync(lock, { recursive: true, force: true });
    }
  }
  return folder;
}

/** Creates the lock; false if another process has it. */
function acquire(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > maxBuildMs) rmSync(lock, { recursive: true, force: true });
    return false;
  }
}

function removeOldest(builds: string, kept: number): void {
  const found = readdirSync(builds)
    .filter((name) => !name.includes("."))
    .map((name) => join(builds, name))
    .map((folder) => ({ folder, builtAt: statSync(folder).mtimeMs }));
  for (const { folder } of found.toSorted((left, right) => right.builtAt - left.builtAt).slice(kept))
    rmSync(folder, { recursive: true });
}
