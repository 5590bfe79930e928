import { describe, expect, test } from "bun:test";
import { engineNames } from "../../src/config/config.ts";
import { parseInput, problemsOf } from "./fake.ts";

const expectedEngine = `expected one of ${engineNames.join(", ")}`;
const expectedPort = "expected a whole number from 0 to 65535";

describe("a line with invalid syntax is one sentence", () => {
  test.each([
    ["proxy --prot 1", 'Cannot run evenkeel proxy: unknown flag --prot; did you mean "--port"?'],
    ["proxy --prot=1", 'Cannot run evenkeel proxy: unknown flag --prot; did you mean "--port"?'],
    ["proxy --xyzzy", "Cannot run evenkeel proxy: unknown flag --xyzzy; see evenkeel proxy --help."],
    ["proxy --latency 1s", "Cannot run evenkeel proxy: unknown flag --latency; see evenkeel proxy --help."],
    [
      "proxy --admin-token t",
      "Cannot run evenkeel proxy: unknown flag --admin-token; see evenkeel proxy --help.",
    ],
    ["--port 1", "Cannot run evenkeel: unknown flag --port; see evenkeel --help."],
    ["prxy", 'Cannot run evenkeel "prxy": unknown command; did you mean "proxy"?'],
    ["help bakend", 'Cannot run evenkeel "bakend": unknown command; did you mean "backend"?'],
    [
      "x",
      'Cannot run evenkeel "x": unknown command; expected one of init, up, proxy, backend, dashboard, check, plan, state, status, fleet, problems, routes, alerts, silence, ready, drain, maintenance, weight, add, remove, rehearse, events, explain, dry-run, upgrade, password, token, version.',
    ],
    ["proxy --port", "Cannot use --port: missing value."],
    ["proxy 8080", 'Cannot run evenkeel proxy: unexpected argument; expected only flags (received "8080").'],
    [
      "version x y",
      'Cannot run evenkeel version: unexpected argument; expected only flags (received "x y").',
    ],
  ])("%s", (argv, sentence) => expect(problemsOf({ argv })).toEqual([sentence]));
});

describe("a bad value is one sentence that names the flag and the value", () => {
  const duration = "expected a duration such as 250ms, 30s or 1h";
  const url = "expected a URL such as http://10.0.0.1:8080";
  const path = "expected a path that starts with /";
  test.each<[string, string]>([
    ["proxy --port http", `Cannot use --port: ${expectedPort} (received "http").`],
    ["proxy --port 65536", `Cannot use --port: ${expectedPort} (received "65536").`],
    ["proxy --port -1", `Cannot use --port: ${expectedPort} (received "-1").`],
    ["proxy --port 80.5", `Cannot use --port: ${expectedPort} (received "80.5").`],
    ["proxy --port 0x50", `Cannot use --port: ${expectedPort} (received "0x50").`],
    ["proxy --port=", `Cannot use --port: ${expectedPort} (received "").`],
    ["proxy --port --policy", `Cannot use --port: ${expectedPort} (received "--policy").`],
    ["proxy --host a/b", 'Cannot use --host: expected an IP address or a host name (received "a/b").'],
    [
      "proxy --policy robin",
      'Cannot use --policy: expected one of round-robin, least-connections, random, p2c, hash, first, or extension:NAME (received "robin").',
    ],
    [
      "proxy --policy lest-connections",
      "Cannot use --policy: expected one of round-robin, least-connections, random, p2c, hash, first, or extension:NAME" +
        ' (received "lest-connections"); did you mean "least-connections"?',
    ],
    [
      "proxy --otlp-endpoint http://me:s3cret@localhost:4318",
      "Cannot use --otlp-endpoint: expected a URL such as http://localhost:4318 without a user name or password" +
        ' (received "http://***@localhost:4318").',
    ],
    ["proxy --engine steam", `Cannot use --engine: ${expectedEngine} (received "steam").`],
    ["proxy --probe-path readyz", `Cannot use --probe-path: ${path} (received "readyz").`],
    ["proxy --admin-port x", `Cannot use --admin-port: ${expectedPort} (received "x").`],
    ["proxy --state=", 'Cannot use --state: expected a path or :memory: (received "").'],
    ["proxy --drain-timeout 30", `Cannot use --drain-timeout: ${duration}, or 0 (received "30").`],
    [
      "proxy --drain-timeout 577h",
      'Cannot use --drain-timeout: expected a duration of at most 576h (received "577h").',
    ],
    ["proxy --config nope.yaml", 'Cannot use --config: file not found (received "nope.yaml").'],
    ["proxy --config=", 'Cannot use --config: expected a file name (received "").'],
    ["up --dashboard-port x", `Cannot use --dashboard-port: ${expectedPort} (received "x").`],
    [
      "backend --latency 5",
      'Cannot use --latency: expected a duration or a range such as 80ms or 50-150ms (received "5").',
    ],
    [
      "backend --latency 9-8ms",
      'Cannot use --latency: the first duration must not be longer than the second (received "9-8ms").',
    ],
    ["backend --fail-rate 2", 'Cannot use --fail-rate: expected a number from 0 to 1 (received "2").'],
    ["backend --fail-rate 10%", 'Cannot use --fail-rate: expected a number from 0 to 1 (received "10%").'],
    ["backend --name=", 'Cannot use --name: expected a name of at most 64 characters (received "").'],
    ["dashboard --admin-url localhost:8091", `Cannot use --admin-url: ${url} (received "localhost:8091").`],
    [
      "dashboard --balancer-url http://h/x",
      'Cannot use --balancer-url: the URL must end after host and port (received "http://h/x").',
    ],
    ["proxy --upstreams=", 'Cannot use --upstreams: expected a list of at least one upstream (received "").'],
    ["proxy --upstreams h:80", `Cannot use --upstreams[0]: ${url} (received "h:80").`],
    [
      "proxy --upstreams http://a,ftp://b",
      'Cannot use --upstreams[1]: the protocol must be http or https (received "ftp://b").',
    ],
    [
      "proxy --upstreams http://u:p@h",
      'Cannot use --upstreams[0]: a user name or password is not allowed (received "http://***@h").',
    ],
    [
      "proxy --upstreams http://h;weight=257",
      "Cannot use --upstreams[0].weight: expected a whole number from 0 to 256 (received 257).",
    ],
    [
      "proxy --upstreams http://h;wieght=2",
      'Cannot use --upstreams[0].wieght: unknown key; did you mean "weight"?',
    ],
    [
      "proxy --upstreams http://a:1,http://a:1",
      'Cannot use --upstreams[1]: --upstreams[0] already has the name a:1; set another name (received "http://a:1").',
    ],
    ["proxy --port 8091", 'Cannot use --port: the admin API already uses this port (received "8091").'],
    ["up --port 8090", 'Cannot use --port: the dashboard already uses this port (received "8090").'],
    [
      "up --dashboard-port 8080",
      'Cannot use --dashboard-port: the client listener already uses this port (received "8080").',
    ],
    [
      "proxy --port 8082",
      'Cannot use --port: the upstream localhost:8082 already uses this port (received "8082").',
    ],
    [
      "proxy --upstreams http://127.0.0.1:8080",
      `Cannot use --upstreams[0]: it is the address of this balancer's client listener, so requests would loop (received "http://127.0.0.1:8080").`,
    ],
    ...["0.0.0.0", "0", "127.1", "[::ffff:127.0.0.1]", "[::]", "localhost."].map((host): [string, string] => [
      `proxy --upstreams http://${host}:8091`,
      `Cannot use --upstreams[0]: it is the address of this balancer's admin API, so requests would loop (received "http://${host}:8091").`,
    ]),
    [
      "proxy --admin-host 0.0.0.0",
      "Cannot use --admin-host: the admin API requires authentication on an address other than loopback; set ADMIN_TOKEN, admin.token or admin.users" +
        ' (received "0.0.0.0").',
    ],
  ])("%s", (argv, sentence) => expect(problemsOf({ argv })).toEqual([sentence]));
});

describe("secrets", () => {
  test("appear in no sentence", () => {
    expect(problemsOf({ argv: "proxy", env: { ADMIN_TOKEN: "two words" } })).toEqual([
      "Cannot use ADMIN_TOKEN: expected visible ASCII characters without spaces (received a hidden value).",
    ]);
    const files = { "evenkeel.yaml": "admin: { token: [s3cret] }\nlisten: {\nstate: s3cret" };
    expect(problemsOf({ argv: "proxy", files }).join()).not.toContain("s3cret");
    expect(problemsOf({ argv: "proxy", files: { "evenkeel.yaml": "admin: { tokn: s3cret }" } })).toEqual([
      'Cannot use admin.tokn at evenkeel.yaml:1:10: unknown key; did you mean "token"?',
    ]);
  });

  test("let the admin API listen on other addresses", () => {
    expect(problemsOf({ argv: "proxy --admin-host ::", env: { ADMIN_TOKEN: "t" } })).toEqual([]);
    for (const host of ["localhost", "127.0.0.9", "::1", "[::1]"]) {
      expect(problemsOf({ argv: `proxy --admin-host ${host}` })).toEqual([]);
    }
  });
});

test("all problems are reported at once: flags and variables first, then the file from top to bottom", () => {
  const files = {
    "evenkeel.yaml":
      "routes: [{ pool: mian }]\nengine: steam\npools:\n  main:\n    upstreams: [http://h/x]\n",
  };
  expect(
    problemsOf({ argv: "check --port x --host /", env: { EVENKEEL_DRAIN_TIMEOUT: "soon" }, files }),
  ).toEqual([
    'Cannot use --host: expected an IP address or a host name (received "/").',
    `Cannot use --port: ${expectedPort} (received "x").`,
    'Cannot use EVENKEEL_DRAIN_TIMEOUT: expected a duration such as 250ms, 30s or 1h, or 0 (received "soon").',
    'Cannot use routes[0].pool at evenkeel.yaml:1:18: unknown pool (received "mian"); did you mean "main"?',
    `Cannot use engine at evenkeel.yaml:2:9: ${expectedEngine} (received "steam").`,
    'Cannot use pools.main.upstreams[0] at evenkeel.yaml:5:17: the URL must end after host and port (received "http://h/x").',
  ]);
});

test("a file that is not YAML hides no problem of the command line, and adds none", () => {
  const files = { "evenkeel.yaml": "admin:\n\ttoken: t" };
  expect(problemsOf({ argv: "proxy --admin-host 0.0.0.0 --port x", files })).toEqual([
    `Cannot use --port: ${expectedPort} (received "x").`,
    "Cannot read the configuration at evenkeel.yaml:2:1: tabs are not allowed as indentation.",
  ]);
});

test("a bug of the program is not reported as a mistake of the operator", async () => {
  const { parse } = await import("../../src/cli/parse.ts");
  const broken = { stateFolder: "/", hostName: "h", now: () => 0, read: () => { throw new TypeError("a bug"); } }; // prettier-ignore
  expect(() => parse(["proxy"], {}, broken)).toThrow("a bug");
  const denied = { ...broken, read: () => { throw Object.assign(new Error("no"), { code: "EACCES" }); } }; // prettier-ignore
  const result = parse(["proxy"], {}, denied);
  expect(result).toMatchObject({
    problems: [{ why: "permission denied", received: '"evenkeel.yaml"' }],
  });
});

test("only the given environment is read, not the one of the process", () => {
  expect(parseInput({ argv: "proxy", env: { PROXY_PORT: "7" } })).toMatchObject({
    config: { listeners: [{ port: 7 }] },
  });
});
