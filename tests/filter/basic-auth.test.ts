import { describe, expect, test } from "bun:test";

import { createBasicAuth } from "../../src/filter/basic-auth.ts";
import { CredentialCheck, VerificationQueue } from "../../src/filter/credential-check.ts";
import { requestOf } from "./filtered-request.ts";

/** A hash is the password with "hash:" in front. */
function setUp(passwordOf: Readonly<Record<string, string>> = { ann: "right", ben: "other" }) {
  const state = { now: 1_000, verified: 0 };
  const check = new CredentialCheck({
    users: Object.entries(passwordOf).map(([name, password]) => ({ name, passwordHash: `hash:${password}` })),
    passwords: {
      hash: () => Promise.reject(new Error("not used")),
      verify(password, hash) {
        state.verified += 1;
        return Promise.resolve(hash === `hash:${password}`);
      },
    },
    queue: new VerificationQueue(),
    clock: () => state.now,
  });
  const filter = createBasicAuth({ check, realm: "Shop", forward: "X-User", keepsAuthorization: false });
  const send = async (authorization: string | undefined, client = "192.0.2.7") => {
    const headers = authorization === undefined ? {} : { authorization };
    const request = requestOf({ client, headers });
    const verdict = await filter.admit(request);
    return {
      result: verdict?.reason ?? "passes",
      user: request.user,
      upstreamFields: request.upstreamFields,
      hidesAuthorization: request.hiddenNames.has("authorization"),
    };
  };
  return { state, check, send };
}

function basic(pair: string, scheme = "Basic"): string {
  return `${scheme} ${Buffer.from(pair).toString("base64")}`;
}

describe("an Authorization field", () => {
  test("that was right is looked up, and has the same effect", async () => {
    const { state, check, send } = setUp();
    const field = basic("ann:right");
    const first = await send(field);
    expect(first).toEqual({
      result: "passes",
      user: "ann",
      upstreamFields: [["X-User", "ann"]],
      hidesAuthorization: true,
    });
    expect(check.userOf(field)?.name).toBe("ann");
    expect(await send(field, "198.51.100.1")).toEqual(first);
    expect(state.verified).toBe(1);
  });

  test("belongs to its own user", async () => {
    const { send, state } = setUp();
    for (let i = 0; i < 2; i++) {
      expect((await send(basic("ann:right"))).user).toBe("ann");
      expect((await send(basic("ben:other"))).user).toBe("ben");
    }
    expect(state.verified).toBe(2);
    expect(await send(basic("ann:other"))).toMatchObject({ result: "auth_required", user: undefined });
    expect(await send(basic("ben:right"))).toMatchObject({ result: "auth_required", user: undefined });
  });

  test("is forgotten five minutes after the verification, however often it came and in whichever spelling", async () => {
    const { send, state, check } = setUp();
    const spellings = [basic("ann:right"), basic("ann:right", "basic"), basic("ann:right", "BASIC  ")];
    await send(spellings[0]);
    state.now += 200_000;
    for (const field of spellings) expect((await send(field)).user).toBe("ann");
    expect(state.verified).toBe(1);
    state.now += 99_999;
    for (const field of spellings) expect(check.userOf(field)?.name).toBe("ann");
    state.now += 1;
    for (const field of spellings) expect(check.userOf(field)).toBeUndefined();
    await send(spellings[1]);
    expect(state.verified).toBe(2);
    expect(check.userOf(spellings[0] as string)).toBeUndefined();
    expect(check.userOf(spellings[1] as string)?.name).toBe("ann");
  });

  test("is remembered for the users of one configuration only", async () => {
    const before = setUp();
    const field = basic("ann:right");
    await before.send(field);
    const after = setUp({ ann: "changed" });
    expect(after.check.userOf(field)).toBeUndefined();
    expect((await after.send(field)).result).toBe("auth_required");
    expect((await after.send(basic("ann:changed"))).user).toBe("ann");
  });

  test("that is wrong, of another scheme or too long is never remembered", async () => {
    const { send, check, state } = setUp();
    const long = basic(`ann:${"x".repeat(2_000)}`);
    const fields = [
      basic("ann:guess"),
      basic("eve:right"),
      basic("ann:right", "Bearer"),
      '["ann","right"]',
      long,
    ];
    await send(basic("ann:right"));
    for (const field of fields)
      for (let i = 0; i < 2; i++) {
        expect([field, (await send(field)).result]).toEqual([field, "auth_required"]);
        expect([field, check.userOf(field)]).toEqual([field, undefined]);
      }
    expect((await send(undefined)).result).toBe("auth_required");
    expect(state.verified).toBe(5);
  });

  test("passes while its client has to wait for guesses", async () => {
    const { send } = setUp();
    await send(basic("ann:right"));
    for (let i = 0; i < 5; i++) await send(basic(`ann:guess ${i}`));
    expect((await send(basic("ann:guess 6"))).result).toBe("rate_limited");
    expect((await send(basic("ann:right"))).result).toBe("passes");
    expect((await send(basic("ann:right", "basic"))).result).toBe("passes");
  });

  test("gives the upstream a name as bytes of UTF-8, at first and later", async () => {
    const { send } = setUp({ änn: "right" });
    const expected = [["X-User", Buffer.from("änn").toString("latin1")]] as const;
    for (let i = 0; i < 2; i++) {
      const { user, upstreamFields } = await send(basic("änn:right"));
      expect(user).toBe("änn");
      expect(upstreamFields).toEqual([...expected]);
    }
  });

  test("of ten thousand users is remembered, and the oldest is forgotten first", async () => {
    const names = Array.from({ length: 10_001 }, (_, index) => `user${index}`);
    const { send, check } = setUp(Object.fromEntries(names.map((name) => [name, "x"])));
    for (const [index, name] of names.entries())
      await send(basic(`${name}:x`), `192.0.${index >> 8}.${index & 255}`);
    expect(check.userOf(basic("user0:x"))).toBeUndefined();
    expect(check.userOf(basic("user1:x"))?.name).toBe("user1");
    expect(check.userOf(basic("user10000:x"))?.name).toBe("user10000");
  });
});
