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
    ["listen: { tls: {} }", "listen.tls at e.yaml:1:16: cert and key are required (received an empty map)."],
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
