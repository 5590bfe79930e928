import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { findDeno } from "../support/deno.ts";
import { Program } from "../support/program.ts";
import { dockerLaws } from "./docker-laws.ts";
import { kubernetesLaws } from "./kubernetes-laws.ts";

describe("the source of Docker's containers", () => {
  for (const { name, check } of dockerLaws) test(name, check);
});

describe("the source of a service's endpoints in Kubernetes", () => {
  for (const { name, check } of kubernetesLaws) test(name, check);
});

describe("under Deno", () => {
  let deno = "";
  beforeAll(async () => {
    deno = await findDeno();
  }, 120_000);

  test("both sources pass their laws", async () => {
    if (!deno) return;
    const file = join(import.meta.dirname, "orchestrators-smoke.ts");
    const laws = new Program([deno, "test", "-A", "--no-check", file], { NO_COLOR: "1" });
    const { code } = await laws.exited;
    expect({ code, output: code === 0 ? "" : laws.stdout }).toEqual({ code: 0, output: "" });
    expect(laws.stdout).toContain("0 failed");
  }, 120_000);
});
