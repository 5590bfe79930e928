/** `evenkeel state backup`: a copy of a state in use, and a balancer that starts from it. */

import { describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { DatabaseSync } from "node:sqlite";

import { openSqlite } from "../../src/state/sqlite-store.ts";
import { backUpState } from "../../src/state/state-backup.ts";
import { BalancerFixture } from "../support/balancer-fixture.ts";
import { temporaryFolder } from "../support/folder.ts";
import { fromBuild, Program } from "../support/program.ts";

const inFolder = temporaryFolder("backup");

async function backUp(...argv: readonly string[]) {
  const program = new Program(
    [...fromBuild, "state", "backup", ...argv],
    { XDG_STATE_HOME: inFolder("home") },
    inFolder(),
  );
  const { code } = await program.exited;
  return { code, out: program.stdout, err: program.stderr };
}

describe("a backup of the state", () => {
  test("of a balancer that runs restores what operators had set, as the documentation says", async () => {
    await using room = new BalancerFixture();
    await room.startServers("a", "b");
    room.write(`${room.poolWith(["a", "b"])}    sticky: true\n`);
    await room.start();
    const state = `${room.folder}/state.db`;
    const set = (path: string, body: object) => room.callAdmin("POST", path, body);
    await set("/api/upstreams/a/mode", { mode: "maintenance", reason: "disk" });
    const secretOf = (file: string) => {
      const database = new DatabaseSync(file, { readOnly: true });
      const rows = database.prepare("SELECT * FROM secret").all();
      database.close();
      return JSON.stringify(rows);
    };
    const copy = inFolder("copy.db");
    const result = await backUp(copy, "--state", state);
    expect(result).toEqual({ code: 0, out: `Wrote ${copy}: schema 2 of ${state}.\n`, err: "" });
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    const secret = secretOf(copy);
    expect(secret.length).toBeGreaterThan(40);

    // Lost with the machine, and more was set since.
    await set("/api/upstreams/a/mode", { mode: "ready", reason: "" });
    await room.proxy.kill("SIGKILL");
    for (const suffix of ["", "-wal", "-shm", ".lock"]) rmSync(state + suffix, { force: true });
    copyFileSync(copy, state);
    await room.restart();
    const upstream = await room.upstream("a");
    expect([upstream?.mode, upstream?.modeSet?.why]).toEqual(["maintenance", "disk"]);
    expect(secretOf(state)).toBe(secret);
  }, 30_000);

  test("is of one moment while a balancer writes, and disturbs no write", () => {
    const state = inFolder("busy.db");
    const store = openSqlite(state);
    const intent = (upstream: string, at: number) =>
      ({ kind: "weight", upstream, weight: at % 256, by: "ann", at, why: "" }) as const;
    for (let round = 0; round < 30; round += 1) {
      // Both always in one transaction.
      store.write([intent("left", round), intent("right", round)]);
      const copy = inFolder(`busy-${round}.db`);
      backUpState(state, copy);
      const restored = openSqlite(copy);
      expect(restored.intents().map(({ upstream, at }) => [upstream, at])).toEqual([
        ["left", round],
        ["right", round],
      ]);
      restored.close();
    }
    store.close();
  });

  test("replaces no file, and leaves no part of one behind", async () => {
    const state = inFolder("state.db");
    openSqlite(state).close();
    writeFileSync(inFolder("taken.db"), "precious");
    expect(await backUp(inFolder("taken.db"), "--state", state)).toEqual({
      code: 2,
      out: "",
      err: `Cannot back up the state: ${inFolder("taken.db")} exists.\n`,
    });
    expect(readFileSync(inFolder("taken.db"), "utf8")).toBe("precious");
    expect(await backUp(state, "--state", state)).toMatchObject({ code: 2 });
    writeFileSync(
      inFolder("damaged.db"),
      Buffer.concat([readFileSync(state).subarray(0, 4_096), Buffer.alloc(9_000, 7)]),
    );
    const damaged = await backUp(inFolder("copy-of-damaged.db"), "--state", inFolder("damaged.db"));
    expect(damaged.err).toStartWith("Cannot back up the state: ");
    expect(await backUp(inFolder("no/such/folder/copy.db"), "--state", inFolder("none.db"))).toMatchObject({
      code: 2,
      err: `Cannot back up the state: there is no file ${inFolder("none.db")}.\n`,
    });
    expect(
      readdirSync(inFolder()).filter((name) => name.includes("partial") || name.startsWith("copy-of")),
    ).toEqual([]);
  }, 20_000);

  test("finds the state where the configuration says, and asks for what is missing", async () => {
    mkdirSync(inFolder("named"));
    openSqlite(inFolder("named/state.db")).close();
    writeFileSync(inFolder("named.yaml"), `state: ${inFolder("named/state.db")}\n`);
    expect(await backUp(inFolder("named.copy"), "--config", inFolder("named.yaml"))).toMatchObject({
      code: 0,
    });
    expect(existsSync(inFolder("named.copy"))).toBe(true);
    expect((await backUp()).err).toBe("Cannot run evenkeel state backup: missing <file>.\n");
    expect((await backUp("a.db", "--admin-url", "http://localhost:1")).err).toBe(
      "Cannot use --admin-url: allowed only for export.\n",
    );
    expect((await backUp("a.db", "--state", ":memory:")).err).toBe(
      "Cannot run evenkeel state backup: the state is in memory; name its file with --state.\n",
    );
  }, 20_000);
});
