import { describe, test } from "bun:test";
import { runtime } from "../../src/runtime/bun.ts";
import { runtimeLaws } from "./runtime-laws.ts";

describe("the runtime on Bun", () => {
  for (const { name, check } of runtimeLaws) test(name, () => check(runtime));
});
