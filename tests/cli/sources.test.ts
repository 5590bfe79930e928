import { describe, expect, test } from "bun:test";
import type { BackendConfig, DashboardConfig } from "../../src/config/config.ts";
import type { ResolvedConfig } from "../../src/config/defaults.ts";
import { spawnSync } from "node:child_process";
import { temporaryFolder } from "../support/folder.ts";
import { parsed, parseInput } from "./fake.ts";

/** One setting with a different value in each source; `file` is undefined for commands without a file. */
interface Row<Source> {
  readonly flag?: readonly [name: string, text: string, value: unknown];
  readonly env: readonly [name: string, text: string, value: unknown];
  readonly file?: readonly [text: string, value: unknown];
  readonly fallback: unknown;
  readonly read: (source: Source) => unknown;
}

const upstreams = "upstreams: [http://u:1]";

const balancerRows: readonly Row<ResolvedConfig>[] = [
  {
    flag: ["--port", "1001", 1001],
    env: ["PROXY_PORT", "1002", 1002],
    file: ["listen: { port: 1003 }", 1003],
    fallback: 8080,
    read: ({ config }) => config.listeners[0].port,
  },
  {
    flag: ["--host", "10.0.0.1", "10.0.0.1"],
    env: ["PROXY_HOST", "localhost", "localhost"],
    file: ["listen: { host: '::1' }", "::1"],
    fallback: "0.0.0.0",
    read: ({ config }) => config.listeners[0].hostname,
  },
  {
    flag: ["--upstreams", "http://a:1,https://b;weight=3", "http://a:1 1,https://b:443 3"],
    env: ["BACKEND_SERVERS", "http://c", "http://c:80 1"],
    file: ["pools: { main: { upstreams: ['http://[::1]:5'] } }", "http://[::1]:5 1"],
    fallback: "http://localhost:8081 1,http://localhost:8082 1,http://localhost:8083 1",
    read: ({ config }) =>
      config.pools[0]?.upstreams
        .map(({ address, weight }) => `${address.protocol}://${address.hostname}:${address.port} ${weight}`)
        .join(","),
  },
  {
    flag: ["--policy", "p2c", "p2c"],
    env: ["EVENKEEL_POLICY", "hash", "hash"],
    file: [`pools: { main: { policy: first, ${upstreams} } }`, "first"],
    fallback: "round-robin",
    read: ({ config }) => config.pools[0]?.policy,
  },
  {
    flag: ["--probe-path", "/flag", "http /flag"],
    env: ["EVENKEEL_PROBE_PATH", "/env", "http /env"],
    file: [`pools: { main: { probe: { path: /file }, ${upstreams} } }`, "http /file"],
    fallback: "tcp undefined",
    read: ({ config }) => `${config.pools[0]?.probe.kind} ${config.pools[0]?.probe.path}`,
  },
  {
    flag: ["--engine", "fetch", "fetch"],
    env: ["EVENKEEL_ENGINE", "fetch", "fetch"],
    file: ["engine: fetch", "fetch"],
    fallback: "wire",
    read: ({ config }) => config.engine,
  },
  {
    flag: ["--workers", "auto", "auto"],
    env: ["EVENKEEL_WORKERS", "3", 3],
    file: ["workers: 2", 2],
    fallback: 1,
    read: ({ config }) => config.workers,
  },
  {
    flag: ["--admin-port", "0", 0],
    env: ["ADMIN_PORT", "1002", 1002],
    file: ["admin: { port: 1003 }", 1003],
    fallback: 8091,
    read: ({ config }) => config.admin.port,
  },
  {
    flag: ["--admin-host", "127.0.0.2", "127.0.0.2"],
    env: ["ADMIN_HOST", "localhost", "localhost"],
    file: ["admin: { host: '[::1]' }", "::1"],
    fallback: "127.0.0.1",
    read: ({ config }) => config.admin.hostname,
  },
  {
    env: ["ADMIN_TOKEN", "from-env", "from-env"],
    file: ["admin: { token: from-file }", "from-file"],
    fallback: undefined,
    read: ({ config }) => config.admin.token,
  },
  {
    env: ["EVENKEEL_STICKY_SECRET", "e".repeat(32), "e".repeat(32)],
    file: [`stickySecret: ${"f".repeat(32)}`, "f".repeat(32)],
    fallback: undefined,
    read: ({ config }) => config.stickySecrets?.[0],
  },
  {
    flag: ["--state", "a.db", "a.db"],
    env: ["EVENKEEL_STATE", ":memory:", ":memory:"],
    file: ["state: c.db", "c.db"],
    fallback: "/state/state.db",
    read: ({ config }) => config.state,
  },
  {
    flag: ["--drain-delay", "5s", 5000],
    env: ["EVENKEEL_DRAIN_DELAY", "10ms", 10],
    file: ["drainDelay: 1m", 60_000],
    fallback: 0,
    read: ({ config }) => config.drainDelayMs,
  },
  {
    flag: ["--drain-timeout", "1s", 1000],
    env: ["EVENKEEL_DRAIN_TIMEOUT", "0", 0],
    file: ["drainTimeout: 2m", 120_000],
    fallback: 30_000,
    read: ({ config }) => config.drainTimeoutMs,
  },
];

const companionRows: readonly Row<ResolvedConfig>[] = [
  {
    flag: ["--dashboard-port", "1001", 1001],
    env: ["DASHBOARD_PORT", "1002", 1002],
    file: ["dashboard: { port: 1003 }", 1003],
    fallback: 8090,
    read: ({ dashboard }) => dashboard.port,
  },
  {
    flag: ["--dashboard-host", "127.0.0.2", "127.0.0.2"],
    env: ["DASHBOARD_HOST", "::1", "::1"],
    file: ["dashboard: { host: localhost }", "localhost"],
    fallback: "127.0.0.1",
    read: ({ dashboard }) => dashboard.hostname,
  },
];

const backendRows: readonly Row<BackendConfig>[] = [
  { flag: ["--port", "0", 0], env: ["SERVER_PORT", "2", 2], fallback: 8081, read: ({ port }) => port },
  {
    flag: ["--host", "::1", "::1"],
    env: ["SERVER_HOST", "a.b", "a.b"],
    fallback: "0.0.0.0",
    read: (b) => b.hostname,
  },
  {
    flag: ["--name", "one", "one"],
    env: ["SERVER_NAME", "two", "two"],
    fallback: "machine",
    read: ({ name }) => name,
  },
  {
    flag: ["--latency", "80ms", { min: 80, max: 80 }],
    env: ["SERVER_LATENCY", "0", { min: 0, max: 0 }],
    fallback: { min: 50, max: 150 },
    read: ({ latencyMs }) => latencyMs,
  },
  {
    flag: ["--fail-rate", ".5", 0.5],
    env: ["SERVER_FAIL_RATE", "1", 1],
    fallback: 0,
    read: (b) => b.failRate,
  },
];

const dashboardRows: readonly Row<DashboardConfig>[] = [
  { flag: ["--port", "0", 0], env: ["DASHBOARD_PORT", "2", 2], fallback: 8090, read: ({ port }) => port },
  {
    flag: ["--host", "::", "::"],
    env: ["DASHBOARD_HOST", "a", "a"],
    fallback: "127.0.0.1",
    read: (d) => d.hostname,
  },
  {
    flag: ["--balancer-url", "http://a:1/", "http://a:1"],
    env: ["LOAD_BALANCER_URL", "https://b", "https://b"],
    fallback: "http://localhost:8080",
    read: ({ balancerUrl }) => balancerUrl,
  },
  {
    flag: ["--admin-url", "http://a:1", "http://a:1"],
    env: ["ADMIN_URL", "http://b:2", "http://b:2"],
    fallback: "http://localhost:8091",
    read: ({ adminUrl }) => adminUrl,
  },
  {
    flag: ["--other-admin-urls", "http://a:1/,http://b:2", ["http://a:1", "http://b:2"]],
    env: ["OTHER_ADMIN_URLS", "http://c:3", ["http://c:3"]],
    fallback: undefined,
    read: ({ otherAdminUrls }) => otherAdminUrls,
  },
  { env: ["ADMIN_TOKEN", "t", "t"], fallback: undefined, read: ({ adminToken }) => adminToken },
];

/** Removes the sources one by one, from the highest precedence. */
function walk<Source>(
  command: string,
  rows: readonly Row<Source>[],
  run: (input: Parameters<typeof parsed>[1]) => Source,
) {
  describe(command, () => {
    for (const { flag, env, file, fallback, read } of rows) {
      const name = flag?.[0] ?? env[0];
      const files: Record<string, string> = file ? { "evenkeel.yaml": file[0] } : {};
      const variables = { [env[0]]: env[1] };
      if (flag) {
        const argv = [command, flag[0], flag[1]];
        test(`${name} counts before ${env[0]} and the file`, () =>
          expect(read(run({ argv, env: variables, files }))).toEqual(flag[2]));
      }
      test(`${env[0]} counts before the file`, () =>
        expect(read(run({ argv: command, env: variables, files }))).toEqual(env[2]));
      if (file) {
        test(`the file says ${name} before the default`, () =>
          expect(read(run({ argv: command, files }))).toEqual(file[1]));
      }
      test(`${name} has a default, also with an empty variable`, () => {
        expect(read(run({ argv: command }))).toEqual(fallback);
        expect(read(run({ argv: command, env: { [env[0]]: "" } }))).toEqual(fallback);
      });
    }
  });
}

const nowhere = { hostname: "", port: 0 };
walk("proxy", balancerRows, (input) => ({ config: parsed("proxy", input).config, dashboard: nowhere }));
walk("check", balancerRows, (input) => ({ config: parsed("check", input).config, dashboard: nowhere }));
walk("up", companionRows, (input) => parsed("up", input));
walk("backend", backendRows, (input) => parsed("backend", input).backend);
walk("dashboard", dashboardRows, (input) => parsed("dashboard", input).dashboard);

describe("the configuration file", () => {
  const files = {
    "a.yaml": "listen: { port: 1 }",
    "b.yaml": "listen: { port: 2 }",
    "evenkeel.yaml": "listen: { port: 3 }",
  };
  const portWith = (argv: string, env = {}) => parsed("proxy", { argv, env, files }).config.listeners[0].port;

  test("is the one that --config names, else EVENKEEL_CONFIG, else evenkeel.yaml", () => {
    expect(portWith("proxy --config a.yaml", { EVENKEEL_CONFIG: "b.yaml" })).toBe(1);
    expect(portWith("proxy", { EVENKEEL_CONFIG: "b.yaml" })).toBe(2);
    expect(portWith("proxy")).toBe(3);
  });

  test("may be missing if it is not named", () =>
    expect(parsed("proxy", { argv: "proxy" }).config.listeners[0].port).toBe(8080));

  test("may leave the first pool's upstreams to the command line, which changes no other pool", () => {
    const file = "pools: { b: { policy: p2c }, a: { upstreams: [http://a] } }";
    const input = { argv: "proxy --upstreams http://b:1 --policy first", files: { "evenkeel.yaml": file } };
    const pools = parsed("proxy", input).config.pools;
    expect(pools.map(({ name, policy, upstreams }) => [name, policy, upstreams[0]?.id])).toEqual([
      ["b", "first", "b:1"],
      ["a", "round-robin", "a:80"],
    ]);
  });

  test("may have an invalid value where a flag or variable overrides it", () => {
    const input = { argv: "proxy --port 5", files: { "evenkeel.yaml": "listen: { port: -1 }" } };
    expect(parsed("proxy", input).config.listeners[0].port).toBe(5);
  });
});

test("--upstreams may be repeated; of any other repeated flag the last value counts", () => {
  const { config } = parsed("proxy", {
    argv: "proxy --upstreams http://a --upstreams http://b --port 1 --port 2",
  });
  expect(config.pools[0]?.upstreams.map(({ id }) => id)).toEqual(["a:80", "b:80"]);
  expect(config.listeners[0].port).toBe(2);
});

test("check warns of files of members that are missing or have a mistake, with its line", () => {
  const files = {
    "/lb.yaml":
      "pools: { a: { upstreams: [{ file: /gone.yaml }] }, b: { upstreams: [{ file: /bad.yaml }, { file: /good.yaml }] } }\n",
    "/bad.yaml": "members:\n  - ftp://10.0.0.1\n",
    "/good.yaml": "members: [http://10.0.0.1:80]\n",
  };
  const { text } = parsed("check", { argv: "check --config /lb.yaml", files });
  expect(text.split("\n").filter((line) => /gone|bad|good/.test(line) && line.startsWith("#"))).toEqual([
    "# warning: pool a: /gone.yaml: file not found",
    '# warning: pool b: /bad.yaml:2:5: members[0].url: the protocol must be http or https (received "ftp://10.0.0.1")',
  ]);
});

const inFolder = temporaryFolder("secrets");

test.each(["pipe", "device"])("a secret in a %s is refused, and not waited for", (kind) => {
  const path = kind === "device" ? "/dev/zero" : inFolder("pipe");
  if (kind === "pipe") spawnSync("mkfifo", [path]);
  const file = `alerts: [{ url: "https://a.example/", secretFile: "${path}" }]\n${upstreams}`;
  expect(JSON.stringify(parseInput({ argv: "proxy --config e.yaml", files: { "e.yaml": file } }))).toContain(
    "it is no regular file",
  );
});
