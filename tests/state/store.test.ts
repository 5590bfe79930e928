import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openSqlite } from "../../src/state/sqlite.ts";

const folder = mkdtempSync(join(tmpdir(), "evenkeel-state-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the store", () => {
  test("remembers the latest intent for each upstream over a restart", () => {
    const file = join(folder, "new/folder/state.db");
    const store = openSqlite(file);
    store.setMode({ upstream: "a", mode: "draining", by: "ann", at: 1 });
    store.setMode({ upstream: "b", mode: "maintenance", by: "bob", at: 2 });
    store.setMode({ upstream: "a", mode: "ready", by: "cy", at: 3 });
    store.close();
    const reopened = openSqlite(file);
    expect(reopened.modes().toSorted((left, right) => left.at - right.at)).toEqual([
      { upstream: "b", mode: "maintenance", by: "bob", at: 2 },
      { upstream: "a", mode: "ready", by: "cy", at: 3 },
    ]);
    reopened.close();
  });

  test("in memory forgets with its end", () => {
    const store = openSqlite(":memory:");
    store.setMode({ upstream: "a", mode: "draining", by: "ann", at: 1 });
    expect(store.modes()).toHaveLength(1);
    store.close();
  });

  test("says in one sentence that a file is damaged", () => {
    const file = join(folder, "damaged.db");
    writeFileSync(
      file,
      "this is no database, and long enough to be taken for one by nobody at all. ".repeat(20),
    );
    expect(() => openSqlite(file)).toThrow(/^Cannot use the state file: .*, received .*damaged\.db$/);
  });

  test("says in one sentence that a folder cannot be made", () => {
    writeFileSync(join(folder, "a-file"), "");
    expect(() => openSqlite(join(folder, "a-file/state.db"))).toThrow(/^Cannot use the state file: /);
  });
});
