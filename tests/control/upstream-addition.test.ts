import { describe, expect, test } from "bun:test";

import { networkInterfaces } from "node:os";

import type { Config } from "../../src/config/config.ts";
import { OwnListeners } from "../../src/control/own-listeners.ts";
import { parseNewUpstream } from "../../src/control/upstream-addition.ts";
import { configOf } from "../support/configs.ts";

const config = configOf("main: a", {}, { upstreamTls: { ca: "PEM", caPath: "/ca", verify: false } });
const parse = (body: object) =>
  parseNewUpstream(body, config, "main", { config, listeners: new OwnListeners() });

test("a new upstream keeps its own TLS settings, and uses the pool's for the rest", () => {
  expect(parse({ url: "https://n" })).toMatchObject({
    address: { protocol: "https", hostname: "n", port: 443 },
  });
  expect(parse({ url: "https://n" })).not.toHaveProperty("address.tls");
  expect(parse({ url: "https://n", tls: { serverName: "a.b" } })).toHaveProperty("address.tls", {
    serverName: "a.b",
    verify: false,
  });
  expect(parse({ url: "https://n", tls: { verify: true } })).toHaveProperty("address.tls", { verify: true });
});

test.each([
  [
    { url: "https://n", tls: { ca: "/etc/shadow" } },
    "Cannot use tls.ca: only the configuration file can name certificate files. Use upstreamTls of the pool.",
  ],
  [{ url: "http://n", tls: { verify: false } }, 'Cannot use tls: the URL must be https (it is "http://n").'],
])("a new upstream with unusable TLS settings is refused: %j", (body, message) =>
  expect(parse(body)).toMatchObject({ status: 422, message }),
);

test("a new upstream may speak HTTP/2, except with the fetch engine", () => {
  expect(parse({ url: "http://n", http2: true })).toHaveProperty("address.http2", true);
  expect(parse({ url: "http://n" })).not.toHaveProperty("address.http2");
  const fetched: Config = { ...config, engine: "fetch" };
  const parseForFetch = (http2: boolean) =>
    parseNewUpstream({ url: "http://n", http2 }, fetched, "main", {
      config: fetched,
      listeners: new OwnListeners(),
    });
  expect(parseForFetch(false)).toHaveProperty("address.hostname", "n");
  expect(parseForFetch(true)).toMatchObject({
    status: 422,
    message: "Cannot use http2: the fetch engine speaks HTTP/1.1 to upstreams (received true).",
  });
});

describe("an upstream that is a listener of this balancer", () => {
  const listeners = new OwnListeners();
  listeners.add({ key: "listen", hostname: "0.0.0.0", port: 8080 });
  listeners.add({ key: "admin", hostname: "127.0.0.1", port: 8091 });
  listeners.add({ key: "dashboard", hostname: "192.0.2.7", port: 8090 });
  const add = (url: string) => parseNewUpstream({ url }, config, "main", { config, listeners });
  const spellings = [
    "127.0.0.1", "localhost", "LocalHost", "localhost.", "x.localhost", "ip6-localhost", "localhost.localdomain.", "127.0.0.2", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "0", "0.0.0.0", "[::]",
    "[::1]", "[0:0::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::127.0.0.1]", "[::ffff:0:0]",
  ]; // prettier-ignore
  test.each(spellings)("is refused as %s", (host) => {
    for (const [port, name] of [
      [8080, "client listener"],
      [8091, "admin API"],
    ] as const)
      expect(add(`http://${host}:${port}`)).toMatchObject({
        status: 422,
        reason: "upstream_invalid",
        message: expect.stringContaining(
          `it is the address of this balancer's ${name}, so requests would loop`,
        ),
      });
  });

  test("is refused by every address of the machine where it listens on all", () => {
    const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    expect(own.length).toBeGreaterThan(0);
    for (const { address, family } of own) {
      const host = family === "IPv6" ? `[${address.replace(/%.*/, "")}]` : address;
      expect(add(`http://${host}:8080`)).toMatchObject({ status: 422 });
    }
    expect(add("http://192.0.2.7:8090")).toMatchObject({ status: 422 });
    expect(add("http://[::ffff:c000:207]:8090")).toMatchObject({ status: 422 });
  });

  test.each([
    "http://127.0.0.1:8081",
    "http://127.0.0.1:8090",
    "http://192.0.2.7:8091",
    "http://[2001:db8::1]:8080",
    "http://other.example:8080",
  ])("is not %s", (url) => expect(add(url)).toHaveProperty("id"));
});

describe("a new upstream that is unspecified or link-local", () => {
  const add = (url: string, change: Partial<Config> = {}) => {
    const own = { ...config, ...change };
    return parseNewUpstream({ url }, own, "main", { config: own, listeners: new OwnListeners() });
  };
  const linkLocal = [
    "169.254.169.254", "169.254.0.1", "2852039166", "0xa9fea9fe", "169.254.43518", "[fe80::1]", "[febf::1]", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]", "metadata.google.internal", "METADATA.google.internal.", "[fd00:ec2::254]", "100.100.100.200", "192.0.0.192",
  ]; // prettier-ignore
  test.each(linkLocal)("is refused as %s, unless that is allowed", (host) => {
    expect(add(`http://${host}`)).toMatchObject({
      status: 422,
      message: expect.stringContaining(
        "its host is link-local, where clouds serve this machine's credentials",
      ),
    });
    expect(add(`http://${host}`, { allowLinkLocal: true })).toHaveProperty("id");
  });

  test.each(["0.0.0.0:1", "0:1", "[::]:1", "[0::0]:1", "[::ffff:0.0.0.0]:1"])("is refused as %s", (host) => {
    for (const allowLinkLocal of [true, false])
      expect(add(`http://${host}`, { allowLinkLocal })).toMatchObject({
        status: 422,
        message: expect.stringContaining("its host is the address of no server; 127.0.0.1 is this machine"),
      });
  });

  test("may come back if it is in the file", () => {
    const own = configOf("main: a@169.254.1.1");
    const spec = { url: "http://169.254.1.1", name: "a" };
    const context = { config: own, listeners: new OwnListeners() };
    expect(parseNewUpstream(spec, configOf("main: b"), "main", context)).toMatchObject({ id: "a" });
    expect(parseNewUpstream({ ...spec, name: "c" }, configOf("main: b"), "main", context)).toMatchObject({
      status: 422,
    });
  });

  test.each(["http://169.253.0.1", "http://fe80.example", "http://[fec0::1]", "http://10.0.0.1"])(
    "is not %s",
    (url) => expect(add(url)).toHaveProperty("id"),
  );
});
