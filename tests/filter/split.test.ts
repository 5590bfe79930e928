import { describe, expect, test } from "bun:test";

import { createSplit, type SplitSettings, splitCookie } from "../../src/filter/split.ts";
import { seededRandom } from "../../src/lib/random.ts";
import { FilteredRequest } from "../../src/proxy/filter.ts";
import type { RequestHead } from "../../src/proxy/request-head.ts";
import { destinationTo, testPool } from "../support/pools.ts";

const pools = {
  stable: testPool("stable", { ports: [1] }),
  canary: testPool("canary", { ports: [2] }),
  beta: testPool("beta", { ports: [3] }),
};
type PoolName = keyof typeof pools;

function splitOf(weights: Partial<Record<PoolName, number>>, more: Partial<SplitSettings> = {}) {
  const entries = Object.entries(weights) as [PoolName, number][];
  return createSplit(
    {
      routeId: "shop.example/",
      pools: entries.map(([name, weight]) => ({ destination: destinationTo(pools[name]), weight })),
      ...more,
    },
    seededRandom(3),
  );
}

interface Client {
  readonly address?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly scheme?: "http" | "https";
  readonly isPeerTrusted?: boolean;
}

function requestOf({ address = "192.0.2.1", headers = {}, scheme = "http", isPeerTrusted }: Client) {
  const head: RequestHead = {
    ...{
      method: "GET",
      target: "/",
      host: "shop.example",
      peerAddress: address,
      clientAddress: address,
      scheme,
    },
    ...(isPeerTrusted && { isPeerTrusted }),
    listener: "main",
    header: (name) => headers[name],
  };
  return new FilteredRequest(head, { route: { place: "routes[0]" } }, { requestId: "", trace: undefined });
}

function chosenBy(split: ReturnType<typeof createSplit>, client: Client): string {
  return split.choose(requestOf(client)).pool.name;
}

const addresses = Array.from({ length: 10_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
const poolsOf = (split: ReturnType<typeof createSplit>) =>
  addresses.map((address) => chosenBy(split, { address }));
const shareOf = (chosen: readonly string[], name: string) =>
  chosen.filter((pool) => pool === name).length / chosen.length;

describe("a split by client", () => {
  const five = poolsOf(splitOf({ stable: 95, canary: 5 }));

  test("gives each pool its share, and each client the same pool every time", () => {
    expect(Math.abs(shareOf(five, "canary") - 0.05)).toBeLessThan(0.007);
    expect(poolsOf(splitOf({ canary: 5, stable: 95 }))).toEqual(five);
  });

  test("moves only those clients that a changed weight has to move", () => {
    const ten = poolsOf(splitOf({ stable: 95, canary: 10 }));
    expect(Math.abs(shareOf(ten, "canary") - 10 / 105)).toBeLessThan(0.01);
    for (const [i, pool] of five.entries()) if (pool === "canary") expect(ten[i]).toBe("canary");
    // Both weights may change, as when they add up to 100.
    const ninety = poolsOf(splitOf({ stable: 90, canary: 10 }));
    for (const [i, pool] of five.entries()) if (pool === "canary") expect(ninety[i]).toBe("canary");
    const third = poolsOf(splitOf({ stable: 95, canary: 5, beta: 5 }));
    for (const [i, pool] of third.entries()) if (pool !== "beta") expect(pool).toBe(five[i] ?? "");
  });

  test("shares other clients on another route", () => {
    const other = poolsOf(splitOf({ stable: 95, canary: 5 }, { routeId: "api.example/" }));
    const inBoth = other.filter((pool, i) => pool === "canary" && five[i] === "canary");
    expect(Math.abs(shareOf(other, "canary") - 0.05)).toBeLessThan(0.007);
    expect(inBoth.length).toBeLessThan(100);
  });

  test("chooses the same in every version: a client that moves loses its session", () =>
    expect(
      addresses
        .slice(0, 40)
        .map((address) => chosenBy(splitOf({ stable: 1, canary: 1 }), { address })[0])
        .join(""),
    ).toBe("sscccsssccsccssscscsscccsccccsscsssccccc"));

  test("sends nobody to a pool of weight 0", () =>
    expect(shareOf(poolsOf(splitOf({ stable: 1, canary: 0 })), "canary")).toBe(0));
});

describe("what a split goes by", () => {
  const half = { stable: 1, canary: 1 };
  const spread = (chosen: readonly string[]) => new Set(chosen).size;

  test("a header or a cookie, and the client where it is missing or empty", () => {
    for (const [stickBy, name, text] of [
      ["header:X-User", "x-user", (user: string) => user],
      ["cookie:session", "cookie", (user: string) => `a=b; session=${user}`],
    ] as const) {
      const split = splitOf(half, { stickBy });
      const users = Array.from({ length: 40 }, (_, i) => `user-${i}`);
      expect(spread(users.map((user) => chosenBy(split, { headers: { [name]: text(user) } })))).toBe(2);
      const [first] = addresses;
      const ofUser = (address: string) => chosenBy(split, { address, headers: { [name]: text("ann") } });
      expect(spread(addresses.slice(0, 40).map(ofUser))).toBe(1);
      const byClient = splitOf(half);
      for (const address of addresses.slice(0, 40)) {
        expect(chosenBy(split, { address })).toBe(chosenBy(byClient, { address }));
        expect(chosenBy(split, { address, headers: { [name]: text("") } })).toBe(
          chosenBy(byClient, { address }),
        );
      }
      expect(first).toBeDefined();
    }
  });

  test("none: every request is a new choice", () => {
    const split = splitOf({ stable: 3, canary: 1 }, { stickBy: "none" });
    const chosen = addresses.map(() => chosenBy(split, {}));
    expect(Math.abs(shareOf(chosen, "canary") - 0.25)).toBeLessThan(0.02);
  });

  test("a cookie of the balancer's own, which the upstream does not get", () => {
    const split = splitOf(half, { stickBy: "cookie" });
    const first = requestOf({});
    const pool = split.choose(first).pool.name;
    const [[name, text] = ["", ""]] = first.responseEdit?.added ?? [];
    expect(name).toBe("Set-Cookie");
    expect(text).toMatch(/^evenkeel_split=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/);
    const given = /^evenkeel_split=([\w-]+)/.exec(text)?.[1] ?? "";
    for (const address of addresses.slice(0, 20)) {
      const next = requestOf({ address, headers: { cookie: `a=1; ${splitCookie}=${given}; b=2` } });
      expect(split.choose(next).pool.name).toBe(pool);
      expect(next.responseEdit).toBeUndefined();
      expect(next.upstreamFields).toEqual([["Cookie", "a=1; b=2"]]);
    }
    const alone = requestOf({ headers: { cookie: `${splitCookie}=${given}` } });
    split.choose(alone);
    expect([alone.upstreamFields, alone.hiddenNames.has("cookie")]).toEqual([[], true]);
    const ids = new Set(
      Array.from({ length: 50 }, () => {
        const request = requestOf({});
        split.choose(request);
        return request.responseEdit?.added[0]?.[1];
      }),
    );
    expect(ids.size).toBe(50);
  });

  test("a cookie that the balancer did not make is replaced", () => {
    const split = splitOf(half, { stickBy: "cookie" });
    for (const value of ["x", "a".repeat(23), "a".repeat(21) + "!", ""]) {
      const request = requestOf({ headers: { cookie: `${splitCookie}=${value}` } });
      split.choose(request);
      expect(request.responseEdit?.added).toHaveLength(1);
    }
  });

  test("a cookie is Secure where the client uses https, also if only a trusted proxy knows", () => {
    const split = splitOf(half, { stickBy: "cookie" });
    const isSecure = (client: Client) => {
      const request = requestOf(client);
      split.choose(request);
      return request.responseEdit?.added[0]?.[1].endsWith("; Secure");
    };
    expect(isSecure({ scheme: "https" })).toBe(true);
    expect(isSecure({ headers: { "x-forwarded-proto": "https" }, isPeerTrusted: true })).toBe(true);
    expect(isSecure({ scheme: "https", headers: { "x-forwarded-proto": "http" }, isPeerTrusted: true })).toBe(
      false,
    );
    expect(isSecure({ headers: { "x-forwarded-proto": "https" } })).toBe(false);
    expect(isSecure({})).toBe(false);
  });
});

test("the record shows what was chosen by what, and no key", () => {
  const request = requestOf({ headers: { cookie: "session=secret" } });
  splitOf({ stable: 1, canary: 1 }, { stickBy: "cookie:session" }).choose(request);
  const { pool, by, point, isFallback } = request.split ?? {};
  expect([by, isFallback, pool === "stable" || pool === "canary"]).toEqual(["cookie:session", false, true]);
  expect(point).toBeGreaterThanOrEqual(0);
  expect(point).toBeLessThan(1);
  expect(JSON.stringify(request.split)).not.toContain("secret");
});

test("with fallback the other pools serve by weight where the chosen one has no available upstream", () => {
  const stable = testPool("stable", { ports: [1] });
  const canary = testPool("canary", { ports: [2] });
  const other = testPool("other", { ports: [3] });
  const settings = {
    routeId: "r",
    pools: [
      { destination: destinationTo(stable), weight: 50 },
      { destination: destinationTo(canary), weight: 25 },
      { destination: destinationTo(other), weight: 25 },
    ],
  };
  const [plain, falling] = [createSplit(settings), createSplit({ ...settings, fallback: true })];
  const before = poolsOf(plain);
  expect(poolsOf(falling)).toEqual(before);
  for (const upstream of stable.upstreams) stable.setMode(upstream, "maintenance");
  expect(poolsOf(plain)).toEqual(before);
  const after = poolsOf(falling);
  for (const [i, pool] of before.entries()) if (pool !== "stable") expect(after[i]).toBe(pool);
  expect(Math.abs(shareOf(after, "canary") - 0.5)).toBeLessThan(0.02);
  const moved = requestOf({ address: addresses[before.indexOf("stable")] ?? "" });
  expect([falling.choose(moved).pool.name !== "stable", moved.split?.isFallback]).toEqual([true, true]);
  // Where none can serve, the chosen pool refuses the request.
  for (const pool of [canary, other])
    for (const upstream of pool.upstreams) pool.setMode(upstream, "maintenance");
  expect(poolsOf(falling)).toEqual(before);
});
