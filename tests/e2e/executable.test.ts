import { beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import manifest from "../../package.json" with { type: "json" };
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { startCollector } from "../support/collector.ts";
import { compiledExecutable } from "../support/executable.ts";
import { startDnsServer } from "../support/dns-server.ts";
import { temporaryFolder } from "../support/folder.ts";
import { respondWith, startOrigin } from "../support/origin.ts";
import { Program } from "../support/program.ts";
import { RawClient } from "../support/raw-client.ts";
import { UpgradedProgram } from "../support/upgraded-program.ts";
import { until } from "../support/wait.ts";

const inFolder = temporaryFolder("executable");

/** Puts the executable alone in a folder. */
async function build(): Promise<void> {
  copyFileSync(await compiledExecutable(), inFolder("evenkeel"));
}

/** Runs in the folder of the executable with an empty environment. */
function run(...argv: string[]): Program {
  return runWith({}, ...argv);
}

function runWith(env: Readonly<Record<string, string>>, ...argv: string[]): Program {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return new Program(["/usr/bin/env", "-i", ...variables, inFolder("evenkeel"), ...argv], {}, inFolder());
}

describe("the executable", () => {
  beforeAll(build, 60_000);

  test("runs without any other file: version, check, help", async () => {
    const version = run("version");
    expect((await version.exited).code).toBe(0);
    expect(version.stdout).toBe(`evenkeel ${manifest.version}\n`);
    const check = run("check");
    expect((await check.exited).code).toBe(0);
    expect(check.stdout).toContain("# ok");
    const wrong = run("proxy", "--engine", "steam");
    expect((await wrong.exited).code).toBe(2);
    expect(wrong.stderr).toContain("steam");
  });

  test("loads extensions from a file beside its configuration", async () => {
    cpSync(join(import.meta.dirname, "../../examples/extensions"), inFolder("extensions"), {
      recursive: true,
    });
    const proxy = run(
      ...["proxy", "--config", inFolder("extensions/evenkeel.yaml"), "--state", ":memory:"],
      ...["--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
    );
    const response = await fetch(`http://127.0.0.1:${await proxy.port("balancer")}/tenants`);
    expect([response.status, await response.text()]).toEqual([400, "X-Tenant is missing\n"]);
    await proxy.kill("SIGTERM");
  }, 30_000);

  test("asks DNS for members", async () => {
    const dns = await startDnsServer({ "api.internal": ["127.0.0.1"] });
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("a member")));
    try {
      const entry = `{ dns: { name: "api.internal:${origin.port}", family: ipv4 } }`;
      writeFileSync(
        inFolder("dns.yaml"),
        `resolvers: ["${dns.address}"]\npools: { main: { upstreams: [${entry}] } }\n`,
      );
      const proxy = run(
        ...["proxy", "--config", inFolder("dns.yaml"), "--state", ":memory:"],
        ...["--port", "0", "--admin-port", "0", "--host", "127.0.0.1"],
      );
      const response = await fetch(`http://127.0.0.1:${await proxy.port("balancer")}/`);
      expect([response.status, await response.text()]).toEqual([200, "a member"]);
      await proxy.kill("SIGTERM");
    } finally {
      dns.close();
      await origin.close();
    }
  }, 30_000);

  test("balances, and contains the dashboard and its assets", async () => {
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("from the origin")));
    const up = run(
      ...["up", "--port", "0", "--admin-port", "0", "--dashboard-port", "0", "--state", ":memory:"],
      ...["--upstreams", origin.url],
    );
    const dashboard = `http://127.0.0.1:${await up.port("dashboard")}`;
    const page = await (await fetch(`${dashboard}/`)).text();
    const assets = [...page.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map((match) => match[1] ?? "");
    expect(assets.length).toBeGreaterThanOrEqual(2);
    for (const asset of assets) {
      const response = await fetch(dashboard + asset);
      expect(response.status).toBe(200);
      expect((await response.text()).length).toBeGreaterThan(200);
    }
    expect(await (await fetch(`http://127.0.0.1:${await up.port("balancer")}/`)).text()).toBe(
      "from the origin",
    );
    const admin = `http://127.0.0.1:${await up.port("admin")}`;
    expect(await (await fetch(`${admin}/api/docs`)).text()).toContain("/api/docs/style.css");
    expect(await (await fetch(`${admin}/api/docs/style.css`)).text()).toContain("color-scheme");
    const status = run("status", "--admin-url", admin);
    expect((await status.exited).code).toBe(0);
    expect(status.stdout).toContain("The only upstream serves");
    expect((await up.kill("SIGTERM")).code).toBe(0);
    await origin.close();
  }, 20_000);

  test("contains modules that only some configurations load: access log and traces", async () => {
    const collector = await startCollector();
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const proxy = run(
      ...["proxy", "--port", "0", "--admin-port", "0", "--state", ":memory:", "--upstreams", origin.url],
      ...["--access-log", "stdout", "--otlp-endpoint", collector.url],
    );
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const url = `http://127.0.0.1:${await proxy.port("balancer")}/seen`;
    expect((await fetch(url, { headers: { traceparent } })).status).toBe(200);
    expect((await proxy.kill("SIGTERM")).code).toBe(0);
    expect(proxy.stdout).toContain('"target":"/seen"');
    expect(collector.spans().map(({ kind }) => kind)).toEqual([2, 3]);
    collector.close();
    await origin.close();
  });

  test("is replaced on disk: workers stay of the old version, and an upgrade takes the new one", async () => {
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const folder = inFolder("upgrade");
    mkdirSync(folder);
    const [installed, link] = [join(folder, "evenkeel-1"), join(folder, "evenkeel")];
    copyFileSync(inFolder("evenkeel"), installed);
    symlinkSync("evenkeel-1", link);
    const proxy = new Program([
      ...["/usr/bin/env", "-i", "PATH=/usr/bin:/bin", link, "proxy", "--port", "0", "--admin-port", "0"],
      ...["--host", "127.0.0.1", "--workers", "2", "--state", ":memory:", "--upstreams", origin.url],
    ]);
    const url = `http://127.0.0.1:${await proxy.port("balancer")}/`;
    const admin = `http://127.0.0.1:${await proxy.port("admin")}`;
    await using upgraded = new UpgradedProgram(proxy);
    const workers = async () =>
      ((await (await fetch(`${admin}/api/snapshot`)).json()) as Snapshot).workers ?? [];
    const executableOf = (pid: number) => readlinkSync(`/proc/${pid}/exe`);

    copyFileSync(inFolder("evenkeel"), join(folder, "evenkeel-2"));
    symlinkSync("evenkeel-2", join(folder, "next"));
    renameSync(join(folder, "next"), link);
    rmSync(installed);
    const [killed] = await workers();
    process.kill(killed?.pid ?? 0, "SIGKILL");
    await until(
      async () => (await workers()).some(({ ready, restarts }) => ready && restarts > 0),
      "the worker",
    );
    for (const { pid } of await workers()) expect(executableOf(pid)).toBe(`${installed} (deleted)`);

    const upgrade = run("upgrade", "--admin-url", admin);
    expect((await upgrade.exited).code).toBe(0);
    // The process that ends may write its last line after the command has ended.
    const hasMoved = () => executableOf(upgraded.pid) === join(folder, "evenkeel-2");
    await until(hasMoved, "the new process, of the new executable");
    for (const { pid } of await workers()) expect(executableOf(pid)).toBe(join(folder, "evenkeel-2"));
    expect(await (await fetch(url)).text()).toBe("ok");
    await origin.close();
  }, 30_000);

  test("handles signals: nothing for ALRM, reopened logs for USR1, a drain for QUIT, an early end", async () => {
    const origin = await startOrigin((_, socket) => void socket.write(respondWith("ok")));
    const argv = [
      "proxy",
      "--port",
      "0",
      "--admin-port",
      "0",
      "--state",
      ":memory:",
      "--upstreams",
      origin.url,
    ];
    const proxy = run(...argv);
    const url = `http://127.0.0.1:${await proxy.port("balancer")}/`;
    for (const signal of ["SIGALRM", "SIGUSR1"] as const) proxy.child.kill(signal);
    await until(() => proxy.stderr.includes("log files reopened"), "the line");
    expect((await fetch(url)).status).toBe(200);
    expect(await proxy.kill("SIGQUIT")).toEqual({ code: 0, signal: null });
    expect(proxy.stderr).toContain("drain started");
    let isEarly = false;
    for (let delayMs = 0; !isEarly && delayMs < 500; delayMs += 5) {
      const program = run(...argv);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      const { code, signal } = await program.kill("SIGTERM");
      expect(signal ?? code).toBeOneOf([0, "SIGTERM"]);
      isEarly = program.stderr.includes("Stopped by SIGTERM before the start was over.");
    }
    expect(isEarly).toBe(true);
    await origin.close();
  }, 30_000);

  test.each([
    ["a flag", ["--engine", "fetch"], {}],
    ["a variable", [], { EVENKEEL_ENGINE: "fetch" }],
    ["the configuration file", ["--config", inFolder("fetch.yaml")], {}],
  ])(
    "forwards more than 256 concurrent requests on the fetch engine, selected with %s",
    async (_, flags, env) => {
      writeFileSync(inFolder("fetch.yaml"), "engine: fetch\n");
      let waiting = 0;
      const responses: (() => void)[] = [];
      const origin = await startOrigin((_, socket) => {
        waiting += 1;
        responses.push(() => socket.write(respondWith("ok")));
      });
      // Each upstream may have 256 in flight.
      const upstreams = ["a", "b"].map((name) => `${origin.url};name=${name}`).join(",");
      const proxy = runWith(
        env,
        ...["proxy", "--port", "0", "--admin-port", "0", "--state", ":memory:", "--upstreams", upstreams],
        ...flags,
      );
      const port = await proxy.port("balancer");
      const clients = await Promise.all(Array.from({ length: 400 }, () => RawClient.connect(port)));
      for (const client of clients) client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      await until(() => waiting === 400, "all requests to be in flight at once");
      for (const response of responses) response();
      for (const client of clients) expect((await client.readResponse()).status).toBe(200);
      for (const client of clients) client.destroy();
      expect((await proxy.kill("SIGTERM")).code).toBe(0);
      await origin.close();
    },
    20_000,
  );
});
