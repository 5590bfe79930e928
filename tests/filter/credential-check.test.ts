import { describe, expect, test } from "bun:test";

import { CredentialCheck, VerificationQueue } from "../../src/filter/credential-check.ts";
import type { Passwords } from "../../src/runtime/runtime.ts";

interface Verification {
  readonly password: string;
  readonly hash: string;
  settle(): void;
}

/** Verifications that end when the test says so; a hash is the password with "hash:" in front. */
function setUp(
  users = [
    { name: "ann", passwordHash: "hash:right" },
    { name: "ben", passwordHash: "hash:other" },
  ],
) {
  const time = { now: 1_000 };
  const open: Verification[] = [];
  const passwords: Passwords = {
    hash: () => Promise.reject(new Error("not used")),
    verify(password, hash) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      open.push({ password, hash, settle: () => resolve(hash === `hash:${password}`) });
      return promise;
    },
  };
  const queue = new VerificationQueue();
  const create = () => new CredentialCheck({ users, passwords, queue, clock: () => time.now });
  const settleAll = async () => {
    while (open.length > 0) {
      open.shift()?.settle();
      for (let i = 0; i < 10; i++) await Promise.resolve();
    }
  };
  const check = create();
  const ask = (name: string, password: string, client = "192.0.2.1", by = check) =>
    by.verdictOf({ name, password }, client);
  return { time, open, create, check, ask, settleAll };
}

describe("credentials", () => {
  test("are verified once in five minutes, and remembered by the same object only", async () => {
    const { ask, open, settleAll, time, create } = setUp();
    const first = ask("ann", "right");
    expect(open).toHaveLength(1);
    await settleAll();
    expect(await first).toBe("right");
    expect(ask("ann", "right")).toBe("right");
    expect(ask("ann", "right", "198.51.100.1")).toBe("right");
    expect(ask("ann", "right", "192.0.2.1", create())).toBeInstanceOf(Promise);
    await settleAll();
    time.now += 300_001;
    expect(ask("ann", "right")).toBeInstanceOf(Promise);
  });

  test("that come at once are verified once", async () => {
    const { ask, open, settleAll } = setUp();
    const verdicts = Array.from({ length: 20 }, () => ask("ann", "right"));
    expect(open).toHaveLength(1);
    await settleAll();
    expect(new Set(await Promise.all(verdicts))).toEqual(new Set(["right"]));
  });

  test("of an unknown name take the same work, and are wrong even with another user's password", async () => {
    const { ask, open, settleAll } = setUp();
    const verdict = ask("eve", "right");
    expect(open.map(({ hash }) => hash)).toEqual(["hash:right"]);
    await settleAll();
    expect(await verdict).toBe("wrong");
  });

  test("colons belong to the password, and names and passwords do not mix", async () => {
    const { ask, settleAll } = setUp([{ name: "ann", passwordHash: "hash:a:b" }]);
    const verdict = ask("ann", "a:b");
    await settleAll();
    expect(await verdict).toBe("right");
    const other = ask("ann:a", "b");
    await settleAll();
    expect(await other).toBe("wrong");
  });

  test("that are wrong again and again make the client wait, and no other", async () => {
    const { ask, settleAll, time } = setUp();
    for (let i = 0; i < 5; i++) {
      const verdict = ask("ann", `guess ${i}`);
      await settleAll();
      expect(await verdict).toBe("wrong");
    }
    expect(ask("ann", "right")).toEqual({ pausedMs: 1_000 });
    const other = ask("ann", "right", "198.51.100.1");
    await settleAll();
    expect(await other).toBe("right");
    time.now += 1_000;
    const later = ask("ann", "guess 6");
    await settleAll();
    expect(await later).toBe("wrong");
    expect(ask("ann", "guess 7")).toEqual({ pausedMs: 2_000 });
  });

  test("are verified two at a time; 64 wait, and more are told to come again", async () => {
    const { ask, open, settleAll } = setUp();
    const from = (i: number) => `198.51.100.${i}`;
    const waiting = Array.from({ length: 66 }, (_, i) => ask(`user ${i}`, "x", from(i)));
    expect(open).toHaveLength(2);
    expect(ask("ann", "right", from(99))).toBe("busy");
    await settleAll();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(["wrong"]));
    const next = ask("ann", "right", from(99));
    await settleAll();
    expect(await next).toBe("right");
  });

  test("a verification that throws frees its place", async () => {
    const queue = new VerificationQueue();
    const passwords: Passwords = { hash: () => Promise.reject(new Error()), verify: () => Promise.reject(new Error("broken")) }; // prettier-ignore
    const users = [{ name: "ann", passwordHash: "x" }];
    const check = new CredentialCheck({ users, passwords, queue, clock: () => 1 });
    for (let i = 0; i < 4; i++)
      await expect(
        Promise.resolve(check.verdictOf({ name: `a${i}`, password: "x" }, "192.0.2.1")),
      ).rejects.toThrow("broken");
  });
});
