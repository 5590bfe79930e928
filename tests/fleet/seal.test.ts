import { expect, test } from "bun:test";

import { Seal } from "../../src/fleet/seal.ts";

const key = "k".repeat(40);

test("a sealed text opens with the same key and name only, and shows nothing of itself", () => {
  const seal = new Seal(key);
  const sealed = seal.close("acme:a", "a private key");
  expect(sealed).toMatch(/^gcm1:[\w-]+$/);
  expect(Buffer.from(sealed.slice(5), "base64url").toString("latin1")).not.toContain("private");
  expect(new Seal(key).open("acme:a", sealed)).toBe("a private key");
  expect(seal.open("acme:b", sealed)).toBeUndefined();
  expect(new Seal("x".repeat(40)).open("acme:a", sealed)).toBeUndefined();
  // Each time another nonce: GCM breaks with one that is used twice.
  expect(seal.close("acme:a", "a private key")).not.toBe(sealed);
  expect(seal.open("n", seal.close("n", ""))).toBe("");
});

test("what was changed, cut or made up does not open", () => {
  const seal = new Seal(key);
  const bytes = Buffer.from(seal.close("n", "text").slice(5), "base64url");
  for (let index = 0; index < bytes.length; index++) {
    const changed = Buffer.from(bytes);
    changed[index] = (changed[index] as number) ^ 1;
    expect(seal.open("n", `gcm1:${changed.toString("base64url")}`)).toBeUndefined();
    expect(seal.open("n", `gcm1:${bytes.subarray(0, index).toString("base64url")}`)).toBeUndefined();
  }
  for (const text of ["", "gcm1:", "gcm1:!!", "open1:text", "text", "gcm2:AAAA"])
    expect(seal.open("n", text)).toBeUndefined();
});

test("without a key texts lie open, and sealed ones are no texts", () => {
  const open = new Seal(undefined);
  expect(open.hasKey).toBe(false);
  expect(open.open("n", open.close("n", "text"))).toBe("text");
  expect(open.open("n", new Seal(key).close("n", "text"))).toBeUndefined();
  expect(open.open("n", "text")).toBeUndefined();
});
