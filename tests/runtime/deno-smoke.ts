/** The runtime laws on Deno: `npx deno@2.9.6 test -A tests/runtime/deno-smoke.ts`. Not named as a test of Bun's. */

import { describe, test } from "node:test";
import { runtime } from "../../src/runtime/deno.ts";
import { runtimeLaws } from "./runtime-laws.ts";

describe("the runtime on Deno", () => {
  for (const { name, check } of runtimeLaws) test(name, () => check(runtime));
});
