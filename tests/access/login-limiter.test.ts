import { describe, expect, test } from "bun:test";

import { LoginLimiter } from "../../src/access/login-limiter.ts";

function limit() {
  const time = { now: 0 };
  return { time, limited: new LoginLimiter(() => time.now) };
}

interface Guess {
  readonly name?: (index: number) => string;
  readonly address?: (index: number) => string;
  readonly device?: string;
}

/** Tries until a pause; returns the number of tries and the pause. */
function guess(limited: LoginLimiter, { name = () => "ann", address = () => "10.0.0.1", device }: Guess) {
  for (let tries = 0; ; tries++) {
    const waitMs = limited.begin({ name: name(tries), address: address(tries), device });
    if (waitMs > 0) return { tries, waitMs };
  }
}

/** The tries of each round, and the pauses after them in seconds. */
function rounds(count: number, what: Guess, { limited, time } = limit()) {
  return Array.from({ length: count }, () => {
    const { tries, waitMs } = guess(limited, what);
    time.now += waitMs;
    return [tries, waitMs / 1_000];
  });
}

describe("guessing", () => {
  test("one name's password from one address pauses after five failures, each time longer, at most a minute", () =>
    expect(rounds(9, {})).toEqual([[5, 1], ...[2, 4, 8, 16, 32, 60, 60, 60].map((pause) => [1, pause])]));

  test("pauses nobody else: not the name's owner elsewhere, and not others at this address", () => {
    const { limited } = limit();
    guess(limited, {});
    expect(limited.begin({ name: "ann", address: "10.9.9.9" })).toBe(0);
    expect(limited.begin({ name: "bob", address: "10.0.0.1" })).toBe(0);
  });

  test.each([
    ["one name's password from many addresses", { address: (index: number) => `10.${index}.1.1` }],
    ["many names' passwords from one address", { name: (index: number) => `n${index}` }],
  ])("%s pauses after a hundred failures, and is possible some hundred times an hour", (_, what) => {
    const fixture = limit();
    let [all, first] = [0, 0];
    while (fixture.time.now < 3_600_000) {
      const next = (index: number) => all + index;
      const { tries, waitMs } = guess(fixture.limited, {
        ...("name" in what && { name: (index: number) => what.name(next(index)) }),
        ...("address" in what && { address: (index: number) => what.address(next(index)) }),
      });
      first ||= tries;
      all += tries;
      fixture.time.now += waitMs;
    }
    expect(first).toBe(100);
    expect(all).toBeLessThan(260);
    expect(fixture.limited.begin({ name: "bob", address: "10.250.250.250" })).toBe(0);
  });

  test("slowly does not add up behind one address", () => {
    const { limited, time } = limit();
    for (let index = 0; index < 1_000; index++) {
      expect(limited.begin({ name: `n${index}`, address: "10.0.0.1" })).toBe(0);
      time.now += 40_000;
    }
  });

  test("from one IPv6 network counts as one address", () => {
    const { limited } = limit();
    const at = (index: number) => `2001:db8:0:7:${index.toString(16)}::1`;
    expect(guess(limited, { address: at }).tries).toBe(5);
    expect(limited.begin({ name: "ann", address: "2001:db8:0:8::1" })).toBe(0);
    expect(limited.begin({ name: "ann", address: "2001:db8::7:0:0:0:1" })).toBe(0);
  });

  test("many times at once does not pass the limit: each attempt counts before its outcome is known", () => {
    const { limited } = limit();
    const waits = Array.from({ length: 20 }, () => limited.begin({ name: "ann", address: "10.0.0.1" }));
    expect(waits.filter((waitMs) => waitMs === 0)).toHaveLength(5);
  });

  test("is forgotten for name and address together after a success, and entirely after an hour", () => {
    const { time, limited } = limit();
    const ann = { name: "ann", address: "10.0.0.1" };
    for (let index = 0; index < 5; index++) limited.begin(ann);
    time.now = 1_000;
    expect(limited.begin(ann)).toBe(0);
    limited.succeed(ann);
    expect(guess(limited, {}).tries).toBe(5);
    // Nine or ten failures of the address still count.
    expect(guess(limited, { name: (index) => `n${index}` }).tries).toBeOneOf([90, 91]);
    time.now += 3_600_000;
    expect(guess(limited, {}).tries).toBe(5);
  });

  test("with always new names, addresses and devices uses bounded memory, and displaces nobody of another kind", () => {
    const { limited } = limit();
    const owner = { name: "ann", address: "10.0.0.1", device: "laptop" };
    guess(limited, { device: "laptop" });
    for (let index = 0; index < 30_000; index++)
      limited.begin({ name: `${index}`.repeat(50), address: `10.${index}` });
    expect(limited.size).toBeLessThanOrEqual(40_000);
    expect(limited.begin(owner)).toBeGreaterThan(0);
  });
});

describe("a browser that has logged in before", () => {
  test("passes while others are paused, and has ten failures of its own", () => {
    const fixture = limit();
    const { limited } = fixture;
    guess(limited, {});
    guess(limited, { address: (index) => `10.1.${index}.1` });
    expect(limited.begin({ name: "ann", address: "10.0.0.1" })).toBeGreaterThan(0);
    expect(limited.begin({ name: "ann", address: "10.7.7.7" })).toBeGreaterThan(0);
    expect(rounds(3, { device: "laptop" }, fixture)).toEqual([[10, 1], [1, 2], [1, 4]]); // prettier-ignore
    expect(limited.begin({ name: "ann", address: "10.0.0.1", device: "phone" })).toBe(0);
  });

  test("counts for no name and no address", () => {
    const { limited, time } = limit();
    for (let index = 0; index < 40; index++) {
      guess(limited, { device: `d${index}` });
      time.now += 1;
    }
    expect(limited.begin({ name: "ann", address: "10.0.0.1" })).toBe(0);
  });

  test("is free again after a success", () => {
    const { limited } = limit();
    const own = { name: "ann", address: "10.0.0.1", device: "laptop" };
    for (let index = 0; index < 9; index++) limited.begin(own);
    limited.begin(own);
    limited.succeed(own);
    expect(guess(limited, { device: "laptop" }).tries).toBe(10);
  });
});
