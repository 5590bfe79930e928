import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, linkSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { openHistory } from "../../src/history/sqlite-store.ts";
import { openSqlite } from "../../src/state/sqlite-store.ts";
import { lockState, type StateLock } from "../../src/state/state-lock.ts";
import { temporaryFolder } from "../support/folder.ts";

const inFolder = temporaryFolder("state-lock");
const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8);

function locked(file: string, pid = 7): StateLock {
  const lock = lockState(file, pid);
  if (!("release" in lock)) throw new Error(`Cannot go on: ${lock.pid} has the lock`);
  return lock;
}

describe("the lock of a state file", () => {
  test("belongs to one at a time, and names its holder", () => {
    const first = locked(inFolder("one.db"), 4_000_123);
    expect(lockState(inFolder("one.db"), 8)).toEqual({ pid: 4_000_123 });
    first.release();
    const second = locked(inFolder("one.db"), 8);
    expect(lockState(inFolder("one.db"), 9)).toEqual({ pid: 8 });
    second.release();
    second.release();
  });

  test("survives garbage collection", () => {
    const lock = locked(inFolder("collected.db"));
    Bun.gc(true);
    expect(lockState(inFolder("collected.db"), 8)).toEqual({ pid: 7 });
    lock.release();
  });

  test("is the same under every name of the file", () => {
    mkdirSync(inFolder("real"));
    symlinkSync("real", inFolder("linked"));
    const lock = locked(inFolder("real/state.db"));
    expect(lockState(inFolder("linked/state.db"), 8)).toEqual({ pid: 7 });
    writeFileSync(inFolder("real/state.db"), "");
    symlinkSync("real/state.db", inFolder("state.db"));
    expect(lockState(inFolder("state.db"), 8)).toEqual({ pid: 7 });
    lock.release();
  });

  test("is the same for links to a file that does not exist yet", () => {
    mkdirSync(inFolder("to"));
    symlinkSync("to", inFolder("way"));
    symlinkSync("way/../to/later.db", inFolder("one-link.db"));
    symlinkSync("one-link.db", inFolder("two-links.db"));
    const lock = locked(inFolder("two-links.db"));
    for (const name of ["one-link.db", "two-links.db", "to/later.db", "way/later.db"])
      expect([name, lockState(inFolder(name), 8)]).toEqual([name, { pid: 7 }]);
    lock.release();
    symlinkSync("circle.db", inFolder("circle.db"));
    expect(() => lockState(inFolder("circle.db"), 7)).toThrow(/^Cannot lock the state file: /);
  });

  test("is refused for a file with hard links, and for what is no file", () => {
    const file = inFolder("linked-hard.db");
    writeFileSync(file, "");
    linkSync(file, inFolder("same.db"));
    expect(() => lockState(file, 7)).toThrow(
      `Cannot lock the state file: expected a file without hard links, and this one has 2 names (received ${file})`,
    );
    expect(() => lockState("/dev/null", 7)).toThrow(
      "Cannot lock the state file: expected a regular file (received /dev/null)",
    );
    expect(existsSync("/dev/null.lock")).toBe(false);
  });

  test("does not exist for a state in memory", () => {
    locked(":memory:");
    locked(":memory:");
  });

  test("that cannot be taken for another reason throws a sentence", () => {
    writeFileSync(inFolder("file"), "");
    expect(() => lockState(inFolder("file/state.db"), 7)).toThrow(
      /^Cannot lock the state file: .*(ENOTDIR|EEXIST)/,
    );
    mkdirSync(inFolder("broken.db.lock"));
    expect(() => lockState(inFolder("broken.db"), 7)).toThrow(
      /^Cannot lock the state file: expected a regular file .*lock\)$/,
    );
  });
});

describe("database files", () => {
  test("are made for their owner alone, and so is their folder, whatever the mask", () => {
    const before = process.umask(0);
    try {
      const folder = inFolder("made/for/us");
      const lock = locked(join(folder, "state.db"));
      const store = openSqlite(join(folder, "state.db"));
      const history = openHistory(join(folder, "state-history.db"), Date.now);
      store.write([{ kind: "mode", upstream: "a", mode: "draining", by: "x", at: 1, why: "" }]);
      for (const name of ["state.db", "state.db-wal", "state.db-shm", "state.db.lock", "state-history.db"])
        expect([name, modeOf(join(folder, name))]).toEqual([name, "600"]);
      expect(modeOf(folder)).toBe("700");
      history.close();
      store.close();
      lock.release();
    } finally {
      process.umask(before);
    }
  });

  // A device that all users share must not become the state file's: with the rights of root, chmod would succeed.
  test("are never devices, pipes or folders", () => {
    execFileSync("mkfifo", ["-m", "666", inFolder("pipe")]);
    mkdirSync(inFolder("folder"), { mode: 0o755 });
    symlinkSync("pipe", inFolder("link-to-pipe"));
    for (const name of ["pipe", "folder", "link-to-pipe"]) {
      const mode = modeOf(inFolder(name));
      expect(() => openSqlite(inFolder(name))).toThrow(
        `Cannot use the state file: expected a regular file (received ${inFolder(name)})`,
      );
      expect(modeOf(inFolder(name))).toBe(mode);
    }
  });

  test("that other users may read are tightened", () => {
    const file = inFolder("wide.db");
    openSqlite(file).close();
    chmodSync(file, 0o664);
    openSqlite(file).close();
    expect(modeOf(file)).toBe("600");
  });
});
