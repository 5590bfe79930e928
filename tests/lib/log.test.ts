import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { join } from "node:path";

import { until } from "../support/wait.ts";

type Line = Readonly<Record<string, unknown>>;

describe("the log of the process", () => {
  test("holds up nobody while nobody reads it, and tells later how much was lost", async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "slow-log-child.ts")], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await until(() => said.includes("lost "), "the child to go on");
    const lost = Number(/lost (\d+)/.exec(said)?.[1]);
    expect(lost).toBeGreaterThan(1_000);
    let text = "";
    child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await until(() => text.includes(`"i":${20_000 - lost - 1},`), "what was kept");
    child.stdin.end("x");
    await new Promise((resolve) => child.once("close", resolve));
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
    const kept = lines.filter(({ message }) => message === "said");
    expect(kept.map(({ i }) => i)).toEqual(Array.from({ length: 20_000 - lost }, (_, i) => i));
    expect(lines.slice(kept.length)).toMatchObject([
      { level: "WARN", logger: "evenkeel.log", message: "log lines lost", lines: lost },
      { level: "INFO", message: "again" },
    ]);
  });
});
