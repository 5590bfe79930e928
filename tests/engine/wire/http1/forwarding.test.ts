import { expect, test } from "bun:test";

import { ForwardingCache } from "../../../../src/engine/wire/http1/request-writer.ts";

test("connections from one address share its headers, until its trust changes", () => {
  let trusted = "";
  const forwardings = new ForwardingCache("https", {
    isTrustedProxy: (address) => address === trusted,
    viaName: "evenkeel-1",
  });
  forwardings.setListenPort(443);
  const first = forwardings.for("192.0.2.1");
  expect(first).toMatchObject({ address: "192.0.2.1", isTrusted: false });
  expect(first.prefix.toString("latin1").split("\r\n").slice(0, 3)).toEqual([
    "X-Forwarded-For: 192.0.2.1",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Port: 443",
  ]);
  expect(forwardings.for("192.0.2.1")).toBe(first);
  expect(forwardings.for("192.0.2.2")).not.toBe(first);
  trusted = "192.0.2.1";
  expect(forwardings.for("192.0.2.1").isTrusted).toBe(true);
  expect(forwardings.for("192.0.2.2").isTrusted).toBe(false);
  trusted = "";
  expect(forwardings.for("192.0.2.1").isTrusted).toBe(false);
});

test("the cache is bounded for clients from ever new addresses", () => {
  const forwardings = new ForwardingCache("http", { isTrustedProxy: () => false, viaName: "evenkeel-1" });
  const first = forwardings.for("2001:db8::");
  for (let i = 1; i <= 1_023; i++) forwardings.for(`2001:db8::${i.toString(16)}`);
  expect(forwardings.for("2001:db8::")).toBe(first);
  forwardings.for("2001:db8::ffff");
  expect(forwardings.for("2001:db8::")).not.toBe(first);
});

test("a request that names no host gets the listener's", () => {
  const table: ReadonlyArray<readonly ["http" | "https", number, string, string]> = [
    ["http", 8080, "0.0.0.0", "localhost:8080"],
    ["http", 80, "::", "localhost"],
    ["https", 443, "192.0.2.9", "192.0.2.9"],
    ["https", 80, "balancer.example", "balancer.example:80"],
    ["http", 8080, "2001:db8::1", "[2001:db8::1]:8080"],
  ];
  for (const [scheme, port, hostname, host] of table) {
    const forwardings = new ForwardingCache(scheme, { isTrustedProxy: () => false, viaName: "evenkeel-1" });
    forwardings.setListenPort(port, hostname);
    expect(forwardings.for("192.0.2.1").defaultHost).toBe(host);
  }
});
