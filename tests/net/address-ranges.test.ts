import { describe, expect, test } from "bun:test";
import { BlockList, isIPv4 } from "node:net";

import { seededRandom } from "../../src/lib/random.ts";
import { addressMatcher } from "../../src/net/address-ranges.ts";
import { ipv4Number } from "../../src/net/ip-address.ts";

const random = seededRandom(7);
const below = (limit: number) => Math.floor(random() * limit);
/** Few values for each part, so that ranges and addresses meet. */
const ipv4 = () => [10, below(3), below(4), below(256)].join(".");
const ipv6 = () =>
  `2001:db8:${below(3).toString(16)}:${below(65_536).toString(16)}::${below(65_536).toString(16)}`;

describe("addresses in ranges", () => {
  test("are those that node's list finds, with few and with many ranges", () => {
    for (const count of [1, 5, 40, 400]) {
      const ranges = Array.from({ length: count }, (_, index) =>
        index % 2 === 0 ? `${ipv4()}/${20 + below(13)}` : `${ipv6()}/${44 + below(85)}`,
      );
      const list = new BlockList();
      for (const range of ranges) {
        const [address = "", prefix] = range.split("/");
        list.addSubnet(address, Number(prefix), isIPv4(address) ? "ipv4" : "ipv6");
      }
      const has = addressMatcher(ranges);
      for (let i = 0; i < 500; i++) {
        const address = i % 2 === 0 ? ipv4() : ipv6();
        const expected = list.check(address, isIPv4(address) ? "ipv4" : "ipv6");
        expect([ranges.length, address, has(address)]).toEqual([ranges.length, address, expected]);
      }
    }
  });

  test("include both ends, single addresses, and all of 0.0.0.0/0", () => {
    const has = addressMatcher(["192.0.2.64/26", "198.51.100.7", "2001:db8::/127"]);
    const found = ["192.0.2.63", "192.0.2.64", "192.0.2.127", "192.0.2.128", "198.51.100.7", "198.51.100.8"];
    expect(found.map(has)).toEqual([false, true, true, false, true, false]);
    expect(["2001:db8::", "2001:db8::1", "2001:db8::2"].map(has)).toEqual([true, true, false]);
    expect(["0.0.0.0", "255.255.255.255", "::1"].map(addressMatcher(["0.0.0.0/0"]))).toEqual([
      true,
      true,
      false,
    ]);
    expect(["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"].map(addressMatcher(["::/0"]))).toEqual([
      true,
      true,
    ]);
  });

  test("IPv4-mapped addresses are IPv4, in ranges and as addresses", () => {
    const has = addressMatcher(["::ffff:10.0.0.0/104"]);
    expect(["10.1.2.3", "::ffff:10.1.2.3", "::ffff:a01:203", "11.0.0.1"].map(has)).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(addressMatcher(["10.0.0.0/8"])("::ffff:10.9.9.9")).toBe(true);
    expect(addressMatcher(["::/0"])("10.0.0.1")).toBe(false);
  });

  test("text that is not an address is in no range", () => {
    const has = addressMatcher(["0.0.0.0/0", "::/0"]);
    const texts = ["", "a", "1.2.3", "01.2.3.4", "1.2.3.4.5", "1.2.3.256", "1..2.3", "1.2.3.", ":::", "fe80::1%eth0", "unknown"]; // prettier-ignore
    expect(texts.map(has)).toEqual(texts.map(() => false));
    expect(["1.2.3.4", "255.0.0.255", "1.2.3.04", ".1.2.3"].map(ipv4Number)).toEqual([
      0x01020304, 0xff0000ff, -1, -1,
    ]);
  });

  test("nothing is in an empty set", () => expect(addressMatcher([])("127.0.0.1")).toBe(false));

  test("a list of 100,000 ranges is searched in a few steps", () => {
    const ranges = Array.from({ length: 100_000 }, (_, i) => `${10 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/25`); // prettier-ignore
    const has = addressMatcher(ranges);
    const started = performance.now();
    let found = 0;
    for (let i = 0; i < 100_000; i++)
      if (has(`10.${(i >> 8) & 255}.${i & 255}.${i % 2 === 0 ? 5 : 200}`)) found += 1;
    expect(found).toBe(50_000);
    // A linear search would take minutes.
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
