/** A folder of its own for the tests of a file: made when it is first needed, and gone after the last of them. */

import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Gives the path of what is called so in it, or its own; asked only by tests that run, it leaves nothing behind. */
export function temporaryFolder(purpose: string): (name?: string) => string {
  let folder: string | undefined;
  afterAll(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true });
    folder = undefined;
  });
  return (name = "") => join((folder ??= mkdtempSync(join(tmpdir(), `evenkeel-${purpose}-`))), name);
}
