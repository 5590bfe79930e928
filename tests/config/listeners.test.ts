import { describe, expect, test } from "bun:test";

import { parsed, problemsOf } from "../cli/fake.ts";

const files = { "cert.pem": "", "key.pem": "" };
const tls = "tls: { cert: cert.pem, key: key.pem }";
const pools = "pools: { main: { upstreams: [http://10.0.0.1:8080] } }";
const shop = `${pools}\nroutes: [{ host: shop.example, pool: main }]`;

const listenersOf = (listen: string, rest = pools) =>
  parsed("proxy", { argv: "proxy", files: { "evenkeel.yaml": `listen:\n${listen}\n${rest}` } }).config
    .listeners;
/** Problems of the files themselves are no matter here. */
const problemsIn = (listen: string, rest = pools) =>
  problemsOf({ argv: "proxy", files: { ...files, "evenkeel.yaml": `listen:\n${listen}\n${rest}` } }).filter(
    (text) => !/\.pem/.test(text) || /redirect|hsts/.test(text),
  );

test("a listener's redirect, hosts and proxies are in its configuration", () => {
  const [web, inner] = listenersOf(
    `  - { redirect: { to: https, port: 8443, status: 307 }, unknownHosts: 421 }
  - { name: inner, port: 81, redirect: { to: https, port: 443 }, unknownHosts: close, trustedProxies: [10.0.0.0/8] }`,
    shop,
  );
  expect(web).toMatchObject({ redirect: { port: 8443, status: 307 }, unknownHosts: 421 });
  expect(inner).toMatchObject({
    redirect: { port: 443 },
    unknownHosts: "close",
    trustedProxies: ["10.0.0.0/8"],
  });
  expect(listenersOf("  - { unknownHosts: 404 }")[0]).not.toHaveProperty("unknownHosts");
});

test("a PROXY header has as long as a head where no time is given", () => {
  const [main, inner] = listenersOf(
    '  - { proxyProtocol: { from: [10.0.0.0/8] } }\n  - { port: 81, proxyProtocol: { from: ["::1"], timeout: 3s } }',
    `${pools}\nclientTimeouts: { head: 7s }`,
  );
  expect(main?.proxyProtocol).toEqual({ from: ["10.0.0.0/8"], timeoutMs: 7_000 });
  expect(inner?.proxyProtocol).toEqual({ from: ["::1"], timeoutMs: 3_000 });
});

describe("PROXY headers to upstreams", () => {
  const main = (settings: string, rest = "") =>
    `pools: { main: { upstreams: ["https://10.0.0.1"], ${settings} } }\n${rest}`;
  const problems = (text: string) => problemsOf({ argv: "proxy", files: { "evenkeel.yaml": text } });

  test("have their cost in a warning of check", () => {
    const { text, config } = parsed("check", {
      argv: "check",
      files: { "evenkeel.yaml": main("proxyProtocol: v2") },
    });
    expect(config.pools[0]).toMatchObject({ proxyProtocol: "v2", probe: { proxyProtocol: "v2" } });
    expect(text).toContain(
      "warning: pools.main.proxyProtocol: clients share no connections to its upstreams",
    );
  });

  test("are refused where connections are not one client's", () => {
    expect(problems(main("proxyProtocol: v1, http2: true"))).toEqual([
      'Cannot use pools.main.proxyProtocol at evenkeel.yaml:1:66: clients share connections of HTTP/2; leave out http2 (received "v1").',
    ]);
    expect(problems(main("proxyProtocol: v1", "engine: fetch"))).toEqual([
      'Cannot use pools.main.proxyProtocol at evenkeel.yaml:1:66: the fetch engine cannot send PROXY headers; leave it out, or use the wire engine (received "v1").',
    ]);
    expect(problems(main("proxyProtocol: v3"))).toEqual([
      'Cannot use pools.main.proxyProtocol at evenkeel.yaml:1:66: expected one of v1, v2 (received "v3"); did you mean "v1"?',
    ]);
  });
});

describe("each problem of a listener is one sentence", () => {
  const rows: ReadonlyArray<readonly [listen: string, rest: string, problem: string]> = [
    [
      "  { redirect: https }",
      pools,
      'Cannot use listen.redirect at evenkeel.yaml:2:15: there is no listener with TLS; set the port: { to: https, port: 443 } (received "https").',
    ],
    [
      `  - { redirect: https }\n  - { port: 443, ${tls} }\n  - { port: 444, ${tls} }`,
      pools,
      'Cannot use listen[0].redirect at evenkeel.yaml:2:17: there are several listeners with TLS; set the port: { to: https, port: 443 } (received "https").',
    ],
    [
      `  - { redirect: https }\n  - { port: 443, redirect: https, ${tls} }`,
      pools,
      'Cannot use listen[1].redirect at evenkeel.yaml:3:28: its clients use TLS already; leave it out (received "https").',
    ],
    [
      "  { redirect: http }",
      pools,
      'Cannot use listen.redirect at evenkeel.yaml:2:15: expected https, or a map with to, port and status (received "http").',
    ],
    [
      "  { unknownHosts: 421 }",
      pools,
      "Cannot use listen.unknownHosts at evenkeel.yaml:2:19: no route names a host (received 421).",
    ],
    [
      "  { unknownHosts: close }",
      `${shop}\nengine: fetch`,
      'Cannot use listen.unknownHosts at evenkeel.yaml:2:19: the fetch engine cannot close a connection without a response; set 421, or use the wire engine (received "close").',
    ],
    [
      "  { proxyProtocol: { from: [10.0.0.0/8] } }",
      `${pools}\nengine: fetch`,
      "Cannot use listen.proxyProtocol at evenkeel.yaml:2:20: the fetch engine cannot read PROXY headers; leave it out, or use the wire engine (received a map).",
    ],
    [
      "  { proxyProtocol: { from: [] } }",
      pools,
      "Cannot use listen.proxyProtocol.from at evenkeel.yaml:2:28: expected a list of addresses (received an empty list).",
    ],
    [
      "  { proxyProtocol: { timeout: 3s } }",
      pools,
      "Cannot use listen.proxyProtocol.from at evenkeel.yaml:2:20: expected a list of addresses (received nothing).",
    ],
    [
      `  { tls: { cert: cert.pem, key: key.pem, hsts: { preload: true } } }`,
      pools,
      "Cannot use listen.tls.hsts.preload at evenkeel.yaml:2:59: lists of browsers need subdomains: true and a maxAge of at least 365d (received true).",
    ],
    [
      `  { tls: { cert: cert.pem, key: key.pem, hsts: { preload: true, subdomains: true, maxAge: 364d } } }`,
      pools,
      "Cannot use listen.tls.hsts.preload at evenkeel.yaml:2:59: lists of browsers need subdomains: true and a maxAge of at least 365d (received true).",
    ],
    [
      `  { tls: { cert: cert.pem, key: key.pem, hsts: { preload: true, subdomains: true, maxAge: 0 } } }`,
      pools,
      "Cannot use listen.tls.hsts.preload at evenkeel.yaml:2:59: lists of browsers need subdomains: true and a maxAge of at least 365d (received true).",
    ],
    [
      `  { tls: { cert: cert.pem, key: key.pem, hsts: { maxAge: 1.5s } } }`,
      pools,
      'Cannot use listen.tls.hsts.maxAge at evenkeel.yaml:2:58: expected a time in whole seconds such as 365d or 1h, or 0 (received "1.5s").',
    ],
    [
      `  { tls: { cert: cert.pem, key: key.pem, hsts: false } }`,
      pools,
      "Cannot use listen.tls.hsts at evenkeel.yaml:2:48: expected true, or a map with maxAge such as 365d, subdomains and preload (received false).",
    ],
    [
      "  { http3: true }",
      pools,
      "Cannot use listen.http3 at evenkeel.yaml:2:12: HTTP/3 needs TLS; set tls (received true).",
    ],
    [
      "  { http3: true, tls: { clientCertificates: { ca: ca.pem } } }",
      pools,
      "Cannot use listen.http3 at evenkeel.yaml:2:12: HTTP/3 cannot verify clientCertificates (received true).",
    ],
    [
      "  { http3: true, tls: true, proxyProtocol: { from: [10.0.0.0/8] } }",
      pools,
      "Cannot use listen.http3 at evenkeel.yaml:2:12: HTTP/3 has no PROXY headers; leave out proxyProtocol (received true).",
    ],
    [
      "  { unknownHosts: 503 }",
      shop,
      "Cannot use listen.unknownHosts at evenkeel.yaml:2:19: expected one of 404, 421, close (received 503).",
    ],
  ];
  for (const [listen, rest, problem] of rows)
    test(listen, () => expect(problemsIn(listen, rest)).toContain(problem));

  test("and HTTP/3 is one where the runtime does not serve it", () => {
    const environment = { files: { "evenkeel.yaml": `listen: { http3: true, tls: true }\n${pools}` } };
    const served = { http3: false };
    expect(problemsOf({ argv: "proxy", ...environment, served })).toContain(
      "Cannot use listen.http3 at evenkeel.yaml:1:18: only Bun serves HTTP/3; leave it out under Deno (received true).",
    );
  });

  test("and a redirect to the only listener with TLS is none", () =>
    expect(problemsIn(`  - { redirect: https }\n  - { port: 443, ${tls} }`).join()).not.toContain(
      "redirect",
    ));
});
