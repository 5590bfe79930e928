import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { systemClock, systemSchedule } from "../../src/lib/clock.ts";
import { LineFile, LineWriter } from "../../src/lib/line-writer.ts";
import { FakeTime } from "../support/fake-time.ts";
import { until } from "../support/wait.ts";

let folder = "";
let path = "";
let losses: [lines: number, cause: string][] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evenkeel-lines-"));
  path = join(folder, "access.log");
  losses = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const onLoss = (lines: number, cause: string) => void losses.push([lines, cause]);
const writerTo = (to: string, maxWaiting?: number) =>
  new LineWriter({
    file: new LineFile(to, false),
    clock: systemClock,
    schedule: systemSchedule,
    onLoss,
    ...(maxWaiting === undefined ? {} : { maxWaiting }),
  });
const linesIn = (file: string) => readFileSync(file, "utf8").split("\n").slice(0, -1);

describe("a line writer", () => {
  test("writes all lines in order, and the remaining ones when it is closed", async () => {
    const writer = writerTo(path);
    const lines = Array.from({ length: 10_000 }, (_, i) => `line ${i} of many`);
    for (const line of lines) writer.write(line);
    await writer.close();
    expect(linesIn(path)).toEqual(lines);
    expect(writer.lost).toBe(0);
  });

  test("continues in a new file when the old one was moved away", async () => {
    const writer = writerTo(path);
    writer.write("first");
    await until(() => existsSync(path) && linesIn(path).length === 1, "the first line");
    renameSync(path, `${path}.1`);
    writer.reopen();
    writer.write("second");
    await writer.close();
    expect(linesIn(`${path}.1`)).toEqual(["first"]);
    expect(linesIn(path)).toEqual(["second"]);
  });

  test("reports loss and cause while the file cannot be written, and continues when it can", async () => {
    rmSync(folder, { recursive: true });
    const writer = writerTo(path);
    writer.write("lost");
    await until(() => losses.length > 0, "the loss");
    expect(losses[0]?.[0]).toBe(1);
    expect(losses[0]?.[1]).toContain("ENOENT");
    mkdirSync(folder);
    writer.write("found");
    await writer.close();
    expect(linesIn(path)).toEqual(["found"]);
    expect(writer.lost).toBe(1);
  });

  test("counts only unwritten lines when a disk fills up, and starts a new line after a torn one", async () => {
    const limited = ["-c", 'ulimit -f 1; exec "$@"', "sh", process.execPath];
    const child = spawn("sh", [...limited, join(import.meta.dirname, "full-disk-child.ts"), path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await new Promise((resolve) => child.once("close", resolve));
    expect(output).toBe("95");
    expect(linesIn(path)).toEqual(["x".repeat(99), "x".repeat(99), "x".repeat(50), "y".repeat(99)]);
  });

  test("drops lines while the disk is too slow, and neither waits nor grows", async () => {
    const time = new FakeTime();
    let release: (() => void) | undefined;
    const written: string[] = [];
    const file = {
      append: async (batch: Buffer) => {
        await new Promise<void>((resolve) => (release = resolve));
        written.push(batch.toString());
        return undefined;
      },
      reopenIfMoved: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    const writer = new LineWriter({ file, ...time, maxWaiting: 100, onLoss });
    writer.write("a");
    await time.advance(250);
    for (let i = 0; i < 30; i++) writer.write("0123456789");
    expect(writer.lost).toBe(21);
    release?.();
    await time.advance(250);
    expect(losses).toEqual(
      Array.from({ length: 21 }, () => [1, "the output is too slow and the buffer is full"]),
    );
    release?.();
    await time.advance(0);
    expect(written.join("").split("\n").length - 1).toBe(10);
  });

  test("to standard output waits for a slow reader without blocking", async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "slow-reader-child.ts")], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let ticks = "";
    child.stderr.on("data", (chunk: Buffer) => (ticks += chunk.toString()));
    // Its output is not read yet: the pipe is full long before all lines are in it.
    await until(() => ticks.includes("tick 20"), "the child to continue");
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await new Promise((resolve) => child.stdout.once("end", resolve));
    const lines = text.split("\n").slice(0, -1);
    expect(lines).toHaveLength(20_000);
    expect(lines.at(-1)).toBe(`19999 ${"x".repeat(40)}`);
  });
});
