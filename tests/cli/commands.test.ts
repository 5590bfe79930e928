import { describe, expect, test } from "bun:test";
import { backendArguments } from "../../src/cli/side-commands.ts";
import {
  adminTargetFlags,
  backendFlags,
  balancerFlags,
  companionFlags,
  configFlag,
  dashboardFlags,
  watchFlag,
} from "../../src/cli/flags.ts";
import { systemEnvironment } from "../../src/cli/environment.ts";
import { version } from "../../src/config/config.ts";
import { policyNames } from "../../src/policy/policies.ts";
import { parse } from "../../src/cli/parse.ts";
import { describeConfigError } from "../../src/config/problem.ts";
import { problemsOf, type Input, environmentWith, parsed } from "./fake.ts";

describe("up", () => {
  test("starts three demo servers and probes /readyz without configured upstreams", () => {
    const { backends, config } = parsed("up", { argv: "up" });
    expect(backends.map(({ name, hostname, port }) => `${name} ${hostname}:${port}`)).toEqual([
      "demo-1 127.0.0.1:8081",
      "demo-2 127.0.0.1:8082",
      "demo-3 127.0.0.1:8083",
    ]);
    expect(config.pools[0]?.upstreams.map(({ address }) => address.port)).toEqual([8081, 8082, 8083]);
    expect(config.pools[0]?.probe).toMatchObject({ kind: "http", path: "/readyz" });
  });

  test.each([
    { argv: "up --upstreams http://localhost:8081" },
    { argv: "up", env: { BACKEND_SERVERS: "http://localhost:8081" } },
    { argv: "up", files: { "evenkeel.yaml": "pools: { main: { upstreams: [http://localhost:8081] } }" } },
  ])("starts none, and probes by TCP, with upstreams from %p", (input) => {
    const { backends, config } = parsed("up", input);
    expect(backends).toEqual([]);
    expect(config.pools[0]?.probe.kind).toBe("tcp");
  });

  test("keeps a probe path and a policy that were chosen for the demo", () => {
    const { backends, config } = parsed("up", { argv: "up --probe-path /healthz --policy p2c" });
    expect(backends).toHaveLength(3);
    expect(config.pools[0]).toMatchObject({ policy: "p2c", probe: { path: "/healthz" } });
  });

  test("keeps its demo with a file without pools", () => {
    const input = { argv: "up", files: { "evenkeel.yaml": "listen: { port: 9000 }" } };
    expect(parsed("up", input).backends).toHaveLength(3);
  });
});

test("a demo server's settings survive a round trip through its command line", () => {
  for (const backend of [
    ...parsed("up", { argv: "up" }).backends,
    parsed("backend", { argv: "backend --latency 1ms-2s" }).backend,
  ]) {
    expect(parsed("backend", { argv: backendArguments(backend) }).backend).toEqual(backend);
  }
});

describe("help and version", () => {
  test.each(["version", "--version", "-V"])("%s prints the version", (argv) =>
    expect(parsed("version", { argv }).text).toBe(`evenkeel ${version}`),
  );

  test.each(["", "--help", "-h", "help"])("evenkeel %s lists the commands", (argv) => {
    const { text } = parsed("help", { argv });
    for (const name of ["up", "proxy", "backend", "dashboard", "check", "plan", "state", "version"])
      expect(text).toContain(`  ${name} `);
  });

  const flagsOf = {
    up: [...balancerFlags, configFlag, watchFlag, ...companionFlags],
    proxy: [...balancerFlags, configFlag, watchFlag],
    plan: [configFlag, ...adminTargetFlags],
    state: adminTargetFlags,
    check: [...balancerFlags, configFlag, ...companionFlags],
    backend: backendFlags,
    dashboard: dashboardFlags,
  };
  for (const [name, flags] of Object.entries(flagsOf)) {
    test(`${name} --help names every flag, its variable and its default, within 100 columns`, () => {
      const { text } = parsed("help", { argv: `${name} --help` });
      const words = text.replace(/\s+/g, " ");
      for (const flag of flags) {
        if (flag.name) expect(words).toContain(`${flag.name} ${flag.value}`.trim());
        expect(words).toContain(flag.variable);
        if (flag.fallback) expect(words).toContain(`default ${flag.fallback})`);
      }
      expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
      expect(parsed("help", { argv: `help ${name}` }).text).toBe(text);
    });
  }

  test("proxy --help explains every policy", () => {
    const { text } = parsed("help", { argv: "proxy --help" });
    for (const policy of policyNames) expect(text).toContain(`  ${policy} `);
  });

  test("--help works even if the rest of the line is invalid", () =>
    expect(parsed("help", { argv: "proxy --port x --help" }).text).toContain("Usage: evenkeel proxy"));
});

describe("the system environment", () => {
  test("returns undefined for a missing file, and throws with the system's code for a folder", () => {
    const { read } = systemEnvironment({});
    expect(read(`${import.meta.dirname}/no-such-file`)).toBeUndefined();
    expect(read(import.meta.path)).toContain("returns undefined");
    expect(() => read(import.meta.dirname)).toThrow(expect.objectContaining({ code: "EISDIR" }));
  });

  test("keeps state where XDG_STATE_HOME points, else below the home folder", () => {
    expect(systemEnvironment({ XDG_STATE_HOME: "/x", HOME: "/h" }).stateFolder).toBe("/x/evenkeel");
    expect(systemEnvironment({ XDG_STATE_HOME: "relative", HOME: "/h" }).stateFolder).toStartWith("/h/");
    expect(systemEnvironment({}).stateFolder).toEndWith("evenkeel");
  });
});

describe("a balancer's configuration file", () => {
  const fileOf = (input: Input) => parsed("proxy", input).configFile;
  const files = { "evenkeel.yaml": "listen: { port: 9000 }", "other.yaml": "listen: { port: 9001 }" };
  test.each<{ input: Input; expected: ReturnType<typeof fileOf> }>([
    { input: { argv: "proxy" }, expected: { path: "evenkeel.yaml", exists: false, isWatched: false } },
    { input: { argv: "proxy", files }, expected: { path: "evenkeel.yaml", exists: true, isWatched: false } },
    {
      input: { argv: "proxy --watch --config other.yaml", files },
      expected: { path: "other.yaml", exists: true, isWatched: true },
    },
    {
      input: { argv: "proxy", env: { EVENKEEL_WATCH: "1", EVENKEEL_CONFIG: "other.yaml" }, files },
      expected: { path: "other.yaml", exists: true, isWatched: true },
    },
    {
      input: { argv: "proxy", env: { EVENKEEL_WATCH: "off" } },
      expected: { path: "evenkeel.yaml", exists: false, isWatched: false },
    },
  ])("is found and watched for %j", ({ input, expected }) => expect(fileOf(input)).toEqual(expected));

  test("may be replaced by a text, and must exist if it existed before", () => {
    const reread = (more: object) => parse(["proxy"], {}, { ...environmentWith(), ...more });
    const other = reread({ file: { name: "new.yaml", text: "listen: { port: 9002 }" } });
    expect(other.kind === "proxy" && other.config.listeners[0].port).toBe(9002);
    const gone = reread({ isFileExpected: true });
    expect(gone.kind === "invalid" && describeConfigError(gone)).toBe(
      'Cannot read the configuration: the file no longer exists (received "evenkeel.yaml").',
    );
  });
});

describe("plan and state", () => {
  test("call the named admin API, with the token from the environment", () => {
    const env = { ADMIN_URL: "http://10.0.0.1:8091/", ADMIN_TOKEN: "s3cret" };
    const ask = { adminUrl: "http://10.0.0.1:8091", adminToken: "s3cret" };
    expect(parsed("state", { argv: "state export", env }).target).toEqual(ask);
    expect(parsed("plan", { argv: "plan", env })).toEqual({ kind: "plan", target: ask });
    expect(parsed("plan", { argv: "plan --admin-url http://[::1]:1" }).target.adminUrl).toBe(
      "http://[::1]:1",
    );
  });

  test("plan sends the file's text unchanged, valid or not: the balancer checks it", () => {
    const files = { "new.yaml": "listen: nonsense" };
    const { file } = parsed("plan", { argv: "plan --config new.yaml", files });
    expect(file).toEqual({ name: "new.yaml", text: "listen: nonsense" });
    expect(problemsOf({ argv: "plan --config gone.yaml --admin-url x" })).toHaveLength(2);
  });

  test.each(["state", "state import"])("%s is refused", (argv) =>
    expect(problemsOf({ argv })).toHaveLength(1),
  );
});

test("a folder as configuration is one sentence", () => {
  const result = parse(["check", "--config", import.meta.dirname], {}, systemEnvironment({}));
  expect(result.kind === "invalid" && describeConfigError(result)).toBe(
    `Cannot use --config: it is a directory (received "${import.meta.dirname}").`,
  );
});

test("every command starts without flags", () => {
  for (const argv of ["up", "proxy", "backend", "dashboard", "check"])
    expect(problemsOf({ argv })).toEqual([]);
});
