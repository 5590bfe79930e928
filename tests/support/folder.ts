/** A temporary folder for the tests of one file, created on first use and deleted after the last test. */

import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Returns a function for paths in the folder; without a name it returns the folder. Skipped tests create nothing. */
export function temporaryFolder(purpose: string): (name?: string) => string {
  let folder: string | undefined;
  afterAll(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true });
    folder = undefined;
  });
  return (name = "") => join((folder ??= mkdtempSync(join(tmpdir(), `evenkeel-${purpose}-`))), name);
}
