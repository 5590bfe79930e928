/** The runtime laws on Deno: `npx deno@2.9.6 test -A tests/runtime/deno-smoke.ts`. Its name keeps Bun from running it. */

import { describe, test } from "node:test";
import { runtime } from "../../src/runtime/deno.ts";
import { limited, runtimeLaws } from "./runtime-laws.ts";

describe("the runtime on Deno", () => {
  for (const { name, check } of runtimeLaws) test(name, () => check(runtime));
});

describe("the runtime on Deno, with limits", () => {
  for (const { name, check } of runtimeLaws) test(name, () => check(limited(runtime)));
});
