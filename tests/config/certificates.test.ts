import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { warningsIn } from "../../src/config/load.ts";
import { problemsOf, parseInput, parsed } from "../cli/fake.ts";

const pem = (name: string) =>
  readFileSync(join(import.meta.dirname, "../engine/wire/certificates", name), "utf8");
const pair = { publicKeyEncoding: { type: "spki", format: "pem" } } as const;
const other = generateKeyPairSync("ec", {
  ...pair,
  namedCurve: "P-256",
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
}).privateKey;
const locked = generateKeyPairSync("ec", {
  ...pair,
  namedCurve: "P-256",
  privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "s3cret" },
}).privateKey;

const pems = {
  "/ca": pem("authority.crt"),
  "/cert": pem("server.crt"),
  "/key": pem("server.key"),
  "/other": other,
  "/locked": locked,
  "/text": "hello",
  "/damaged": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
};
const files = (text: string) => ({ ...pems, "e.yaml": text });
const read = (text: string) => parsed("proxy", { argv: "proxy --config e.yaml", files: files(text) }).config;

describe("each problem of a certificate is one sentence", () => {
  test.each([
    ["--tls-cert /no --tls-key /key", 'Cannot use --tls-cert: file not found (received "/no").'],
    [
      "--tls-cert /text --tls-key /key",
      'Cannot use --tls-cert: the file contains no PEM certificate (received "/text").',
    ],
    [
      "--tls-cert /damaged --tls-key /key",
      'Cannot use --tls-cert: the file contains a damaged certificate (received "/damaged").',
    ],
    [
      "--tls-cert /cert --tls-key /text",
      'Cannot use --tls-key: the file contains no PEM private key (received "/text").',
    ],
    [
      "--tls-cert /cert --tls-key /locked",
      'Cannot use --tls-key: the private key is encrypted; use one without a passphrase (received "/locked").',
    ],
    [
      "--tls-cert /cert --tls-key /other",
      'Cannot use --tls-key: the key does not match the certificate in --tls-cert (received "/other").',
    ],
    [
      "--tls-cert /cert",
      'Cannot use --tls-cert: a private key is required too; set --tls-key, or listen.tls.key in the file (received "/cert").',
    ],
    [
      "--tls-key /key",
      'Cannot use --tls-key: a certificate is required too; set --tls-cert, or listen.tls.cert in the file (received "/key").',
    ],
    ["--tls-cert= --tls-key /key", 'Cannot use --tls-cert: expected the path of a PEM file (received "").'],
    [
      "--max-clients 0",
      'Cannot use --max-clients: expected a whole number from 1 to 1000000 (received "0").',
    ],
  ])("%s", (flags, sentence) =>
    expect(problemsOf({ argv: `proxy ${flags}`, files: pems })).toEqual([sentence]),
  );

  test.each([
    [
      "listen: { tls: {} }",
      "listen.tls at e.yaml:1:16: there is no certificate for it; set certificates, or tls.cert and tls.key (received true).",
    ],
    [
      "listen: { tls: true }",
      "listen.tls at e.yaml:1:16: there is no certificate for it; set certificates, or tls.cert and tls.key (received true).",
    ],
    [
      "certificates: [{ cert: /cert, key: /other }]\nlisten: { tls: true }",
      'certificates[0].key at e.yaml:1:36: the key does not match the certificate in certificates[0].cert (received "/other").',
    ],
    [
      "certificates: [{ cert: /cert }]",
      'certificates[0].cert at e.yaml:1:24: a private key is required too; set key beside it (received "/cert").',
    ],
    [
      "certificates: [{}]",
      "certificates[0] at e.yaml:1:16: expected cert and key, folder or acme (received an empty map).",
    ],
    [
      "certificates: [{ folder: /gone }]",
      'certificates[0].folder at e.yaml:1:26: folder not found (received "/gone").',
    ],
    [
      "certificates: [{ cert: /cert, key: /key }]\nlisten: { tls: { defaultCertificate: ub.example } }",
      'listen.tls.defaultCertificate at e.yaml:2:38: no certificate covers it (received "ub.example"); did you mean "up.example"?',
    ],
    [
      "certificates: [{ cert: /cert, key: /key }]\nlisten: { tls: { minVersion: 1.1 } }",
      'listen.tls.minVersion at e.yaml:2:30: expected one of 1.2, 1.3 (received "1.1"); did you mean "1.2"?',
    ],
    [
      "certificates: [{ cert: /cert, key: /key }]\nlisten: { tls: { clientCertificates: { ca: /key } } }",
      'listen.tls.clientCertificates.ca at e.yaml:2:44: the file contains no PEM certificate (received "/key").',
    ],
    [
      "engine: fetch\ncertificates: [{ cert: /cert, key: /key }]\nlisten: { tls: { strictSni: true } }",
      "listen.tls.strictSni at e.yaml:3:29: the fetch engine does not support it; use the wire engine (received true).",
    ],
    [
      "pools: { a: { upstreams: [https://u], upstreamTls: { ca: /key } } }",
      'pools.a.upstreamTls.ca at e.yaml:1:58: the file contains no PEM certificate (received "/key").',
    ],
    [
      "pools: { a: { upstreams: [{ url: https://u, tls: { ca: /gone } }] } }",
      'pools.a.upstreams[0].tls.ca at e.yaml:1:56: file not found (received "/gone").',
    ],
    [
      "pools: { a: { upstreams: [{ url: http://u, tls: { verify: false } }] } }",
      'pools.a.upstreams[0].tls at e.yaml:1:49: the URL must be https (it is "http://u").',
    ],
    [
      "pools: { a: { upstreams: [{ url: https://u, tls: { serverName: 10.0.0.1 } }] } }",
      'pools.a.upstreams[0].tls.serverName at e.yaml:1:64: expected a host name such as api.internal (received "10.0.0.1").',
    ],
  ])("%s", (text, sentence) =>
    expect(problemsOf({ argv: "proxy --config e.yaml", files: files(text) })).toEqual([
      `Cannot use ${sentence}`,
    ]),
  );

  test("both forms of one certificate are too many", () => {
    const text = "certificates: [{ cert: /cert, key: /key, folder: /tls }]";
    expect(
      problemsOf({ argv: "proxy --config e.yaml", files: { ...files(text), "/tls/README": "" } }),
    ).toEqual([
      "Cannot use certificates[0] at e.yaml:1:16: expected only one of cert and key, folder, acme (received a map).",
    ]);
  });

  test("a file without read permission is one too", async () => {
    const { parse } = await import("../../src/cli/parse.ts");
    const denied = () => {
      throw Object.assign(new Error("no"), { code: "EACCES" });
    };
    const readBut = (path: string) => (path === "/key" ? denied() : (pems as Record<string, string>)[path]);
    const around = { read: readBut, stateFolder: "/", hostName: "h", now: () => 0 };
    expect(parse(["proxy", "--tls-cert", "/cert", "--tls-key", "/key"], {}, around)).toMatchObject({
      problems: [{ why: "permission denied", received: '"/key"' }],
    });
  });
});

describe("certificates of all listeners", () => {
  const tree = {
    ...pems,
    "/tls/README": "no certificate",
    "/tls/..data": "x",
    "/tls/a.crt": pems["/cert"],
    "/tls/a.key": pems["/key"],
    "/tls/b.pem": pems["/cert"],
    "/tls/c.key": pems["/key"],
    "/tls/d/fullchain.pem": pems["/cert"],
    "/tls/d/privkey.pem": pems["/key"],
    "/tls/e.crt": pems["/cert"],
    "/tls/e.key": other,
  };
  const load = (text: string) =>
    parsed("proxy", { argv: "proxy --config e.yaml", files: { ...tree, "e.yaml": text } }).config;

  test("come from files and folders, those of a listener first", () => {
    const config = load(`
certificates: [{ folder: /tls/ }, { cert: /cert, key: /key }]
listen: { tls: { cert: /cert, key: /key, minVersion: 1.3, strictSni: false } }`);
    expect(config.foundCertificates.map(({ setting, source }) => `${setting} ${source}`)).toEqual([
      "listen.tls.cert /cert",
      "certificates[1].cert /cert",
      "certificates[0].folder /tls/a.crt",
      "certificates[0].folder /tls/d/fullchain.pem",
    ]);
    expect(config.foundCertificates[0]).toMatchObject({ names: ["up.example"], keyType: "rsa" });
    expect(config.listeners[0].tls).toMatchObject({ minVersion: "1.3", strictSni: false });
    expect(JSON.stringify(config)).not.toContain("PRIVATE");
    expect(warningsIn(config, Date.parse("2030-01-01"))).toEqual([
      "certificates[0].folder: /tls/b.pem: there is no b.key beside it",
      "certificates[0].folder: /tls/e.key: the key does not match the certificate",
      "certificates[0].folder: /tls/c.key: there is no c.crt or .pem beside it",
    ]);
  });

  test("of clients are verified by the authorities of a file", () => {
    const settings = "{ ca: /ca, hosts: [Admin.example.com, '*.b.test'], forward: true }";
    const config = load(
      `certificates: [{ cert: /cert, key: /key }]\nlisten: { tls: { clientCertificates: ${settings} } }`,
    );
    expect(config.listeners[0].tls?.clientCertificates).toEqual({
      ca: pems["/ca"],
      caPath: "/ca",
      verify: "required",
      forward: true,
      hosts: ["admin.example.com", "*.b.test"],
    });
  });

  test("`true` is TLS without further settings, for one of several listeners", () => {
    const config = load(
      "certificates: [{ cert: /cert, key: /key }]\nlisten: [{ port: 1 }, { port: 2, tls: true }]",
    );
    expect(config.listeners.map(({ tls }) => tls)).toEqual([
      undefined,
      { minVersion: "1.2", strictSni: "auto" },
    ]);
  });

  test.each([
    ["up.example", []],
    [
      "*.up.example",
      ["no certificate covers the host *.up.example of a route; its clients get the default one"],
    ],
    [
      "other.example",
      ["no certificate covers the host other.example of a route; its clients get the default one"],
    ],
  ])("the host %s of a route", (host, warnings) => {
    const routes = `routes: [{ host: "${host}", pool: main }]\npools: { main: { upstreams: [http://u] } }`;
    const config = load(`certificates: [{ cert: /cert, key: /key }]\nlisten: { tls: true }\n${routes}`);
    expect(warningsIn(config, Date.parse("2030-01-01"))).toEqual(warnings);
    const plainToo = load(
      `certificates: [{ cert: /cert, key: /key }]\nlisten: [{ tls: true }, { port: 81 }]\n${routes}`,
    );
    expect(warningsIn(plainToo, Date.parse("2030-01-01"))).toEqual([]);
  });
});

test("an upstream's TLS settings override its pool's, and only for https", () => {
  const [main] = read(`pools: { main: { upstreamTls: { ca: /ca, serverName: a.b }, upstreams: [
    http://u:1, https://u:2, { url: https://u:3, tls: { serverName: c.d, verify: false } }] } }`).pools;
  const ca = { ca: pems["/ca"], caPath: "/ca" };
  expect(main?.upstreams.map(({ address }) => address.tls)).toEqual([
    undefined,
    { ...ca, serverName: "a.b", verify: true },
    { ...ca, serverName: "c.d", verify: false },
  ]);
});

describe("check", () => {
  const text = `listen: { tls: { cert: /cert, key: /key } }
pools: { main: { upstreamTls: { ca: /ca }, upstreams: [https://u:2, { url: https://u:3, tls: { verify: false } }] } }`;
  const check = (now: number) => parsed("check", { argv: "check --config e.yaml", files: files(text), now });

  test("prints paths and never the content of files, and has the same meaning as a file", () => {
    const first = check(Date.parse("2030-01-01"));
    expect(first.text).not.toMatch(/BEGIN|[A-Za-z\d+/]{40}/);
    const again = parsed("check", { argv: "check --config e.yaml", files: files(first.text) });
    expect(again.config).toEqual(first.config);
  });

  test("warns of what is expired, soon will be, is not valid yet, or not verified", () => {
    const unverified =
      "# warning: upstream u:3: the certificate of https://u:3 is not verified (man-in-the-middle risk)";
    const warningsAt = (day: string) =>
      check(Date.parse(day))
        .text.split("\n")
        .filter((line) => line.startsWith("# warning"));
    const file = "# warning: listen.tls.cert: the certificate from /cert";
    expect(warningsAt("2030-01-01")).toEqual([unverified]);
    expect(warningsAt("2040-01-01")).toEqual([`${file} expired on 2036-11-19`, unverified]);
    expect(warningsAt("2036-11-13")).toEqual([`${file} expires on 2036-11-19, in 7 days`, unverified]);
    expect(warningsAt("2020-01-01")).toEqual([`${file} is not valid before 2026-11-22`, unverified]);
  });

  test("has no warning for the defaults", () => {
    const usual = parseInput({ argv: "check" });
    expect("config" in usual && warningsIn(usual.config, 0)).toEqual([]);
  });
});
