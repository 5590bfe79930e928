import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { findDeno } from "../support/deno.ts";
import { Program } from "../support/program.ts";
import { lawsByKind } from "./source-worlds.ts";

for (const [kind, laws] of Object.entries(lawsByKind))
  describe(`the source of ${kind}`, () => {
    for (const { name, check } of laws) test.concurrent(name, check, 60_000);
  });

describe("under Deno", () => {
  let deno = "";
  beforeAll(async () => {
    deno = await findDeno();
  }, 120_000);

  test("all sources pass their laws", async () => {
    if (!deno) return;
    const file = join(import.meta.dirname, "sources-smoke.ts");
    const laws = new Program([deno, "test", "-A", "--no-check", file], { NO_COLOR: "1" });
    const { code } = await laws.exited;
    expect({ code, output: code === 0 ? "" : laws.stdout }).toEqual({ code: 0, output: "" });
    expect(laws.stdout).toContain("0 failed");
  }, 120_000);
});
