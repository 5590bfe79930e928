import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
const folder = join(root, "src/fleet");

test("the documented user of the store may use all commands of the scripts, and no others", () => {
  const line = /^user evenkeel .*$/m.exec(readFileSync(join(root, "docs/fleet.md"), "utf8"))?.[0] ?? "";
  const allowed = [...line.matchAll(/\+([\w|]+)/g)].map(([, name = ""]) => name);
  const used = readdirSync(folder).flatMap((name) =>
    [...readFileSync(join(folder, name), "utf8").matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(
      ([, command = ""]) => command.toLowerCase(),
    ),
  );
  // Of the client itself; `info` and `client` only where the library asks for them.
  const connection = ["eval", "get", "set", "del", "publish", "subscribe", "unsubscribe", "ping"];
  const handshake = ["auth", "hello", "select", "info", "client|setname"];
  expect(new Set(used).size).toBeGreaterThan(10);
  expect(allowed.toSorted()).toEqual([...new Set([...used, ...connection, ...handshake])].toSorted());
});
