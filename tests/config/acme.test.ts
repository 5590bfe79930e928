import { describe, expect, test } from "bun:test";

import { parsed, problemsOf } from "../cli/fake.ts";

const pools = "pools: { main: { upstreams: [http://10.0.0.1:8080] } }";
const shop = `${pools}\nroutes: [{ host: Shop.example, pool: main }, { host: "*.b.example", pool: main }, { host: shop.example, path: /x, pool: main }]`;
const secure = "listen: { port: 443, tls: true }";

const fileOf = (acme: string, listen = secure, rest = shop) =>
  `certificates:\n  - acme: ${acme}\n${listen}\n${rest}`;

const acmeOf = (acme: string, listen = secure, rest = shop) =>
  parsed("proxy", {
    argv: "proxy --state /var/lib/evenkeel/state.db",
    files: { "evenkeel.yaml": fileOf(acme, listen, rest) },
  }).config.acme;

const problemsIn = (acme: string, listen = secure, rest = shop) =>
  problemsOf({ argv: "proxy --state /tmp/state.db", files: { "evenkeel.yaml": fileOf(acme, listen, rest) } });

describe("an authority", () => {
  test("issues for every exact host of a route, and is Let's Encrypt", () => {
    expect(acmeOf("{ agree: true }")).toEqual([
      {
        hosts: ["shop.example"],
        directory: "https://acme-v02.api.letsencrypt.org/directory",
        challenge: "tls-alpn-01",
        storage: "/var/lib/evenkeel/acme",
      },
    ]);
  });

  test("issues for every host of a list in a route, and names the one that it cannot issue for", () => {
    const routes = `${pools}\nroutes: [{ host: [a.example, "*.b.example", c.example], pool: main }]`;
    expect(acmeOf("{ agree: true }", secure, routes)[0]?.hosts).toEqual(["a.example", "c.example"]);
    const [problem] = problemsIn("{ agree: true }", secure, routes.replace("c.example", "10.0.0.1"));
    expect(problem).toContain("routes[0].host[2]");
    expect(problem).toContain("certificates for addresses are not supported");
  });

  test("can be any other, with hosts and a folder of its own", () => {
    const given =
      "{ agree: true, email: ops@example.com, hosts: [A.example], directory: https://ca.example/dir, challenge: tls-alpn-01, storage: /srv/acme }";
    expect(acmeOf(given)).toEqual([
      {
        email: "ops@example.com",
        hosts: ["a.example"],
        directory: "https://ca.example/dir",
        challenge: "tls-alpn-01",
        storage: "/srv/acme",
      },
    ]);
    const [staging] = acmeOf("{ agree: true, directory: letsencrypt-staging }");
    expect(staging?.directory).toContain("staging");
  });

  for (const [listen, challenge] of [
    ["listen: [{ port: 80 }, { port: 443, tls: true }]", "http-01"],
    ["listen: [{ port: 8080 }, { port: 443, tls: true }]", "tls-alpn-01"],
    ["listen: [{ port: 80, tls: true }, { port: 443, tls: true }]", "tls-alpn-01"],
  ] as const) {
    test(`asks by ${challenge} with ${listen}`, () => {
      expect(acmeOf("{ agree: true, challenge: auto }", listen)[0]?.challenge).toBe(challenge);
    });
  }

  test("covers the default certificate", () => {
    const listen = "listen: { port: 443, tls: { defaultCertificate: shop.example } }";
    expect(problemsIn("{ agree: true }", listen)).toEqual([]);
    const [problem] = problemsIn("{ agree: true }", listen.replace("shop.example", "shop.exmaple"));
    expect(problem).toEndWith(
      'no certificate covers it (received "shop.exmaple"); did you mean "shop.example"?',
    );
  });
});

describe("each problem of an authority is one sentence", () => {
  const rows: ReadonlyArray<readonly [acme: string, listen: string, rest: string, problem: string]> = [
    [
      "{ email: a@b.c }",
      secure,
      shop,
      "read the terms of the authority, and set agree: true if you agree to them",
    ],
    [
      "{ agree: false }",
      secure,
      shop,
      "read the terms of the authority, and set agree: true if you agree to them",
    ],
    ["{ agree: true }", secure, pools, "there is no host; set hosts, or a host in a route"],
    [
      '{ agree: true, hosts: ["*.example.com"] }',
      secure,
      shop,
      "a wildcard needs a proof by DNS, which is not supported; use a certificate in files",
    ],
    [
      "{ agree: true, hosts: [10.0.0.1] }",
      secure,
      shop,
      "certificates for addresses are not supported; set a host name",
    ],
    ["{ agree: true, hosts: [] }", secure, shop, "expected a list of 1 to 100 host names"],
    ["{ agree: true, email: nobody }", secure, shop, "expected an address such as ops@example.com"],
    [
      "{ agree: true, directory: letsencript }",
      secure,
      shop,
      "expected letsencrypt, letsencrypt-staging, zerossl or a URL",
    ],
    ["{ agree: true, directory: http://ca.example/ }", secure, shop, "expected https"],
    [
      "{ agree: true }",
      `${secure}\nfleet: { name: one, redis: "redis://10.0.0.9" }`,
      shop,
      "the balancers of a fleet share certificates, and their private keys must not lie open in the store; set fleet.keyFile, or EVENKEEL_FLEET_KEY",
    ],
    ["{ agree: true, challenge: dns-01 }", secure, shop, "expected one of auto, http-01, tls-alpn-01"],
    [
      "{ agree: true, challenge: http-01 }",
      secure,
      shop,
      "the authority asks at port 80, and every listener has TLS; add a listener without TLS",
    ],
    [
      "{ agree: true }",
      "listen: { port: 80 }",
      shop,
      "there is no listener with TLS that could use a certificate",
    ],
    [
      "{ agree: true }",
      `${secure}\nengine: fetch`,
      shop,
      "the fetch engine cannot change certificates while it runs; use the wire engine",
    ],
    ["{ agree: true, ca: missing.pem }", secure, shop, "certificates[0].acme.ca"],
    [
      "{ agree: true }\n  - acme: { agree: true, hosts: [shop.example] }",
      secure,
      shop,
      "certificates[0].acme has this host already",
    ],
    [
      "{ agree: true }\n    folder: /etc/tls",
      secure,
      shop,
      "expected only one of cert and key, folder, acme",
    ],
  ];
  for (const [acme, listen, rest, problem] of rows) {
    test(`${acme} ${problem}`, () => {
      const problems = problemsIn(acme, listen, rest);
      expect(problems.filter((text) => text.includes(problem))).toHaveLength(1);
    });
  }

  test("state in memory, unless the certificates have a folder", () => {
    const problems = (acme: string) =>
      problemsOf({ argv: "proxy --state :memory:", files: { "evenkeel.yaml": fileOf(acme) } });
    expect(problems("{ agree: true }")).toHaveLength(1);
    expect(problems("{ agree: true }")[0]).toContain("would be lost at each restart");
    expect(problems("{ agree: true, storage: /srv/acme }")).toEqual([]);
  });

  test("101 hosts of routes", () => {
    const routes = Array.from({ length: 101 }, (_, index) => `{ host: h${index}.example, pool: main }`).join(
      ", ",
    );
    const [problem, ...others] = problemsIn("{ agree: true }", secure, `${pools}\nroutes: [${routes}]`);
    expect(problem).toContain("the routes name 101 hosts, and at most 100 are possible; set hosts");
    expect(others).toEqual([]);
  });
});

test("The effective configuration shows the authority, and means the same when it is read again", () => {
  const given = "{ agree: true, email: ops@example.com, directory: letsencrypt-staging }";
  const check = (text: string) => parsed("check", { argv: "check", files: { "evenkeel.yaml": text } });
  const { text, config } = check(fileOf(given));
  expect(text).toContain("letsencrypt-staging");
  expect(config.acme).toHaveLength(1);
  expect(check(text).config.acme).toEqual(config.acme);
});
