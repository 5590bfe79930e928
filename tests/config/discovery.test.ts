import { describe, expect, test } from "bun:test";

import { describeSource } from "../../src/config/discovery.ts";
import { parsed, problemsOf } from "../cli/fake.ts";

const filesWith = (entries: string) => ({ "evenkeel.yaml": `pools: { a: { upstreams: [${entries}] } }` });
const poolWith = (entries: string) =>
  parsed("proxy", { argv: "proxy", files: filesWith(entries) }).config.pools[0];
const problemsIn = (entries: string) => problemsOf({ argv: "proxy", files: filesWith(entries) });

describe("an entry that names a source of members", () => {
  test("stands beside URLs, and a pool may have nothing else", () => {
    const pool = poolWith(
      'http://10.0.0.1, { dns: "API.internal:8080", weight: 3 }, { srv: { name: _http._tcp.api, family: ipv6 }, protocol: https, backup: true, http2: true }, { file: m.yaml }',
    );
    expect(pool?.upstreams.map(({ id }) => id)).toEqual(["10.0.0.1:80"]);
    expect(pool?.discovery).toEqual([
      {
        source: { kind: "dns", name: "api.internal", port: 8080, family: "any" },
        position: 1,
        template: { protocol: "http", backup: false, weight: 3 },
      },
      {
        source: { kind: "srv", name: "_http._tcp.api", family: "ipv6" },
        position: 2,
        template: { protocol: "https", backup: true, http2: true },
      },
      {
        source: { kind: "file", path: "m.yaml" },
        position: 3,
        template: { protocol: "http", backup: false },
      },
    ]);
    expect(pool?.discovery?.map(({ source }) => describeSource(source))).toEqual([
      "dns api.internal:8080",
      "srv _http._tcp.api",
      "file m.yaml",
    ]);
    expect(poolWith("{ file: m.yaml }")?.upstreams).toEqual([]);
  });

  test("may end a name with the dot of the root", () => {
    const pool = poolWith('{ dns: "api.internal.:80" }, { srv: _http._tcp.api. }');
    expect(pool?.discovery?.map(({ source }) => describeSource(source))).toEqual([
      "dns api.internal.:80",
      "srv _http._tcp.api.",
    ]);
    for (const name of ["a..:80", ".a:80", "a..b.:80"])
      expect(problemsIn(`{ dns: "${name}" }`)[0]).toContain("expected a name and a port such as");
  });

  test("takes TLS settings from its pool as upstreams do, and only for https", () => {
    const pools = (entry: string) =>
      parsed("proxy", {
        argv: "proxy",
        files: { "evenkeel.yaml": `pools: { a: { upstreamTls: { verify: false }, upstreams: [${entry}] } }` },
      }).config.pools[0]?.discovery?.[0]?.template.tls;
    expect(pools("{ file: m, protocol: https }")).toEqual({ verify: false });
    expect(pools("{ file: m, protocol: https, tls: { serverName: api.example } }")).toEqual({
      verify: false,
      serverName: "api.example",
    });
    expect(pools("{ file: m }")).toBeUndefined();
  });

  const refused: readonly (readonly [entries: string, problem: string])[] = [
    [
      "{ weight: 1 }",
      "upstreams[0] at evenkeel.yaml:1:27: expected one of url, dns, srv, file, docker, kubernetes (received a map).",
    ],
    [
      '{ url: http://a, dns: "b:1" }',
      'upstreams[0].dns at evenkeel.yaml:1:49: an entry has either url or dns; write two entries (received "b:1").',
    ],
    [
      '{ dns: "b:1", name: c }',
      'upstreams[0].name at evenkeel.yaml:1:47: members get their names from the pool and their addresses; leave name out (received "c").',
    ],
    [
      "{ url: http://a, protocol: https }",
      'upstreams[0].protocol at evenkeel.yaml:1:54: the URL names the protocol; leave protocol out (received "https").',
    ],
    [
      "{ file: m, tls: { verify: false } }",
      "upstreams[0].tls at evenkeel.yaml:1:43: members are reached over http; set protocol: https (received a map).",
    ],
    [
      "{ file: m }, { file: m }",
      'upstreams[1].file at evenkeel.yaml:1:48: pools.a.upstreams[0] already has this source ("m").',
    ],
    [
      "{ dns: api.internal }",
      'upstreams[0].dns at evenkeel.yaml:1:34: the port is missing, as in api.internal:8080 (received "api.internal").',
    ],
    [
      '{ dns: "10.0.0.1:80" }',
      'upstreams[0].dns at evenkeel.yaml:1:34: an address is not asked for in DNS; write url: http://10.0.0.1:8080 (received "10.0.0.1:80").',
    ],
    [
      '{ dns: "http://api:80" }',
      'upstreams[0].dns at evenkeel.yaml:1:34: leave the protocol out, and set protocol: https for https (received "http://api:80").',
    ],
    [
      '{ dns: "api:0" }',
      'upstreams[0].dns at evenkeel.yaml:1:34: the port must be from 1 to 65535 (received "api:0").',
    ],
    [
      '{ dns: { name: "api:80", family: ip4 } }',
      'upstreams[0].dns.family at evenkeel.yaml:1:60: expected one of any, ipv4, ipv6 (received "ip4"); did you mean "ipv4"?',
    ],
    [
      "{ srv: a..b }",
      'upstreams[0].srv at evenkeel.yaml:1:34: expected the name of a service such as _http._tcp.api.internal (received "a..b").',
    ],
    [
      "{ srv: 3 }",
      "upstreams[0].srv at evenkeel.yaml:1:34: expected the name of a service such as _http._tcp.api.internal, or a map with name (received 3).",
    ],
    ['{ file: "" }', 'upstreams[0].file at evenkeel.yaml:1:35: expected the path of a file (received "").'],
    ["{ dsn: 'a:1' }", 'upstreams[0].dsn at evenkeel.yaml:1:29: unknown key; did you mean "dns"?'],
  ];
  for (const [entries, problem] of refused)
    test(`is refused with path, line and value: ${entries}`, () =>
      expect(problemsIn(entries)[0]).toBe(`Cannot use pools.a.${problem}`));

  test("is shown at its place in the effective configuration", () => {
    const result = parsed("check", {
      argv: "check",
      files: filesWith('{ dns: "api:1" }, http://10.0.0.1, { file: m.yaml }'),
    });
    expect(result.text).toContain(
      [
        "    upstreams:",
        "      - { dns: api:1, protocol: http, backup: false } # file evenkeel.yaml:1",
        "      - { url: http://10.0.0.1:80, weight: 1, backup: false } # file evenkeel.yaml:1",
        "      - { file: m.yaml, protocol: http, backup: false } # file evenkeel.yaml:1",
      ].join("\n"),
    );
  });
});
