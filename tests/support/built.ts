/** Bundles the current sources into few files, for tests that need the program's code in files. */

import { join } from "node:path";

import { cachedBuild } from "./build-cache.ts";

const entrypoint = join(import.meta.dirname, "../../src/main.ts");

/** Path of the bundled program; `src/main.ts` is its source. */
export async function builtScript(): Promise<string> {
  const folder = await cachedBuild({
    name: "bundle",
    kept: 4,
    build: async (outdir) =>
      void (await Bun.build({
        entrypoints: [entrypoint],
        target: "bun",
        splitting: true,
        sourcemap: "linked",
        outdir,
      })),
  });
  return join(folder, "main.js");
}
