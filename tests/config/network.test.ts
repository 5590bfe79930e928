import { describe, expect, test } from "bun:test";
import {
  parseAddress,
  isWildcard,
  hostProblem,
  originProblem,
  cidrProblem,
} from "../../src/config/network.ts";
import { warningsIn } from "../../src/config/load.ts";
import { authorityOf } from "../../src/net/address.ts";
import { parsed } from "../cli/fake.ts";

describe("an origin", () => {
  test.each([
    ["http://localhost:8081", "http", "localhost:8081"],
    ["http://localhost", "http", "localhost:80"],
    ["https://Example.COM/", "https", "example.com:443"],
    ["HTTPS://a:80", "https", "a:80"],
    ["http://a:443", "http", "a:443"],
    ["http://my_service:80", "http", "my_service:80"],
    ["http://[::1]:8080", "http", "[::1]:8080"],
    ["https://[2001:DB8::1]", "https", "[2001:db8::1]:443"],
    ["http://10.0.0.1:65535", "http", "10.0.0.1:65535"],
  ] as const)("%s is valid", (text, protocol, authority) => {
    expect(originProblem(text)).toBeUndefined();
    const address = parseAddress(text);
    expect([address.protocol, authorityOf(address)]).toEqual([protocol, authority]);
  });

  const isNone = "expected a URL such as http://10.0.0.1:8080";
  const isLonger = "the URL must end after host and port";
  const hasNoPort = "the port must be from 1 to 65535";
  test.each([
    ["", isNone],
    ["localhost:8081", isNone],
    ["//a", isNone],
    ["http:a", isNone],
    ["http:/a", isNone],
    ["ftp://a", "the protocol must be http or https"],
    ["h2c://a", "the protocol must be http or https"],
    ["http://a/b", isLonger],
    ["http://a//", isLonger],
    ["http://a?", isLonger],
    ["http://a/?q", isLonger],
    ["http://a#", isLonger],
    ["http://a\\b", isLonger],
    ["http://u@a", "a user name or password is not allowed"],
    ["http://u:p@a/b", "a user name or password is not allowed"],
    ["http://", "the host is missing"],
    ["http://:80", "the host is missing"],
    ["http:///a", isLonger],
    ["http://a b", "the host is not valid"],
    ["http://a\tb", "the host is not valid"],
    ["http://a\nb", "the host is not valid"],
    ["http://[::1", "the host is not valid"],
    ["http://::1", "the host is not valid"],
    ["http://[::g]", "the host is not valid"],
    ["http://[fe80::1%25eth0]", "the host is not valid"],
    ["http://1.2.3.256", "the host is not valid"],
    ["http://a:", hasNoPort],
    ["http://a:0", hasNoPort],
    ["http://a:65536", hasNoPort],
    ["http://a:80a", "the host is not valid"],
  ])("%p is rejected", (text, why) => expect(originProblem(text)).toBe(why));
});

test("a listener's host is an address, with or without brackets, or a name", () => {
  for (const host of ["0.0.0.0", "::", "[::1]", "localhost", "a.b-c.d", "x"]) {
    expect(hostProblem(host)).toBeUndefined();
  }
  for (const host of [
    "",
    " ",
    "a b",
    "a/b",
    "http://a",
    "a:80",
    "1.2.3",
    "256.0.0.1",
    "[::1",
    "-",
    "a.",
    "[a]",
  ]) {
    expect([host, hostProblem(host)]).toEqual([host, "expected an IP address or a host name"]);
  }
});

test("a range is an address with or without a prefix that fits it", () => {
  for (const range of ["10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "::/0", "::1", "2001:db8::/128"]) {
    expect(cidrProblem(range)).toBeUndefined();
  }
  const isNone = "expected an address or a range such as 10.0.0.0/8";
  for (const range of [
    "",
    "localhost",
    "10.0.0.0/",
    "10.0.0/8",
    "10.0.0.0/8/8",
    "/8",
    "10.0.0.0/-1",
    "fe80::1%lo",
  ]) {
    expect([range, cidrProblem(range)]).toEqual([range, isNone]);
  }
  expect(cidrProblem("10.0.0.0/33")).toBe("the prefix must be from 0 to 32");
  expect(cidrProblem("::/129")).toBe("the prefix must be from 0 to 128");
});

test("a wildcard address is recognised", () => {
  expect(["0.0.0.0", "::", "[::]"].every(isWildcard)).toBe(true);
  expect(["127.0.0.1", "::1", "localhost"].some(isWildcard)).toBe(false);
});

test("the file may name unspecified and link-local upstreams, with a warning", () => {
  const warningsOf = (url: string, more = "") => {
    const text = `${more}pools: { main: { upstreams: ["${url};name=a"] } }\n`;
    return warningsIn(
      parsed("proxy", { argv: "proxy --config e.yaml", files: { "e.yaml": text } }).config,
      0,
    );
  };
  expect(warningsOf("http://0.0.0.0:81")).toEqual([
    "upstream a: its host is the address of no server; 127.0.0.1 is this machine",
  ]);
  expect(warningsOf("http://169.254.1.1")).toEqual([
    "upstream a: its host is link-local, where clouds serve this machine's credentials; allowLinkLocal: true accepts it",
  ]);
  expect(warningsOf("http://169.254.1.1", "allowLinkLocal: true\n")).toEqual([]);
  expect(warningsOf("http://10.0.0.1")).toEqual([]);
});
