import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { clientIdentityOf } from "../../src/tls/client-certificate.ts";
import { judgeClient } from "../../src/tls/listener-tls.ts";
import { selfSigned } from "../../src/tls/self-signed.ts";

const derOf = (pem: string) => new X509Certificate(pem).raw;

/** An element in DER. */
const element = (tag: number, ...parts: readonly Buffer[]) => {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
};
const attribute = (oid: string, tag: number, value: string | Buffer) =>
  element(0x30, element(0x06, Buffer.from(oid, "hex")), element(tag, Buffer.from(value as string)));

/** A certificate of which only the subject is more than a placeholder. */
function certificateWith(...sets: readonly (readonly Buffer[])[]): Buffer {
  const subject = element(0x30, ...sets.map((attributes) => element(0x31, ...attributes)));
  const filler = element(0x30);
  const version = element(0xa0, element(0x02, Buffer.from([2])));
  return element(
    0x30,
    element(0x30, version, element(0x02, Buffer.from([1])), filler, filler, filler, subject),
  );
}

/** A certificate with a serial number and an extension of alternative names. */
function certificateFor(serial: string, ...names: readonly Buffer[]): Buffer {
  const filler = element(0x30);
  const extension = element(
    0x30,
    element(0x06, Buffer.from("551d11", "hex")),
    element(0x01, Buffer.from([0xff])),
    element(0x04, element(0x30, ...names)),
  );
  return element(
    0x30,
    element(
      0x30,
      element(0xa0, element(0x02, Buffer.from([2]))),
      element(0x02, Buffer.from(serial, "hex")),
      ...[filler, filler, filler, filler, filler],
      element(0xa3, element(0x30, element(0x30, element(0x06, Buffer.from("551d0f", "hex"))), extension)),
    ),
  );
}

test("serial number and alternative names are the certificate's", () => {
  const identity = clientIdentityOf(
    certificateFor(
      "0aff",
      element(0x82, Buffer.from("ann.example")),
      element(0x81, Buffer.from("ann@a.example, DNS:root\r\n")),
      element(0x87, Buffer.from([10, 0, 0, 1])),
      element(0x87, Buffer.from("20010db8000000000000000000000001", "hex")),
      element(0xa4, element(0x30)),
      element(0x86, Buffer.from("spiffe://a/b")),
    ),
  );
  expect(identity.serial).toBe("0aff");
  expect(identity.alternativeNames).toBe(
    "DNS:ann.example, email:ann@a.example%2C%20DNS:root%0D%0A, IP:10.0.0.1, IP:2001:db8:0:0:0:0:0:1, URI:spiffe://a/b",
  );
  expect(clientIdentityOf(certificateWith()).alternativeNames).toBe("");
  expect(clientIdentityOf(certificateFor("01", Buffer.from([0x82, 0x7f]))).alternativeNames).toBe("");
  const { cert } = selfSigned("unit.example", "test");
  expect(clientIdentityOf(derOf(cert)).alternativeNames).toBe("DNS:unit.example");
});

const [cn, o, ou, dc] = ["550403", "55040a", "55040b", "0992268993f22c640119"];

test.each([
  [
    "the last name first",
    [[attribute("550406", 0x13, "DE")], [attribute(o, 0x0c, "Org")], [attribute(cn, 0x0c, "Ann")]],
    "CN=Ann,O=Org,C=DE",
  ],
  ["several values of one set", [[attribute(ou, 0x0c, "x"), attribute(cn, 0x0c, "y")]], "OU=x+CN=y"],
  [
    "special characters",
    [[attribute(cn, 0x0c, ' #a,b+"c\\<d>;=e ')]],
    'CN=\\ #a\\,b\\+\\"c\\\\\\<d\\>\\;\\=e\\ ',
  ],
  ["a leading #", [[attribute(cn, 0x0c, "#1")]], "CN=\\#1"],
  ["other letters", [[attribute(cn, 0x0c, "Änne")]], "CN=\\C3\\84nne"],
  ["line ends and NUL", [[attribute(cn, 0x0c, "a\r\nX: y\0")]], "CN=a\\0D\\0AX: y\\00"],
  ["UTF-16", [[attribute(cn, 0x1e, Buffer.from("00480069", "hex"))]], "CN=Hi"],
  ["domain components", [[attribute(dc, 0x16, "test")], [attribute(dc, 0x16, "a")]], "DC=a,DC=test"],
  ["an unknown type", [[attribute("2a864886f70d010901", 0x16, "x@y")]], "1.2.840.113549.1.9.1=#1603784079"],
  ["an unknown kind of value", [[attribute(cn, 0x03, "x")]], "CN=#030178"],
  ["no name", [], ""],
] as const)("the subject has %s", (_, sets, subject) =>
  expect(clientIdentityOf(certificateWith(...sets)).subject).toBe(subject),
);

test("the fields fit into a header, and are those of the certificate", () => {
  const pem = readFileSync(join(import.meta.dirname, "../engine/wire/certificates/server.crt"), "utf8");
  for (const text of [pem, selfSigned("a.test", "").cert]) {
    const der = derOf(text);
    const { fields, fingerprint } = clientIdentityOf(der);
    expect(fingerprint).toBe(new X509Certificate(text).fingerprint256.replaceAll(":", "").toLowerCase());
    expect(fields[0]).toEqual(["Client-Cert", `:${der.toString("base64")}:`]);
    for (const [name, value] of fields) expect(`${name}: ${value}`).toMatch(/^[\w-]+: [ -~]+$/);
  }
});

test("a cut certificate is an error, not a subject", () =>
  expect(() => clientIdentityOf(derOf(selfSigned("a.test", "").cert).subarray(0, 60))).toThrow("cut"));

test("a certificate that the runtime accepts and we cannot read refuses the handshake", () => {
  const options = { ca: "", verify: "required", forward: true } as const;
  const der = derOf(selfSigned("a.test", "").cert);
  const shown = (bytes: Uint8Array) =>
    judgeClient(options, "x.test", { der: bytes, isVerified: true, why: "" });
  expect(shown(der.subarray(0, 60)).refusal).toContain("cut");
  expect(shown(der).client?.subject).toBe("CN=a.test");
});
