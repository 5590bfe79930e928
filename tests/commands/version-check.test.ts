/** `evenkeel version --check` with real files and real balancers. */

import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

import { version } from "../../src/config/config.ts";
import { currentSchema } from "../../src/state/sqlite-store.ts";
import { compiledExecutable } from "../support/executable.ts";
import { temporaryFolder } from "../support/folder.ts";
import { hasPrograms, runProgram } from "../support/packaging.ts";
import { fromBuild, fromSource, Program, Programs } from "../support/program.ts";

const inFolder = temporaryFolder("version-check");

interface Report {
  readonly code: number | null;
  readonly lines: Readonly<Record<string, string>>;
  readonly text: string;
}

/** The subjects of the report with their texts. */
async function check(command: readonly string[], ...flags: readonly string[]): Promise<Report> {
  const env = { XDG_STATE_HOME: inFolder("home") };
  const program = new Program([...command, "version", "--check", ...flags], env, inFolder());
  const { code } = await program.exited;
  const text = program.stdout + program.stderr;
  const lines = Object.fromEntries(
    text.split("\n").map((line) => [line.split(" ")[0] ?? "", line.replace(/^\S+ +/, "")]),
  );
  return { code, lines, text };
}

function stateFile(name: string, schema: number): string {
  const path = inFolder(name);
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA user_version = ${schema}`);
  database.close();
  return path;
}

describe("evenkeel version --check", () => {
  test("reports on this machine without any file, with exit code 0", async () => {
    const { code, lines } = await check(fromSource);
    expect(lines).toMatchObject({
      evenkeel: version,
      runtime: `bun ${Bun.version}`,
      target: `${process.platform}-${process.arch}${process.platform === "linux" ? ", glibc" : ""}, from sources`,
      configuration: "no file; defaults, variables and flags: fits",
      state: `${inFolder("home")}/evenkeel/state.db: created at the start`,
      balancer: "none runs with this state file",
    });
    expect(code).toBe(0);
  });

  test("finds the state where the configuration says", async () => {
    const path = stateFile("own.db", currentSchema);
    writeFileSync(inFolder("own.yaml"), `state: ${path}\n`);
    const { code, lines } = await check(fromBuild, "--config", inFolder("own.yaml"));
    expect(lines).toMatchObject({
      configuration: `${inFolder("own.yaml")}: fits`,
      state: `${path}: schema ${currentSchema}, fits`,
    });
    expect(code).toBe(0);
  });

  test("exits with 2 for a configuration that this version refuses, or a state of a newer one", async () => {
    writeFileSync(inFolder("wrong.yaml"), "engine: steam\nworkers: none\n");
    const newer = stateFile("newer.db", currentSchema + 1);
    const { code, lines } = await check(fromBuild, "--config", inFolder("wrong.yaml"), "--state", newer);
    expect(lines["configuration"]).toBe(`${inFolder("wrong.yaml")}: 2 problems, run evenkeel check`);
    expect(lines["state"]).toBe(
      `${newer}: schema ${currentSchema + 1} of a newer version, this one cannot use it (it knows ${currentSchema})`,
    );
    expect(code).toBe(2);
    expect((await check(fromBuild, "--state", newer)).code).toBe(2);
  });

  test("says when the start will change the state so that older versions cannot use it", async () => {
    const older = stateFile("older.db", currentSchema - 1);
    const { code, lines } = await check(fromBuild, "--state", older);
    expect(lines["state"]).toContain(`schema ${currentSchema - 1}, becomes ${currentSchema} at the start`);
    expect(code).toBe(0);
  });

  test("takes its flags only together with --check", async () => {
    const program = new Program([...fromBuild, "version", "--state", "a.db"], {}, inFolder());
    expect((await program.exited).code).toBe(2);
    expect(program.stderr).toBe("Cannot use --state: allowed only together with --check.\n");
  });

  test("tells an executable that was replaced from the one that a balancer runs, with exit code 1", async () => {
    await using programs = new Programs();
    mkdirSync(inFolder("bin"));
    const installed = inFolder("bin/evenkeel");
    copyFileSync(await compiledExecutable(), installed);
    const EVENKEEL_STATE = inFolder("running.db");
    const flags = ["--port", "0", "--admin-port", "0", "--host", "127.0.0.1"];
    const balancer = programs.start([installed, "proxy", ...flags, "--upstreams", "http://127.0.0.1:9"], {
      EVENKEEL_STATE,
    });
    await balancer.port("admin", 20_000);
    const same = await check([installed], "--state", EVENKEEL_STATE);
    expect(same.lines["target"]).toEndWith("one executable");
    expect(same.lines["balancer"]).toBe(`process ${balancer.pid} runs this executable`);
    expect(same.code).toBe(0);

    // As a package does it: a new file takes the name.
    copyFileSync(installed, `${installed}.new`);
    renameSync(`${installed}.new`, installed);
    const replaced = await check([installed], "--state", EVENKEEL_STATE);
    expect(replaced.lines["balancer"]).toBe(
      `process ${balancer.pid} runs an executable that was replaced since: ${installed}`,
    );
    expect(replaced.code).toBe(1);

    // Before an upgrade: the new version, elsewhere.
    const other = await check(fromBuild, "--state", EVENKEEL_STATE);
    expect(other.lines["balancer"]).toStartWith(
      `process ${balancer.pid} runs an executable that was replaced`,
    );
    await balancer.kill("SIGKILL");
    expect((await check([installed], "--state", EVENKEEL_STATE)).lines["balancer"]).toBe(
      "none runs with this state file",
    );
  }, 60_000);

  test("does not take another process for the balancer whose number it has", async () => {
    const path = stateFile("reused.db", currentSchema);
    const lock = new DatabaseSync(`${path}.lock`);
    lock.exec(`PRAGMA user_version = ${process.pid}`);
    lock.close();
    expect((await check(fromBuild, "--state", path)).lines["balancer"]).toBe(
      "none runs with this state file",
    );
  });

  test.skipIf(process.getuid?.() !== 0 || !hasPrograms("the test of another user's balancer", "setpriv"))(
    "says who could see more where the balancer is another user's",
    async () => {
      const path = stateFile("foreign.db", currentSchema);
      const lock = new DatabaseSync(`${path}.lock`);
      lock.exec("PRAGMA user_version = 1");
      lock.close();
      await runProgram(["chmod", "-R", "a+rX", inFolder()]);
      const plain = [
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        await compiledExecutable(),
      ];
      const readable = readlinkSync("/proc/self/exe").length > 0 && readFileSync("/proc/1/comm").length > 0;
      expect(readable).toBe(true);
      const { lines } = await check(plain, "--state", path);
      expect(lines["balancer"]).toBe(
        "process 1 is of another user: only that user and root can see what it runs",
      );
    },
    60_000,
  );

  test.skipIf(!hasPrograms("the test that nothing is asked of the network", "strace"))(
    "never asks the network: it opens no socket for one",
    async () => {
      const trace = inFolder("trace");
      const strace = ["strace", "-f", "-qq", "-e", "trace=socket,connect,sendto", "-o", trace];
      const { code } = await check([...strace, await compiledExecutable()]);
      expect(code).toBe(0);
      expect(readFileSync(trace, "utf8")).not.toMatch(/AF_INET/);
    },
    60_000,
  );
});
