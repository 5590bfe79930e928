import { describe, test } from "bun:test";
import { runtime } from "../../src/runtime/bun.ts";
import { limited, runtimeLaws } from "./runtime-laws.ts";

describe("the runtime on Bun", () => {
  for (const { name, check } of runtimeLaws) test(name, () => check(runtime));
});

describe("the runtime on Bun, with limits", () => {
  for (const { name, check } of runtimeLaws) test(name, () => check(limited(runtime)));
});
