import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { join } from "node:path";

import { until } from "../support/wait.ts";

type Line = Readonly<Record<string, unknown>>;

describe("the log of the process", () => {
  test("does not block while it is not read, and reports later how many lines were lost", async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "slow-log-child.ts")], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await until(() => output.includes("lost "), "the child to continue");
    const lost = Number(/lost (\d+)/.exec(output)?.[1]);
    expect(lost).toBeGreaterThan(1_000);
    let text = "";
    child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await until(() => text.includes(`"i":${20_000 - lost - 1},`), "the buffered lines");
    child.stdin.end("x");
    await new Promise((resolve) => child.once("close", resolve));
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
    const written = lines.filter(({ message }) => message === "numbered");
    expect(written.map(({ i }) => i)).toEqual(Array.from({ length: 20_000 - lost }, (_, i) => i));
    expect(lines.slice(written.length)).toMatchObject([
      { level: "WARN", logger: "evenkeel.log", message: "log lines lost", lines: lost },
      { level: "INFO", message: "again" },
    ]);
  });
});
