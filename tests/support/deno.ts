/** Finds Deno, which is no dependency, since its packages are not available everywhere. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Program } from "./program.ts";

const denoPackage = "deno@2.9.6";

const cache = join(import.meta.dirname, "../../node_modules/.cache/evenkeel");

/** The path that was found before: asking npx costs more than most tests. */
const found = join(cache, denoPackage);

let path: Promise<string> | undefined;

/** Path of the executable, which npx downloads; empty, with a notice, if it cannot. */
export function findDeno(): Promise<string> {
  return (path ??= find());
}

async function find(): Promise<string> {
  const before = existsSync(found) ? readFileSync(found, "utf8") : "";
  if (existsSync(before)) return before;
  const asked = new Program(["npx", "--yes", denoPackage, "eval", "console.log(Deno.execPath())"]);
  await asked.exited;
  const now = asked.stdout.trim();
  if (now === "") {
    console.warn(`skipped: ${denoPackage} is not available`);
    return "";
  }
  mkdirSync(cache, { recursive: true });
  writeFileSync(found, now);
  return now;
}
