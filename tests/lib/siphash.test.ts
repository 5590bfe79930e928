import { expect, test } from "bun:test";

import { SipHash } from "../../src/lib/siphash.ts";

const key = Buffer.from(Array.from({ length: 16 }, (_, index) => index));

function digestOf(sip: SipHash, text: string): string {
  sip.hash(text);
  const digest = Buffer.alloc(8);
  digest.writeInt32LE(sip.low, 0);
  digest.writeInt32LE(sip.high, 4);
  return digest.toString("hex");
}

/** The bytes 0, 1, 2 …, two in each code unit. */
function vector(bytes: number): string {
  return Buffer.from(Array.from({ length: bytes }, (_, index) => index)).toString("utf16le");
}

test("has the digests of the reference implementation", () => {
  const sip = new SipHash(key);
  const found = [0, 2, 4, 6, 8, 10, 12, 14].map((bytes) => digestOf(sip, vector(bytes)));
  expect(found).toEqual([
    "310e0edd47db6f72",
    "5a4fa9d909806c0d",
    "b7877127e09427cf",
    "cee3fe586e46c9cb",
    "6224939a79f5f593",
    "f3b9dd94c5bb5d7a",
    "fbe50e86bc8f1e75",
    "eef27a8e90ca23f7",
  ]);
});

test("each key has digests of its own", () => {
  const [one, other] = [new SipHash(), new SipHash()];
  expect(digestOf(one, "192.0.2.1")).not.toBe(digestOf(other, "192.0.2.1"));
  expect(digestOf(one, "192.0.2.1")).toBe(digestOf(one, "192.0.2.1"));
});

test("texts that differ in one character, or in length, have other digests", () => {
  const sip = new SipHash(key);
  const texts = ["", "\0", "\0\0", "\0\0\0", "\0\0\0\0", "a", "b", "ab", "ba", "abcd", "abce", "abcde"];
  expect(new Set(texts.map((text) => digestOf(sip, text))).size).toBe(texts.length);
});
