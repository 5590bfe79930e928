import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { watchFile } from "../../src/commands/config-reader.ts";
import { FakeTime } from "../support/fake-time.ts";
import { temporaryFolder } from "../support/folder.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("watch");

/** A watched file in its own folder, with the number of reported changes. */
function watched(name: string) {
  const folder = inFolder(name);
  mkdirSync(folder);
  const file = join(folder, "evenkeel.yaml");
  let changes = 0;
  return { folder, file, changes: () => changes, start: () => watchFile(file, () => (changes += 1)) };
}

describe("a watched file", () => {
  test("is reported when it is written, replaced, removed and written again", async () => {
    const { folder, file, changes, start } = watched("plain");
    writeFileSync(file, "one");
    const end = start();
    writeFileSync(file, "two");
    await until(() => changes() === 1, "the first change");
    writeFileSync(join(folder, "evenkeel.yaml~"), "three");
    renameSync(join(folder, "evenkeel.yaml~"), file);
    await until(() => changes() === 2, "the second change");
    rmSync(file);
    writeFileSync(join(folder, "other"), "noise");
    writeFileSync(file, "four");
    await until(() => changes() === 3, "the third change");
    end();
  });

  test("is reported behind a link that an orchestrator replaces, as in a Kubernetes ConfigMap", async () => {
    const { folder, file, changes, start } = watched("linked");
    for (const version of ["v1", "v2"]) {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, "evenkeel.yaml"), version);
    }
    symlinkSync("v1", join(folder, "..data"));
    symlinkSync("..data/evenkeel.yaml", file);
    const end = start();
    symlinkSync("v2", join(folder, "..new"));
    renameSync(join(folder, "..new"), join(folder, "..data"));
    await until(() => changes() === 1, "the change");
    end();
  });

  test("is not reported when its text is the same as before", async () => {
    const { file, changes, start } = watched("same");
    writeFileSync(file, "one");
    const end = start();
    writeFileSync(file, "one");
    writeFileSync(file, "two");
    await until(() => changes() === 1, "the only change");
    end();
  });

  test("is reported in a folder with constant writes to other files, such as a log", async () => {
    const { folder, file, changes, start } = watched("busy");
    writeFileSync(file, "one");
    const end = start();
    const noise = setInterval(() => writeFileSync(join(folder, "access.log"), String(Math.random())), 20);
    writeFileSync(file, "two");
    await until(() => changes() === 1, "the change");
    clearInterval(noise);
    end();
  });

  test("is reported only when it is complete, however long its writer takes", async () => {
    const time = new FakeTime();
    const { folder, file } = watched("slow");
    writeFileSync(file, "one");
    const read: string[] = [];
    const end = watchFile(file, () => read.push(readFileSync(file, "utf8")), time.schedule);
    for (const text of ["t", "tw", "two"]) {
      writeFileSync(file, text);
      await until(() => time.waits.length > 0, "an event of the folder");
      await time.advance(200);
    }
    await time.advance(400);
    expect(read).toEqual(["two"]);
    expect(time.waits).toEqual([]);
    end();
    rmSync(folder, { recursive: true });
  });

  test("in a missing folder throws the system's error", () =>
    expect(() => watchFile(inFolder("no/such/file"), () => {})).toThrow());
});
