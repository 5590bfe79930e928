/** The client's address behind trusted proxies: every spelling of an entry, what ends the walk, and bounds. */

import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import { trustedProxyMatcher } from "../../src/net/address.ts";
import { canonicalIp } from "../../src/net/ip-address.ts";
import { clientAddressBehind } from "../../src/proxy/client-address.ts";

const isTrusted = trustedProxyMatcher(["10.0.0.0/8", "2001:db8:ffff::/48"]);

function clientOf(headers: { readonly xff?: string; readonly forwarded?: string }): string {
  return clientAddressBehind(
    {
      peerAddress: "10.0.0.1",
      header: (name) => (name === "x-forwarded-for" ? headers.xff : headers.forwarded),
    },
    isTrusted,
  );
}

describe("the client in X-Forwarded-For", () => {
  const rows: readonly (readonly [chain: string, client: string])[] = [
    ["192.0.2.7", "192.0.2.7"],
    [" 192.0.2.7 ", "192.0.2.7"],
    ["198.51.100.9, 192.0.2.7", "192.0.2.7"],
    ["198.51.100.9, 192.0.2.7, 10.9.9.9,10.0.0.2", "192.0.2.7"],
    ["10.0.0.3, 10.0.0.2", "10.0.0.3"],
    ["192.0.2.7:4711", "192.0.2.7"],
    ["2001:DB8:0:0::7", "2001:db8::7"],
    ["[2001:db8::7]", "2001:db8::7"],
    ["[2001:db8::7]:4711", "2001:db8::7"],
    ["198.51.100.9, 2001:db8:ffff::1", "198.51.100.9"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["::ffff:c000:207", "192.0.2.7"],
    ["192.0.2.7, ::ffff:10.0.0.2", "192.0.2.7"],
    ["192.0.2.7, , 10.0.0.2,", "192.0.2.7"],
    ["", "10.0.0.1"],
    [",", "10.0.0.1"],
    ["unknown", "10.0.0.1"],
    ["192.0.2.7, unknown, 10.0.0.2", "10.0.0.2"],
    ["192.0.2.7, _hidden", "10.0.0.1"],
    ["192.0.2.7, 10.0.0.2 x", "10.0.0.1"],
    ["192.0.2.7 10.0.0.2", "10.0.0.1"],
    ["192.0.2.07", "10.0.0.1"],
    ["192.0.2.256", "10.0.0.1"],
    ["192.0.2", "10.0.0.1"],
    ["3221225991", "10.0.0.1"],
    ["[192.0.2.7]", "10.0.0.1"],
    ["fe80::1%eth0", "10.0.0.1"],
    ["1::2::3", "10.0.0.1"],
    ["192.0.2.7:x", "10.0.0.1"],
    ['"192.0.2.7"', "10.0.0.1"],
    ["192.0.2.7\u0000", "10.0.0.1"],
  ];
  for (const [chain, client] of rows)
    test(`${JSON.stringify(chain)} → ${client}`, () => expect(clientOf({ xff: chain })).toBe(client));
});

describe("the client in Forwarded", () => {
  const rows: readonly (readonly [field: string, client: string])[] = [
    ["for=192.0.2.7", "192.0.2.7"],
    ["For=192.0.2.7;proto=https;by=203.0.113.4", "192.0.2.7"],
    ["proto=https ; FOR = 192.0.2.7", "192.0.2.7"],
    ['for="192.0.2.7:80"', "192.0.2.7"],
    ['for="192.0.2.7:_port"', "192.0.2.7"],
    ['for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"],
    ['for="[2001:db8:cafe::17]"', "2001:db8:cafe::17"],
    ["for=198.51.100.9, for=192.0.2.7, for=10.0.0.2;by=x", "192.0.2.7"],
    ['for=192.0.2.7;host="a,b;for=198.51.100.9"', "192.0.2.7"],
    ['for=192.0.2.7;host="a\\",for=198.51.100.9"', "192.0.2.7"],
    ['for="192.0.2\\.7"', "192.0.2.7"],
    // An unbalanced quote of a client does not hide what a proxy has appended.
    ['for="198.51.100.9, for=192.0.2.7', "192.0.2.7"],
    ['host="x, for=192.0.2.7, for=10.0.0.2', "192.0.2.7"],
    ["for=unknown", "10.0.0.1"],
    ["for=_gazonk", "10.0.0.1"],
    ["for=192.0.2.7, for=unknown, for=10.0.0.2", "10.0.0.2"],
    ["for=192.0.2.7, proto=https", "10.0.0.1"],
    ["for=192.0.2.7;for=198.51.100.9", "10.0.0.1"],
    ["for=", "10.0.0.1"],
    ['for="', "10.0.0.1"],
    ['"', "10.0.0.1"],
    ["", "10.0.0.1"],
    [";,;=", "10.0.0.1"],
    [", for=192.0.2.7,", "192.0.2.7"],
  ];
  for (const [field, client] of rows)
    test(`${field} → ${client}`, () => expect(clientOf({ forwarded: field })).toBe(client));

  test("does not count where X-Forwarded-For is present", () => {
    const forwarded = "for=198.51.100.9";
    expect(clientOf({ xff: "192.0.2.7", forwarded })).toBe("192.0.2.7");
    expect(clientOf({ xff: "unknown", forwarded })).toBe("10.0.0.1");
    expect(clientOf({ xff: " ", forwarded })).toBe("198.51.100.9");
  });
});

describe("bounds", () => {
  test("the walk ends after 32 hops, and at 8 KiB", () => {
    const proxies = (count: number) => Array.from({ length: count }, (_, i) => `10.0.1.${i}`);
    expect(clientOf({ xff: ["192.0.2.7", ...proxies(31)].join() })).toBe("192.0.2.7");
    expect(clientOf({ xff: ["192.0.2.7", ...proxies(32)].join() })).toBe("10.0.1.0");
    expect(clientOf({ forwarded: ["for=192.0.2.7", ...proxies(31).map((p) => `for=${p}`)].join() })).toBe(
      "192.0.2.7",
    );
    expect(clientOf({ forwarded: ["for=192.0.2.7", ...proxies(32).map((p) => `for=${p}`)].join() })).toBe(
      "10.0.1.0",
    );
    expect(clientOf({ xff: `192.0.2.7${" ".repeat(9_000)},10.0.0.2` })).toBe("10.0.0.2");
    expect(clientOf({ forwarded: `for=192.0.2.7;x="${"y".repeat(9_000)}"` })).toBe("10.0.0.1");
  });

  test("any text gives an address in canonical text", () => {
    const random = seededRandom(7);
    const alphabet = [...'19.:,; "\\=[]fora_\u0000\u00e9', "for=", "10.0.0.2", "192.0.2.7", "::1"];
    for (let run = 0; run < 20_000; run++) {
      const text = Array.from(
        { length: Math.floor(random() * 24) },
        () => alphabet[Math.floor(random() * alphabet.length)],
      ).join("");
      for (const client of [clientOf({ xff: text }), clientOf({ forwarded: text })])
        expect(canonicalIp(client)).toBe(client);
    }
  });
});
