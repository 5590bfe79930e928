import { describe, expect, test } from "bun:test";
import { defaults } from "../../src/config/config.ts";
import { problemsOf, parsed } from "../cli/fake.ts";

const read = (text: string) => parsed("proxy", { argv: "proxy", files: { "evenkeel.yaml": text } }).config;
const problemsIn = (text: string) => problemsOf({ argv: "proxy", files: { "evenkeel.yaml": text } });

test("a file with everything becomes exactly this configuration", () => {
  const config = read(`
$schema: https://example.com/evenkeel.schema.json
listen: { port: 80, host: "[::]" }
engine: fetch
workers: auto
admin: { port: 9001, host: 0.0.0.0, token: t }
state: ":memory:"
maxMemory: 1GiB
drainTimeout: 1m
clientTimeouts: { head: 1s, bodyIdle: 2s, keepAlive: 3s }
limits: { requestHead: 16KiB, requestFields: 50, requestTarget: 4KiB, responseHead: 128KiB, responseFields: 500, webSocketMessage: 2MiB, webSocketBuffers: 8MiB }
trustedProxies: [10.0.0.0/8, "::1"]
resolvers: [10.0.0.53]
ambiguousPaths: pass
allowLinkLocal: true
dashboard: { port: 9002, host: localhost }
requests: { keep: 2d, max: 9000, slowAfter: 1500ms, omit: [query, client] }
pools:
  main:
    policy: hash
    hashBy: cookie:session
    retries: 2
    retryStatuses: [502, 504]
    retryBudget: { share: 0.1, perSecond: 7 }
    hedge: 150ms
    maxInFlight: 9
    queue: { maxWaiting: 7, timeout: 2s, whenNoneFit: true }
    maxRequestBody: 1.5MiB
    slowStart: 0
    outlier: { consecutiveFailures: 2, failureRatio: 0.3, minimumVolume: 11, window: 12s, ejection: 13s, maxEjection: 14m, maxEjected: 0.4 }
    probe: { path: "/readyz?full=1", interval: 4s, changingInterval: 500ms, jitter: 0.2, timeout: 1s, rise: 5, fall: 6 }
    timeouts: { connect: 7s, head: 8s, total: 20s, bodyIdle: 9s, tunnelIdle: 10m, connectionAge: 5m }
    upstreams:
      - http://10.0.0.1:8080
      - http://10.0.0.1:8081;weight=0;backup
      - { url: "https://[::1]", weight: 3, name: api-2, backup: true }
  other: { upstreams: [http://LOCALHOST:8000] }
routes:
  - { host: API.example.com, path: /v1, pool: other }
`);
  const address = (protocol: "http" | "https", hostname: string, port: number) => ({
    protocol,
    hostname,
    port,
  });
  expect(config).toEqual({
    listeners: [{ name: "main", hostname: "::", port: 80, maxClients: 16_384, protocols: ["http1"] }],
    certificates: [],
    acme: [],
    foundCertificates: [],
    certificateWarnings: [],
    engine: "fetch",
    workers: "auto",
    admin: { hostname: "0.0.0.0", port: 9001, token: "t" },
    state: ":memory:",
    maxMemory: 1_073_741_824,
    drainDelayMs: 0,
    drainTimeoutMs: 60_000,
    clientTimeouts: { headMs: 1000, bodyIdleMs: 2000, keepAliveMs: 3000 },
    limits: {
      requestHeadBytes: 16_384,
      requestFields: 50,
      requestTargetBytes: 4_096,
      responseHeadBytes: 131_072,
      responseFields: 500,
      webSocketMessageBytes: 2_097_152,
      webSocketBufferBytes: 8_388_608,
    },
    trustedProxies: ["10.0.0.0/8", "::1"],
    resolvers: ["10.0.0.53"],
    ambiguousPaths: "pass",
    allowLinkLocal: true,
    alerts: [],
    requests: { keepMs: 172_800_000, maxRequests: 9_000, slowMs: 1_500, omit: ["query", "client"] },
    pools: [
      {
        name: "main",
        policy: "hash",
        hashBy: "cookie:session",
        retries: 2,
        retryStatuses: [502, 504],
        retryBudget: { share: 0.1, perSecond: 7 },
        hedgeAfter: 150,
        maxInFlight: 9,
        queue: { maxWaiting: 7, timeoutMs: 2_000, whenNoneFit: true },
        maxRequestBodyBytes: 1_572_864,
        slowStartMs: 0,
        http2: false,
        outlier: {
          consecutiveFailures: 2,
          failureRatio: 0.3,
          minimumVolume: 11,
          windowMs: 12_000,
          ejectionMs: 13_000,
          maxEjectionMs: 840_000,
          maxEjectedShare: 0.4,
        },
        probe: {
          kind: "http",
          path: "/readyz?full=1",
          intervalMs: 4000,
          changingIntervalMs: 500,
          jitter: 0.2,
          timeoutMs: 1000,
          rise: 5,
          fall: 6,
        },
        timeouts: {
          connectMs: 7000,
          headMs: 8000,
          totalMs: 20_000,
          bodyIdleMs: 9000,
          tunnelIdleMs: 600_000,
          connectionAgeMs: 300_000,
        },
        upstreams: [
          { id: "10.0.0.1:8080", address: address("http", "10.0.0.1", 8080), weight: 1, backup: false },
          { id: "10.0.0.1:8081", address: address("http", "10.0.0.1", 8081), weight: 0, backup: true },
          { id: "api-2", address: address("https", "[::1]", 443), weight: 3, backup: true },
        ],
      },
      {
        name: "other",
        policy: defaults.pool.policy,
        hashBy: defaults.pool.hashBy,
        retries: defaults.pool.retries,
        retryStatuses: defaults.pool.retryStatuses,
        retryBudget: defaults.pool.retryBudget,
        hedgeAfter: defaults.pool.hedgeAfter,
        queue: defaults.pool.queue,
        slowStartMs: defaults.pool.slowStartMs,
        http2: false,
        outlier: defaults.pool.outlier,
        probe: defaults.pool.probe,
        timeouts: defaults.pool.timeouts,
        upstreams: [
          { id: "localhost:8000", address: address("http", "localhost", 8000), weight: 1, backup: false },
        ],
      },
    ],
    routes: [
      {
        place: "routes[0]",
        conditions: { hosts: ["api.example.com"], path: { kind: "prefix", text: "/v1" } },
        pool: "other",
        settings: {},
        texts: {},
      },
    ],
  });
});

describe("routes", () => {
  const pools = "pools: { a: { upstreams: [http://a] }, b: { upstreams: [http://b] } }\n";
  test("are one to the first pool where the file has none", () =>
    expect(read(pools).routes).toMatchObject([{ conditions: {}, pool: "a" }]));

  test("are those of the file, and no other", () =>
    expect(read(`${pools}routes: [{ host: x.test, pool: b }]`).routes).toMatchObject([
      { conditions: { hosts: ["x.test"] }, pool: "b" },
    ]));

  test("may not have a path that only refused requests have", () => {
    const route = (path: string) => `${pools}routes: [{ pool: b, path: "${path}" }]`;
    expect(problemsIn(route("/a%2Fb"))).toEqual([
      'Cannot use routes[0].path at evenkeel.yaml:2:27: no request would match: servers read this path in different ways; set another path, or ambiguousPaths: pass (received "/a%2Fb").',
    ]);
    for (const path of ["/a;b", "//a", "/a/../b", "/a%00", "/a%zz"])
      expect([path, problemsIn(route(path)).length]).toEqual([path, 1]);
    expect(read(`ambiguousPaths: pass\n${route("/a%2Fb")}`).routes[0]).toMatchObject({
      conditions: { path: { text: "/a%2Fb" } },
    });
    for (const path of ["/caf\u00e9", "/%61", "/a%20b/c"])
      expect(read(route(path)).routes[0]).toMatchObject({ conditions: { path: { text: path } } });
  });
});

describe("each problem of a file is one sentence with path, line and value", () => {
  const inPool = (text: string) => `pools: { main: { upstreams: [http://u], ${text} } }`;
  const duration = "expected a duration such as 250ms, 30s or 1h";
  test.each<[string, string]>([
    ["listen:", "listen at evenkeel.yaml:1:8: expected a map (received nothing)."],
    ["listen: 80", "listen at evenkeel.yaml:1:9: expected a map (received 80)."],
    ["listen: { prot: 1 }", 'listen.prot at evenkeel.yaml:1:11: unknown key; did you mean "port"?'],
    [
      "listen: { zzz: 1 }",
      "listen.zzz at evenkeel.yaml:1:11: unknown key; expected one of name, host, port, tls, maxClients, protocols, http3, proxyProtocol, redirect, unknownHosts, trustedProxies.",
    ],
    [
      'listen: { port: "80" }',
      'listen.port at evenkeel.yaml:1:17: expected a whole number from 0 to 65535 (received "80").',
    ],
    ["drain-timeout: 3s", 'drain-timeout at evenkeel.yaml:1:1: unknown key; did you mean "drainTimeout"?'],
    ["drainTimeout: 5", `drainTimeout at evenkeel.yaml:1:15: ${duration}, or 0 (received 5).`],
    [
      "limits: { responseHead: 2MiB }",
      'limits.responseHead at evenkeel.yaml:1:25: expected a size from 1KiB to 1MiB such as 64KiB (received "2MiB").',
    ],
    [
      "limits: { webSocketMessage: 2GiB }",
      'limits.webSocketMessage at evenkeel.yaml:1:29: expected a size from 1KiB to 1GiB such as 1MiB (received "2GiB").',
    ],
    [
      "limits: { webSocketMessage: 65MiB }",
      'limits.webSocketMessage at evenkeel.yaml:1:29: expected limits.webSocketBuffers of at least limits.webSocketMessage (received "65MiB").',
    ],
    [
      "limits: { webSocketMessage: 2MiB, webSocketBuffers: 1MiB }",
      'limits.webSocketBuffers at evenkeel.yaml:1:53: expected limits.webSocketBuffers of at least limits.webSocketMessage (received "1MiB").',
    ],
    [
      "limits: { requestFields: 0 }",
      "limits.requestFields at evenkeel.yaml:1:26: expected a whole number from 16 to 1024 (received 0).",
    ],
    [
      "clientTimeouts: { head: 0s }",
      'clientTimeouts.head at evenkeel.yaml:1:25: expected a duration of at least 1ms (received "0s").',
    ],
    [
      "trustedProxies: 10.0.0.0/8",
      'trustedProxies at evenkeel.yaml:1:17: expected a list of addresses (received "10.0.0.0/8").',
    ],
    [
      "trustedProxies:\n  - ::1\n  - x",
      'trustedProxies[1] at evenkeel.yaml:3:5: expected an address or a range such as 10.0.0.0/8 (received "x").',
    ],
    ["pools: {}", "pools at evenkeel.yaml:1:8: expected a map of at least one pool (received an empty map)."],
    [
      "pools: { a: { upstreams: [] } }",
      "pools.a.upstreams at evenkeel.yaml:1:26: expected a list of at least one upstream (received an empty list).",
    ],
    [
      "pools: { a: { policy: p2c } }",
      "pools.a.upstreams at evenkeel.yaml:1:13: expected a list of at least one upstream (received nothing).",
    ],
    [
      "pools: { 1a: { upstreams: [http://u] } }",
      "pools.1a at evenkeel.yaml:1:10: expected a name: at most 63 letters, digits and . _ -, starting with a letter.",
    ],
    [
      inPool("retries: 3"),
      "pools.main.retries at evenkeel.yaml:1:50: expected a whole number from 0 to 2 (received 3).",
    ],
    [
      inPool("hashBy: ip"),
      'pools.main.hashBy at evenkeel.yaml:1:49: expected client-address, uri, header:Name or cookie:name (received "ip").',
    ],
    [
      inPool("probe: { jitter: 2 }"),
      "pools.main.probe.jitter at evenkeel.yaml:1:58: expected a number from 0 to 1 (received 2).",
    ],
    [
      inPool("probe: { timeout: 2 }"),
      `pools.main.probe.timeout at evenkeel.yaml:1:59: ${duration} (received 2).`,
    ],
    [
      "pools:\n  main:\n    upstreams:\n      - http://a\n      - url: http://b\n        weight: -1",
      "pools.main.upstreams[1].weight at evenkeel.yaml:6:17: expected a whole number from 0 to 256 (received -1).",
    ],
    [
      "pools: { a: { upstreams: [http://u, { weight: 1 }] } }",
      "pools.a.upstreams[1] at evenkeel.yaml:1:37: expected one of url, dns, srv, file, docker, kubernetes (received a map).",
    ],
    [
      "pools: { a: { upstreams: [3] } }",
      "pools.a.upstreams[0] at evenkeel.yaml:1:27: expected a URL or a map with url (received 3).",
    ],
    [
      "pools: { a: { upstreams: [http://u;weight=x] } }",
      'pools.a.upstreams[0].weight at evenkeel.yaml:1:27: expected a whole number from 0 to 256 (received "x").',
    ],
    [
      "pools: { a: { upstreams: [http://u] }, b: { upstreams: [http://u:80] } }",
      'pools.b.upstreams[0] at evenkeel.yaml:1:57: pools.a.upstreams[0] already has the name u:80; set another name (received "http://u:80").',
    ],
    [
      "routes: [{ host: 'a:1', pool: main }]",
      'routes[0].host at evenkeel.yaml:1:18: expected a host name without port, or *.example.com, or a list (received "a:1").',
    ],
    [
      "routes: [{ path: v1, pool: main }]",
      'routes[0].path at evenkeel.yaml:1:18: expected a path that starts with /, or a map with exact (received "v1").',
    ],
    [
      "routes: [{ path: / }]",
      "routes[0] at evenkeel.yaml:1:10: expected where its requests go: pool, split, redirect or respond.",
    ],
    [
      "routes: [{ split: { pools: { main: 1 } } }]",
      "routes[0].split.pools at evenkeel.yaml:1:28: expected at least two pools; for one set pool: main.",
    ],
    [
      "pools: { a: { upstreams: [http://u] }, b: { upstreams: [http://v] } }\nroutes: [{ split: { pools: { a: 0, b: 0 } } }]",
      "routes[0].split.pools at evenkeel.yaml:2:28: every weight is 0, so that no request has a pool.",
    ],
    [
      "routes: [{ pool: zzz }]",
      'routes[0].pool at evenkeel.yaml:1:18: unknown pool; expected one of main (received "zzz").',
    ],
    [
      "admin: { host: 10.0.0.1 }",
      "admin.host at evenkeel.yaml:1:16: the admin API requires authentication on an address other than loopback; set ADMIN_TOKEN, admin.token or admin.users" +
        ' (received "10.0.0.1").',
    ],
    [
      "admin: { port: 8080 }",
      "admin.port at evenkeel.yaml:1:16: the client listener already uses this port (received 8080).",
    ],
  ])("%j", (text, sentence) => expect(problemsIn(text)).toEqual([`Cannot use ${sentence}`]));
});

test("a value that blocks the path of a flag is rejected, not replaced", () =>
  expect(problemsOf({ argv: "proxy --port 1", files: { "evenkeel.yaml": "listen: []" } })).toEqual([
    'Cannot use --port: the file has a list of listeners; set it there (received "1").',
    "Cannot use listen at evenkeel.yaml:1:9: expected a list of 1 to 64 listeners (received an empty list).",
  ]));

test("listeners on different addresses may share a port, and port 0 is always free", () => {
  expect(problemsIn("listen: { host: 10.0.0.1, port: 8091 }")).toEqual([]);
  expect(problemsIn("listen: { port: 0 }\nadmin: { port: 0 }")).toEqual([]);
});

test("a dashboard that the command does not start reserves no port", () => {
  const input = (argv: string, text: string) => problemsOf({ argv, files: { "evenkeel.yaml": text } });
  expect(input("proxy", "listen: { port: 8090 }")).toEqual([]);
  expect(input("check", "listen: { port: 8090 }")).toEqual([]);
  expect(input("check", "listen: { port: 7 }\ndashboard: { port: 7 }")).toHaveLength(1);
  expect(input("up", "listen: { port: 8090 }")).toHaveLength(1);
});
