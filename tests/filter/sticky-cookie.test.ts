import { describe, expect, test } from "bun:test";

import { createSticky, type StickySettings } from "../../src/filter/sticky-cookie.ts";
import type { Upstream } from "../../src/pool/upstream.ts";
import { createPoolFixture } from "../support/pool-fixture.ts";
import { testPool } from "../support/pools.ts";

const settings: StickySettings = {
  ...{ cookie: "sid", maxAgeSeconds: 0, sameSite: "Lax", secure: "auto", path: "/" },
  whileDraining: "keep",
};
const [secret, older] = ["s".repeat(32), "o".repeat(32)];
const first = <T>([one]: readonly T[]): T => one as T;
const valueIn = (text: string | undefined) => /^sid=([\w-]{22});/.exec(text ?? "")?.[1] ?? "";

describe("the cookie of a sticky pool", () => {
  test("is the same for peers with one secret, another one for each upstream and pool, and shows nothing", () => {
    const [one, peer] = [testPool("web", { ports: [1, 2] }), testPool("web", { ports: [1, 2] })];
    const values = one.upstreams.map((upstream) =>
      valueIn(createSticky(one, settings, [secret]).setCookie(upstream, false)),
    );
    expect(new Set(values).size).toBe(2);
    const ofPeer = createSticky(peer, settings, [secret]);
    expect(values.map((value) => ofPeer.upstreamOf(value))).toEqual([...peer.upstreams]);
    const other = testPool("api", { ports: [1, 2] });
    expect(createSticky(other, settings, [secret]).upstreamOf(first(values))).toBeUndefined();
    expect(createSticky(peer, settings, [older]).upstreamOf(first(values))).toBeUndefined();
    // Fixed for good: a version that computed it in another way would move every client.
    expect(first(values)).toBe("E05DbvoIKa7hjvHG5yME2A");
  });

  test("is read with every secret, and made with the first one", () => {
    const pool = testPool("web", { ports: [1] });
    const upstream = first(pool.upstreams);
    const before = valueIn(createSticky(pool, settings, [older]).setCookie(upstream, false));
    const rotated = createSticky(pool, settings, [secret, older]);
    expect(rotated.upstreamOf(before)).toBe(upstream);
    const after = valueIn(rotated.setCookie(upstream, false));
    expect(after).not.toBe(before);
    expect(createSticky(pool, settings, [secret]).upstreamOf(after)).toBe(upstream);
    expect(() => createSticky(pool, settings, [])).toThrow("no secret");
  });

  test("has the attributes of the configuration", () => {
    const pool = testPool("web", { ports: [1] });
    const attributes = (change: Partial<StickySettings>, isSecure = false) =>
      createSticky(pool, { ...settings, ...change }, [secret])
        .setCookie(first(pool.upstreams), isSecure)
        ?.replace(/^sid=[\w-]{22}; /, "");
    expect(attributes({})).toBe("Path=/; HttpOnly; SameSite=Lax");
    expect(attributes({}, true)).toBe("Path=/; HttpOnly; SameSite=Lax; Secure");
    expect(attributes({ secure: "never" }, true)).toBe("Path=/; HttpOnly; SameSite=Lax");
    expect(attributes({ secure: "always", sameSite: "Strict" })).toBe(
      "Path=/; HttpOnly; SameSite=Strict; Secure",
    );
    expect(attributes({ sameSite: "None" })).toBe("Path=/; HttpOnly; SameSite=None; Secure");
    expect(attributes({ path: "/shop", domain: "example.com", maxAgeSeconds: 60 })).toBe(
      "Path=/shop; Domain=example.com; Max-Age=60; HttpOnly; SameSite=Lax",
    );
  });

  test("names no upstream that left the pool", () => {
    const pool = testPool("web", { ports: [1] });
    const [gone] = testPool("web", { ports: [9] }).upstreams;
    expect(createSticky(pool, settings, [secret]).setCookie(gone as Upstream, false)).toBeUndefined();
  });
});

describe("an upstream of a client", () => {
  const setUp = (options: Parameters<typeof createPoolFixture>[0] = {}) => {
    const fixture = createPoolFixture(options);
    const fitness = (index: number, stays = true) =>
      fixture.pool.fitnessForClient(fixture.upstreams[index] as Upstream, stays);
    return { ...fixture, fitness };
  };

  test("is fit while it serves, also with weight 0, and full at its limit", () => {
    const { pool, upstreams, fitness, startAttempt } = setUp({ limits: { maxInFlight: 1 } });
    expect(fitness(0)).toBe("fit");
    pool.adjust(first(upstreams), { weight: 0, backup: false });
    expect(fitness(0)).toBe("fit");
    startAttempt(first(upstreams));
    expect(fitness(0)).toBe("full");
  });

  test("stays fit while it drains, until its time is over, if the pool says so", () => {
    const { pool, upstreams, fitness } = setUp();
    pool.setMode(first(upstreams), "draining");
    expect([fitness(0), fitness(0, false)]).toEqual(["fit", "unfit"]);
    first(upstreams).isDrainLate = true;
    expect(fitness(0)).toBe("unfit");
    pool.setMode(first(upstreams), "maintenance");
    expect(fitness(0)).toBe("unfit");
  });

  test("is unfit when probes or attempts found it down, except in a panic", () => {
    const { pool, upstreams, fitness } = setUp({ weights: [1, 1] });
    for (const upstream of upstreams) {
      pool.ejectUnresponsive(upstream);
      if (upstream === upstreams[0]) expect([fitness(0), fitness(1)]).toEqual(["unfit", "fit"]);
    }
    const failing = setUp();
    for (let i = 0; i < 3; i++) failing.pool.recordProbe(first(failing.upstreams), false);
    expect(failing.fitness(0)).toBe("unfit");
  });

  test("that was not probed since a restart keeps its client", () => {
    const { pool, upstreams, fitness } = setUp({ isProbed: false });
    pool.recordProbe(upstreams[1] as Upstream, true);
    expect(pool.serves(first(upstreams))).toBe(false);
    expect(fitness(0)).toBe("fit");
  });

  test("that is a backup is unfit as soon as a primary is available", () => {
    const { pool, upstreams, fitness } = setUp({ weights: [1, 1], backups: [1] });
    expect(fitness(1)).toBe("unfit");
    pool.setMode(first(upstreams), "maintenance");
    expect(fitness(1)).toBe("fit");
    pool.setMode(first(upstreams), "ready");
    expect(fitness(1)).toBe("unfit");
  });
});
