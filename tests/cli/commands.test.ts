import { describe, expect, test } from "bun:test";
import { backendArguments, demoBackends } from "../../src/cli/side-commands.ts";
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
import { problemsOf, type Said, surroundingsWith, understood } from "./fake.ts";

describe("up", () => {
  test("brings three demo servers and probes /readyz if nobody names upstreams", () => {
    const { backends, config } = understood("up", { argv: "up" });
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
  ])("brings none, and probes by TCP, with upstreams from %p", (said) => {
    const { backends, config } = understood("up", said);
    expect(backends).toEqual([]);
    expect(config.pools[0]?.probe.kind).toBe("tcp");
  });

  test("keeps a probe path and a policy that were chosen for the demo", () => {
    const { backends, config } = understood("up", { argv: "up --probe-path /healthz --policy p2c" });
    expect(backends).toHaveLength(3);
    expect(config.pools[0]).toMatchObject({ policy: "p2c", probe: { path: "/healthz" } });
  });

  test("keeps its demo with a file that says nothing of pools", () => {
    const said = { argv: "up", files: { "evenkeel.yaml": "listen: { port: 9000 }" } };
    expect(understood("up", said).backends).toHaveLength(3);
  });
});

test("a demo server's settings survive the way over its command line", () => {
  for (const backend of [
    ...demoBackends(),
    understood("backend", { argv: "backend --latency 1ms-2s" }).backend,
  ]) {
    expect(understood("backend", { argv: backendArguments(backend) }).backend).toEqual(backend);
  }
});

describe("help and version", () => {
  test.each(["version", "--version", "-V"])("%s tells the version", (argv) =>
    expect(understood("version", { argv }).text).toBe(`evenkeel ${version}`),
  );

  test.each(["", "--help", "-h", "help"])("evenkeel %s lists the commands", (argv) => {
    const { text } = understood("help", { argv });
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
      const { text } = understood("help", { argv: `${name} --help` });
      const words = text.replace(/\s+/g, " ");
      for (const flag of flags) {
        if (flag.name) expect(words).toContain(`${flag.name} ${flag.value}`.trim());
        expect(words).toContain(flag.variable);
        if (flag.fallback) expect(words).toContain(`default ${flag.fallback})`);
      }
      expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
      expect(understood("help", { argv: `help ${name}` }).text).toBe(text);
    });
  }

  test("proxy --help explains every policy", () => {
    const { text } = understood("help", { argv: "proxy --help" });
    for (const policy of policyNames) expect(text).toContain(`  ${policy} `);
  });

  test("--help is answered even if the rest of the line is wrong", () =>
    expect(understood("help", { argv: "proxy --port x --help" }).text).toContain("Usage: evenkeel proxy"));
});

describe("the real surroundings", () => {
  test("have no file where there is none, and throw with the system's code for a folder", () => {
    const { read } = systemEnvironment({});
    expect(read(`${import.meta.dirname}/no-such-file`)).toBeUndefined();
    expect(read(import.meta.path)).toContain("have no file");
    expect(() => read(import.meta.dirname)).toThrow(expect.objectContaining({ code: "EISDIR" }));
  });

  test("keep state where XDG says, else below the home folder", () => {
    expect(systemEnvironment({ XDG_STATE_HOME: "/x", HOME: "/h" }).stateFolder).toBe("/x/evenkeel");
    expect(systemEnvironment({ XDG_STATE_HOME: "relative", HOME: "/h" }).stateFolder).toStartWith("/h/");
    expect(systemEnvironment({}).stateFolder).toEndWith("evenkeel");
  });
});

describe("a balancer's configuration file", () => {
  const fileOf = (said: Said) => understood("proxy", said).configFile;
  const files = { "evenkeel.yaml": "listen: { port: 9000 }", "other.yaml": "listen: { port: 9001 }" };
  test.each<{ said: Said; expected: ReturnType<typeof fileOf> }>([
    { said: { argv: "proxy" }, expected: { path: "evenkeel.yaml", exists: false, isWatched: false } },
    { said: { argv: "proxy", files }, expected: { path: "evenkeel.yaml", exists: true, isWatched: false } },
    {
      said: { argv: "proxy --watch --config other.yaml", files },
      expected: { path: "other.yaml", exists: true, isWatched: true },
    },
    {
      said: { argv: "proxy", env: { EVENKEEL_WATCH: "1", EVENKEEL_CONFIG: "other.yaml" }, files },
      expected: { path: "other.yaml", exists: true, isWatched: true },
    },
    {
      said: { argv: "proxy", env: { EVENKEEL_WATCH: "off" } },
      expected: { path: "evenkeel.yaml", exists: false, isWatched: false },
    },
  ])("is known and watched as %j says", ({ said, expected }) => expect(fileOf(said)).toEqual(expected));

  test("may be replaced by a text, and is missed if it was there before", () => {
    const again = (more: object) => parse(["proxy"], {}, { ...surroundingsWith(), ...more });
    const other = again({ file: { name: "new.yaml", text: "listen: { port: 9002 }" } });
    expect(other.kind === "proxy" && other.config.listen.port).toBe(9002);
    const gone = again({ isFileExpected: true });
    expect(gone.kind === "invalid" && describeConfigError(gone)).toBe(
      'Cannot read the configuration: the file no longer exists (received "evenkeel.yaml").',
    );
  });
});

describe("plan and state", () => {
  test("ask the admin side that was named, with the token from the environment", () => {
    const env = { ADMIN_URL: "http://10.0.0.1:8091/", ADMIN_TOKEN: "s3cret" };
    const ask = { adminUrl: "http://10.0.0.1:8091", adminToken: "s3cret" };
    expect(understood("state", { argv: "state export", env }).target).toEqual(ask);
    expect(understood("plan", { argv: "plan", env })).toEqual({ kind: "plan", target: ask });
    expect(understood("plan", { argv: "plan --admin-url http://[::1]:1" }).target.adminUrl).toBe(
      "http://[::1]:1",
    );
  });

  test("plan takes the file's text as it is, right or wrong: the balancer knows the rest", () => {
    const files = { "new.yaml": "listen: nonsense" };
    const { file } = understood("plan", { argv: "plan --config new.yaml", files });
    expect(file).toEqual({ name: "new.yaml", text: "listen: nonsense" });
    expect(problemsOf({ argv: "plan --config gone.yaml --admin-url x" })).toHaveLength(2);
  });

  test.each(["state", "state import"])("%s is refused", (argv) =>
    expect(problemsOf({ argv })).toHaveLength(1),
  );
});

test("a folder as configuration is one clear sentence", () => {
  const result = parse(["check", "--config", import.meta.dirname], {}, systemEnvironment({}));
  expect(result.kind === "invalid" && describeConfigError(result)).toBe(
    `Cannot use --config: it is a directory (received "${import.meta.dirname}").`,
  );
});

test("nothing is wrong with a plain start of any command", () => {
  for (const argv of ["up", "proxy", "backend", "dashboard", "check"])
    expect(problemsOf({ argv })).toEqual([]);
});
