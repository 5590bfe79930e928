import { expect, test } from "bun:test";
import { join } from "node:path";

import { Program } from "../support/program.ts";

test("an observer that throws is reported, and the attempt ends all the same", async () => {
  const child = join(import.meta.dirname, "throwing-observer-child.ts");
  const program = new Program([process.execPath, child]);
  expect(await program.exited).toEqual({ code: 0, signal: null });
  expect(program.stdout.split("\n")).toEqual([
    "ejected 0 in flight, freed 1, ended 1",
    "reported a bug in an observer",
    "",
  ]);
});
