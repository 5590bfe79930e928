import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { watchFile } from "../../src/lib/file-watch.ts";
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

  /** A folder with a configuration file. */
  const release = (folder: string, text: string) => {
    mkdirSync(folder);
    writeFileSync(join(folder, "evenkeel.yaml"), text);
  };

  /** Replaces what has this name at once, as release tools do. */
  const replaceLink = (target: string, link: string) => {
    symlinkSync(target, `${link}.new`);
    renameSync(`${link}.new`, link);
  };

  test("is reported when a linked release folder is swapped, again and again, and when its target changes", async () => {
    const folder = inFolder("releases");
    mkdirSync(folder);
    for (const name of ["rel1", "rel2", "rel3"]) release(join(folder, name), name);
    const link = join(folder, "current");
    symlinkSync("rel1", link);
    const read: string[] = [];
    const file = join(link, "evenkeel.yaml");
    const end = watchFile(file, () => read.push(readFileSync(file, "utf8")));
    for (const name of ["rel2", "rel3", "rel1"]) {
      replaceLink(name, link);
      await until(() => read.at(-1) === name, name);
    }
    writeFileSync(join(folder, "rel1", "evenkeel.yaml"), "edited");
    await until(() => read.at(-1) === "edited", "the edited target");
    // The folder that was left is no longer watched, and a change there changes nothing.
    writeFileSync(join(folder, "rel3", "evenkeel.yaml"), "elsewhere");
    replaceLink(join(folder, "rel2"), link);
    await until(() => read.at(-1) === "rel2", "an absolute link");
    expect(read).toEqual(["rel2", "rel3", "rel1", "edited", "rel2"]);
    end();
  });

  test("is reported behind several links, when any of them or the last target changes", async () => {
    const folder = inFolder("chain");
    mkdirSync(folder);
    mkdirSync(join(folder, "etc"));
    for (const name of ["a", "b"]) release(join(folder, name), name);
    symlinkSync("a", join(folder, "now"));
    symlinkSync("../now/evenkeel.yaml", join(folder, "etc", "linked.yaml"));
    symlinkSync("linked.yaml", join(folder, "etc", "evenkeel.yaml"));
    const file = join(folder, "etc", "evenkeel.yaml");
    const read: string[] = [];
    const end = watchFile(file, () => read.push(readFileSync(file, "utf8")));
    writeFileSync(join(folder, "a", "evenkeel.yaml"), "a2");
    await until(() => read.at(-1) === "a2", "the target");
    replaceLink("b", join(folder, "now"));
    await until(() => read.at(-1) === "b", "the middle link");
    writeFileSync(join(folder, "other.yaml"), "other");
    replaceLink("../other.yaml", join(folder, "etc", "linked.yaml"));
    await until(() => read.at(-1) === "other", "the first link");
    end();
  });

  test("is reported when its folder, or one further up, is replaced by another one", async () => {
    const folder = inFolder("swapped");
    mkdirSync(folder);
    mkdirSync(join(folder, "app"));
    release(join(folder, "app", "conf"), "one");
    const file = join(folder, "app", "conf", "evenkeel.yaml");
    const read: string[] = [];
    const end = watchFile(file, () => read.push(readFileSync(file, "utf8")));
    renameSync(join(folder, "app", "conf"), join(folder, "app", "old"));
    release(join(folder, "app", "conf"), "two");
    await until(() => read.at(-1) === "two", "another folder");
    renameSync(join(folder, "app"), join(folder, "old"));
    mkdirSync(join(folder, "app"));
    release(join(folder, "app", "conf"), "three");
    await until(() => read.at(-1) === "three", "another folder further up");
    writeFileSync(file, "four");
    await until(() => read.at(-1) === "four", "a change there");
    end();
  });

  test("survives a link that points to itself, or nowhere, for a while", async () => {
    const folder = inFolder("loop");
    mkdirSync(folder);
    release(join(folder, "good"), "one");
    const link = join(folder, "current");
    symlinkSync("good", link);
    let changes = 0;
    const end = watchFile(join(link, "evenkeel.yaml"), () => (changes += 1));
    replaceLink("current", link);
    replaceLink("nowhere", link);
    release(join(folder, "nowhere"), "two");
    await until(() => changes === 1, "the change");
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
