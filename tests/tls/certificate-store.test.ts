import { describe, expect, test } from "bun:test";

import type { CertificatePair } from "../../src/tls/certificate-pair.ts";
import { CertificateStore } from "../../src/tls/certificate-store.ts";
import { type ListenerTlsOptions, StoredListenerTls } from "../../src/tls/listener-tls.ts";

const now = 1_000;

/** "name, name": valid from 0 until `expiresAt`. */
function pair(names: string, options: Partial<CertificatePair> = {}): CertificatePair {
  const facts = { keyType: "ec", validFrom: 0, expiresAt: 2_000, fingerprint: "", cert: "c", key: "k" };
  return { source: names, names: names.split(", "), ...facts, ...options };
}

function storeOf(...pairs: readonly CertificatePair[]): CertificateStore {
  const store = new CertificateStore(() => now);
  store.replace("test", pairs);
  return store;
}

describe("a name selects", () => {
  const exact = pair("a.test, www.a.test");
  const wildcard = pair("*.a.test");
  const store = storeOf(pair("first.test"), exact, wildcard);

  test.each([
    ["a.test", exact],
    ["WWW.A.Test", exact],
    ["www.a.test.", exact],
    ["x.a.test", wildcard],
    ["x.y.a.test", undefined],
    ["ba.test", undefined],
    ["test", undefined],
    ["", undefined],
    ["*.a.test", wildcard],
  ])("%s", (name, found) => expect(store.forName(name)).toBe(found as CertificatePair));
});

describe("of several certificates for one name", () => {
  test.each([
    [
      "the one that ends last",
      [pair("a.test", { source: "1" }), pair("a.test", { source: "2", expiresAt: 3_000 })],
      "2",
    ],
    [
      "one that is valid, although another ends later",
      [
        pair("a.test", { source: "early", validFrom: 1_500, expiresAt: 9_000 }),
        pair("a.test", { source: "valid" }),
      ],
      "valid",
    ],
    [
      "one with the kind of key that stands first",
      [pair("a.test", { source: "ec" }), pair("a.test", { source: "rsa", keyType: "rsa", expiresAt: 9_000 })],
      "ec",
    ],
    [
      "one with the other kind of key once the first has expired",
      [pair("a.test", { source: "ec", expiresAt: 1_000 }), pair("a.test", { source: "rsa", keyType: "rsa" })],
      "rsa",
    ],
    [
      "an expired one if there is no other",
      [pair("a.test", { source: "1", expiresAt: 500 }), pair("a.test", { source: "2", expiresAt: 600 })],
      "2",
    ],
    [
      "a valid wildcard before an expired certificate for the name itself",
      [pair("a.b.test", { source: "exact", expiresAt: 999 }), pair("*.b.test", { source: "wildcard" })],
      "wildcard",
    ],
    [
      "the name itself if both have expired",
      [
        pair("a.b.test", { source: "exact", expiresAt: 900 }),
        pair("*.b.test", { source: "wildcard", expiresAt: 900 }),
      ],
      "exact",
    ],
  ])("%s", (_, pairs, source) => {
    const [name = ""] = pairs[0]?.names ?? [];
    expect(storeOf(...pairs).forName(name)?.source).toBe(source);
  });
});

describe("clients without a name, or with an unknown one, get", () => {
  const pairs = [
    pair("first.test", { source: "old" }),
    pair("a.test"),
    pair("first.test", { source: "new", expiresAt: 5_000 }),
  ];
  const shown = (options: Partial<ListenerTlsOptions>, name?: string) =>
    new StoredListenerTls(storeOf(...pairs), {
      minVersion: "1.2",
      strictSni: false,
      ...options,
    }).certificateFor(name)?.source;

  test("the first certificate, or its successor", () => {
    expect([shown({}), shown({}, ""), shown({}, "other.test")]).toEqual(["new", "new", "new"]);
  });

  test("the one with the default name", () => {
    expect([shown({ defaultName: "a.test" }), shown({ defaultName: "a.test" }, "first.test")]).toEqual([
      "a.test",
      "new",
    ]);
  });

  test("the listener's own, which also serves its names", () => {
    expect([shown({ ownSource: "old" }), shown({ ownSource: "old" }, "first.test")]).toEqual(["old", "old"]);
    expect(shown({ ownSource: "old" }, "a.test")).toBe("a.test");
    expect(shown({ ownSource: "old", defaultName: "a.test" })).toBe("a.test");
  });

  test("none with strict SNI", () => {
    const strict = { strictSni: true, defaultName: "a.test", ownSource: "old" };
    expect([shown(strict), shown(strict, "other.test"), shown(strict, "a.test")]).toEqual([
      undefined,
      undefined,
      "a.test",
    ]);
  });
});

test("changes reach listeners, and another store that adopts them keeps what it knows", () => {
  const [store, copy] = [storeOf(pair("a.test")), new CertificateStore(() => now)];
  let changes = 0;
  const stop = copy.onChange(() => (changes += 1));
  copy.adopt(JSON.parse(JSON.stringify(store.content)));
  const known = copy.forName("a.test");
  expect(known).toEqual(pair("a.test"));
  store.replace("acme", [pair("b.test")]);
  copy.adopt(JSON.parse(JSON.stringify(store.content)));
  expect([copy.forName("a.test") === known, copy.forName("b.test")?.source, changes]).toEqual([
    true,
    "b.test",
    2,
  ]);
  store.replace("acme", []);
  copy.adopt(store.content);
  stop();
  copy.adopt(store.content);
  expect([copy.forName("b.test"), changes]).toEqual([undefined, 3]);
});

test("answers to tls-alpn-01 are found by name, and are no certificates for other handshakes", () => {
  const store = storeOf(pair("a.test"));
  const challenge = pair("new.test");
  store.setChallenge("New.Test", challenge);
  expect([store.alpnChallenge("new.test"), store.forName("new.test")]).toEqual([challenge, undefined]);
  store.setChallenge("new.test", undefined);
  expect(store.alpnChallenge("new.test")).toBeUndefined();
});
