import { describe, expect, test } from "bun:test";

import { limitKeyFor, type LimitKeyOptions, networkOf } from "../../src/filter/limit-key.ts";
import { requestOf, type RequestFields } from "./filtered-request.ts";

const keyOf = (options: Partial<LimitKeyOptions>, request: RequestFields = {}) =>
  limitKeyFor({ by: "client", missing: "client", ipv6Prefix: 64, ...options })(requestOf(request));

describe("the key of a limit", () => {
  test("is the client's address, and of IPv6 its network", () => {
    expect(keyOf({}, { client: "192.0.2.1" })).toBe("c192.0.2.1");
    const [one, other, third] = ["2001:db8::1", "2001:db8:0:0:ffff::2", "2001:db8:0:1::1"].map((client) =>
      keyOf({}, { client }),
    );
    expect(one).toBe(other as string);
    expect(one).not.toBe(third as string);
    expect(keyOf({ ipv6Prefix: 48 }, { client: "2001:db8:0:9::1" })).toBe(keyOf({ ipv6Prefix: 48 }, { client: "2001:db8::1" }) as string); // prettier-ignore
    expect(keyOf({ ipv6Prefix: 128 }, { client: "2001:db8::1" })).not.toBe(keyOf({ ipv6Prefix: 128 }, { client: "2001:db8::2" }) as string); // prettier-ignore
  });

  test("networks end at any bit", () => {
    expect(networkOf("2001:db8:1234:5678::1", 56)).toBe(
      [0x2001, 0xdb8, 0x1234, 0x5600, 0, 0, 0, 0].join(":"),
    );
    expect(networkOf("2001:db8:1234:5678::1", 32)).toBe([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0].join(":"));
    expect(networkOf("2001:db8:ffff:ffff::ffff", 49)).toBe(
      [0x2001, 0xdb8, 0xffff, 0x8000, 0, 0, 0, 0].join(":"),
    );
    expect(networkOf("2001:db8::ffff", 128)).toBe([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xffff].join(":"));
    expect(networkOf("2001:db8::1", 0)).toBe("0:0:0:0:0:0:0:0");
    expect(networkOf("::ffff:192.0.2.1", 64)).toBe("192.0.2.1");
    expect(networkOf("nonsense:", 64)).toBe("nonsense:");
  });

  test("is a field, a cookie, a part of the path or a user", () => {
    expect(keyOf({ by: "header:X-Api-Key" }, { headers: { "x-api-key": "k1" } })).toBe("vk1");
    expect(keyOf({ by: "cookie:id" }, { headers: { cookie: "a=1; id=7" } })).toBe("v7");
    expect(keyOf({ by: "path.tenant" }, { captures: { tenant: "acme" } })).toBe("vacme");
    expect(keyOf({ by: "user" }, { user: "ann" })).toBe("vann");
    expect(keyOf({ by: "none" })).toBe("n");
  });

  test("escapes in the path make no other key", () => {
    const spellings = ["acme", "%61cme", "a%63me", "acm%65"];
    const keys = spellings.map((tenant) => keyOf({ by: "path.tenant" }, { captures: { tenant } }));
    expect(new Set(keys)).toEqual(new Set(["vacme"]));
    expect(keyOf({ by: "path.tenant" }, { captures: { tenant: "%FF" } })).toBe("v%ff");
  });

  test("without one is the client's, or none", () => {
    const request = { client: "192.0.2.1", headers: { "x-api-key": "" } };
    expect(keyOf({ by: "header:X-Api-Key" }, request)).toBe("c192.0.2.1");
    expect(keyOf({ by: "header:X-Api-Key", missing: "refuse" }, request)).toBeUndefined();
  });

  test("a field cannot be the key of another client", () => {
    const forged = keyOf({ by: "header:X-Api-Key" }, { headers: { "x-api-key": "192.0.2.1" } });
    expect(forged).not.toBe(keyOf({}, { client: "192.0.2.1" }) as string);
  });
});
