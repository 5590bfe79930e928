import { describe, expect, test } from "bun:test";

import { Access } from "../../src/access/access.ts";
import type { Accounts } from "../../src/access/accounts.ts";
import type { LoginEvent } from "../../src/access/login-audit.ts";
import { digestOf } from "../../src/lib/secrets.ts";
import { runtime } from "../../src/runtime/bun.ts";

/** Cheap hashes, so that tests stay fast. */
const hashOf = (password: string) =>
  Bun.password.hash(password, { algorithm: "argon2id", memoryCost: 64, timeCost: 1 });
const ann = { name: "ann", role: "operator", passwordHash: await hashOf("correct horse") } as const;
const bob = { name: "bob", role: "viewer", passwordHash: await hashOf("battery staple") } as const;
const program = { name: "ci", role: "operator", tokenHash: `sha256:${digestOf("t0ken")}` } as const;

function access(accounts: Accounts) {
  const time = { now: 0 };
  const events: LoginEvent[] = [];
  const verified: string[] = [];
  const state = { accounts };
  const instance = new Access({
    accounts: () => state.accounts,
    passwords: {
      ...runtime.passwords,
      verify(password, hash) {
        verified.push(hash);
        return runtime.passwords.verify(password, hash);
      },
    },
    clock: () => time.now,
    onLogin: (event) => void events.push(event),
  });
  const login = (name: string, password: string) => instance.login({ name, password, address: "10.0.0.1" });
  const sessionOf = async (name: string, password: string) => {
    const response = await login(name, password);
    if (response.kind !== "accepted") throw new Error(`Cannot log in as ${name}: ${response.kind}`);
    return response.session;
  };
  return { access: instance, state, time, events, verified, login, sessionOf };
}

describe("access", () => {
  test("is open to every caller, as admin, without accounts", () => {
    const { access: open } = access({});
    expect(open.identify(undefined)).toEqual({ kind: "anybody", role: "admin" });
    expect(open.hasUsers).toBe(false);
  });

  test("identifies the bearer: the token, a program's token, a user's session", async () => {
    const { access: known, sessionOf } = access({ token: "s3cret", users: [ann, bob], tokens: [program] });
    expect(known.identify(undefined)).toBeUndefined();
    for (const wrong of ["", "s3cre", "s3crets", "t0kens", program.tokenHash, ann.passwordHash]) {
      expect(known.identify(wrong)).toBeUndefined();
    }
    expect(known.identify("s3cret")).toEqual({ kind: "bearer", role: "admin" });
    expect(known.identify("t0ken")).toEqual({ kind: "program", name: "ci", role: "operator" });
    const session = await sessionOf("bob", "battery staple");
    expect(known.identify(session)).toEqual({ kind: "user", name: "bob", role: "viewer" });
  });

  test("refuses a wrong password and an unknown name, after the same work", async () => {
    const { events, verified, login } = access({ users: [ann, bob] });
    expect(await login("ann", "wrong")).toEqual({ kind: "refused" });
    expect(await login("eve", "correct horse")).toEqual({ kind: "refused" });
    expect(await login("eve", "battery staple")).toEqual({ kind: "refused" });
    expect(verified).toHaveLength(3);
    expect(verified[0]).toBe(ann.passwordHash);
    expect(verified[1]).toBe(verified[2] ?? "");
    expect(events.map(({ by, to }) => `${by} ${to}`)).toEqual(Array(3).fill("nobody refused"));
    expect(JSON.stringify(events)).not.toMatch(/horse|staple|argon2/);
  });

  test("pauses guesses without verifying the password, even the right one", async () => {
    const { time, verified, login } = access({ users: [ann] });
    for (let index = 0; index < 5; index++) await login("ann", "wrong");
    const before = verified.length;
    expect(await login("ann", "correct horse")).toEqual({ kind: "paused", waitMs: 1_000 });
    expect(verified).toHaveLength(before);
    time.now += 1_000;
    expect((await login("ann", "correct horse")).kind).toBe("accepted");
  });

  test("verifies four logins at once; further ones are paused", async () => {
    const { login } = access({ users: [ann] });
    const responses = await Promise.all(Array.from({ length: 6 }, (_, index) => login(`n${index}`, "x")));
    expect(responses.map(({ kind }) => kind)).toEqual([...Array(4).fill("refused"), "paused", "paused"]);
  });

  test("follows a reload: a role changes at once, and a session ends with its user or password", async () => {
    const { access: known, state, sessionOf } = access({ users: [ann, bob] });
    const [anns, bobs] = [await sessionOf("ann", "correct horse"), await sessionOf("bob", "battery staple")];
    state.accounts = { users: [{ ...ann, role: "viewer" }] };
    expect(known.identify(anns)?.role).toBe("viewer");
    expect(known.identify(bobs)).toBeUndefined();
    state.accounts = { users: [{ ...ann, passwordHash: await hashOf("new") }, bob] };
    expect(known.identify(anns)).toBeUndefined();
    // It was used while its user was removed, so it stays ended.
    expect(known.identify(bobs)).toBeUndefined();
  });

  test("refuses a user that a reload removes while the password is verified", async () => {
    const { access: known, state, login } = access({ users: [ann, bob] });
    const response = login("ann", "correct horse");
    state.accounts = { users: [bob] };
    expect(await response).toEqual({ kind: "refused" });
    expect(known.hasUsers).toBe(true);
  });

  test("ends a session at the logout and records that once", async () => {
    const { access: known, events, sessionOf } = access({ users: [ann] });
    const session = await sessionOf("ann", "correct horse");
    expect(await known.logout(session, "10.0.0.1")).toBe(true);
    expect(await known.logout(session, "10.0.0.1")).toBe(false);
    expect(known.identify(session)).toBeUndefined();
    expect(events.map(({ to }) => to)).toEqual(["accepted", "ended"]);
  });
});
