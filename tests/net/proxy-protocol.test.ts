import { describe, expect, test } from "bun:test";

import {
  ownProxyHeader,
  proxyVersions,
  readProxyHeader,
  writeProxyHeader,
} from "../../src/net/proxy-protocol.ts";

const signature = "\r\n\r\n\0\r\nQUIT\n";

/** A header of version 2. @param first version and command  @param family family and transport */
function binary(first: number, family: number, rest: string | Buffer, declared = rest.length): Buffer {
  const fixed = Buffer.from([first, family, declared >> 8, declared & 0xff]);
  const bytes = typeof rest === "string" ? Buffer.from(rest, "hex") : rest;
  return Buffer.concat([Buffer.from(signature, "latin1"), fixed, bytes]);
}

const ports = "c350" + "01bb";
const inet = Buffer.from(`c0000201` + `c6336401` + ports, "hex");
const inet6 = Buffer.from(`20010db8${"0".repeat(20)}0001` + `20010db8${"0".repeat(20)}0002` + ports, "hex");
const mapped = Buffer.from(`${"0".repeat(20)}ffffc0000201`.repeat(2) + ports, "hex");
const fields = Buffer.from("0100026832" + "04000361626330", "hex");
const line = (text: string) => Buffer.from(`${text}\r\n`, "latin1");

const longest = `PROXY TCP6 ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535`;
const allOnes = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";

const valid: ReadonlyArray<readonly [name: string, bytes: Buffer, address: string | undefined]> = [
  ["version 1 with IPv4", line("PROXY TCP4 192.0.2.1 198.51.100.1 50000 443"), "192.0.2.1"],
  ["version 1 with IPv6", line("PROXY TCP6 2001:DB8:0::1 2001:db8::2 1 0"), "2001:db8::1"],
  ["version 1 with mapped IPv4", line("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2"), "192.0.2.1"],
  ["version 1 of full length", line(longest), allOnes],
  ["version 1 of an unknown client", line("PROXY UNKNOWN"), undefined],
  ["version 1 of an unknown client with addresses", line("PROXY UNKNOWN ffff::1 ffff::2 1 2"), undefined],
  ["version 2 with IPv4", binary(0x21, 0x11, inet), "192.0.2.1"],
  ["version 2 with IPv6", binary(0x21, 0x21, inet6), "2001:db8::1"],
  ["version 2 with mapped IPv4", binary(0x21, 0x21, mapped), "192.0.2.1"],
  ["version 2 with further fields", binary(0x21, 0x11, Buffer.concat([inet, fields])), "192.0.2.1"],
  ["version 2 of 4,096 bytes", binary(0x21, 0x11, Buffer.concat([inet, Buffer.alloc(4_068)])), "192.0.2.1"],
  ["version 2 of the proxy itself", binary(0x20, 0, ""), undefined],
  ["version 2 of the proxy itself with an address", binary(0x20, 0x11, inet), undefined],
  ["version 2 of an unknown family", binary(0x21, 0, fields), undefined],
  ["version 2 of a Unix socket", binary(0x21, 0x31, Buffer.alloc(216)), undefined],
  ["version 2 of datagrams", binary(0x21, 0x12, inet), undefined],
];

describe("a header of the PROXY protocol", () => {
  for (const [name, bytes, address] of valid) {
    test(`${name} is read, complete only with its last byte`, () => {
      for (let length = 0; length < bytes.length; length++)
        expect(readProxyHeader(bytes.subarray(0, length))).toBe("more");
      for (const next of ["", "GET / HTTP/1.1\r\n\r\n", "PROXY UNKNOWN\r\n"])
        expect(readProxyHeader(Buffer.concat([bytes, Buffer.from(next)]))).toEqual({
          length: bytes.length,
          address,
        });
    });
  }

  const invalid: ReadonlyArray<readonly [name: string, bytes: Buffer]> = [
    ["a request", line("GET / HTTP/1.1")],
    ["a TLS handshake", Buffer.from("160301", "hex")],
    ["lower case", line("proxy TCP4 192.0.2.1 192.0.2.2 1 2")],
    ["no space", line("PROXYTCP4 192.0.2.1 192.0.2.2 1 2")],
    ["two spaces", line("PROXY  TCP4 192.0.2.1 192.0.2.2 1 2")],
    ["a tab", line("PROXY TCP4\t192.0.2.1 192.0.2.2 1 2")],
    ["a protocol of its own", line("PROXY UDP4 192.0.2.1 192.0.2.2 1 2")],
    ["IPv6 as TCP4", line("PROXY TCP4 ::1 ::1 1 2")],
    ["IPv4 as TCP6", line("PROXY TCP6 192.0.2.1 192.0.2.2 1 2")],
    ["an octal address", line("PROXY TCP4 192.0.2.01 192.0.2.2 1 2")],
    ["a zone", line("PROXY TCP6 fe80::1%eth0 fe80::2 1 2")],
    ["a name", line("PROXY TCP4 localhost 192.0.2.2 1 2")],
    ["a destination that is none", line("PROXY TCP4 192.0.2.1 x 1 2")],
    ["a port too many", line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3")],
    ["no ports", line("PROXY TCP4 192.0.2.1 192.0.2.2")],
    ["a large port", line("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2")],
    ["a port with a zero before it", line("PROXY TCP4 192.0.2.1 192.0.2.2 01 2")],
    ["a negative port", line("PROXY TCP4 192.0.2.1 192.0.2.2 -1 2")],
    ["LF alone", Buffer.from("PROXY UNKNOWN\nGET / HTTP/1.1\r\n")],
    ["NUL in an unknown one", line("PROXY UNKNOWN \0")],
    ["a letter after UNKNOWN", line("PROXY UNKNOWNS")],
    ["a line without end", Buffer.from(`PROXY UNKNOWN ${"x".repeat(93)}`)],
    ["a line that is too long", line(`PROXY UNKNOWN ${"x".repeat(92)}`)],
    ["another signature", Buffer.from("\r\n\r\n\0\r\nQUIT\r", "latin1")],
    ["version 1 in binary", binary(0x11, 0x11, inet)],
    ["version 3", binary(0x31, 0x11, inet)],
    ["another command", binary(0x22, 0x11, inet)],
    ["another family", binary(0x21, 0x41, inet)],
    ["another transport", binary(0x21, 0x13, inet)],
    ["a short IPv4 address", binary(0x21, 0x11, inet.subarray(0, 11))],
    ["a short IPv6 address", binary(0x21, 0x21, inet6.subarray(0, 35))],
    ["4,097 bytes", binary(0x21, 0x11, Buffer.concat([inet, Buffer.alloc(4_069)]))],
    ["64 KiB that it announces", binary(0x21, 0x11, inet, 65_535)],
    ["64 KiB of the proxy itself", binary(0x20, 0, "", 65_535)],
  ];
  for (const [name, bytes] of invalid) {
    test(`with ${name} is refused, and never read before`, () => {
      expect(readProxyHeader(bytes)).toBe("invalid");
      for (let length = 0; length < bytes.length; length++)
        expect(typeof readProxyHeader(bytes.subarray(0, length))).toBe("string");
    });
  }

  test("is refused with the first byte that cannot belong to one", () => {
    for (const start of ["G", "PR0", "PROXY\n", "\r\n\r\n\r", "\n"])
      expect(readProxyHeader(Buffer.from(start, "latin1"))).toBe("invalid");
    expect(readProxyHeader(Buffer.from(`${signature}\x41`, "latin1"))).toBe("invalid");
  });
});

describe("a header that is written", () => {
  const addresses = [
    "192.0.2.1",
    "0.0.0.0",
    "2001:db8::1",
    "::",
    "::1",
    "1::",
    "fe80:1:2:3:4:5:6:7",
    "::ffff:1:2:3",
  ];
  for (const version of proxyVersions) {
    for (const source of addresses) {
      test(`is read as what it was: ${version} with ${source}`, () => {
        for (const target of addresses) {
          const header = writeProxyHeader(
            version,
            { address: source, port: 65_535 },
            { address: target, port: 0 },
          );
          expect(readProxyHeader(header)).toEqual({ length: header.length, address: source });
        }
      });
    }

    test(`names no client where there is no address, nor for the balancer itself: ${version}`, () => {
      const nowhere = { address: "", port: 0 };
      for (const header of [writeProxyHeader(version, nowhere, nowhere), ownProxyHeader(version)])
        expect(readProxyHeader(header)).toEqual({ length: header.length, address: undefined });
    });
  }

  test("has addresses and ports in their places", () => {
    const [source, target] = [
      { address: "192.0.2.1", port: 50_000 },
      { address: "198.51.100.1", port: 443 },
    ] as const;
    expect(writeProxyHeader("v1", source, target).toString()).toBe(
      "PROXY TCP4 192.0.2.1 198.51.100.1 50000 443\r\n",
    );
    expect(writeProxyHeader("v2", source, target)).toEqual(binary(0x21, 0x11, inet));
    expect(ownProxyHeader("v2")).toEqual(binary(0x20, 0, ""));
  });
});
