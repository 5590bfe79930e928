import { describe, expect, test } from "bun:test";

import { type SessionLimits, sessionLimits, Sessions } from "../../src/access/sessions.ts";

const ann = { name: "ann", role: "admin", passwordHash: "$argon2id$a" } as const;
const bob = { ...ann, name: "bob" };

function sessions(change: Partial<SessionLimits> = {}) {
  const time = { now: 0 };
  return { time, sessions: new Sessions(() => time.now, { ...sessionLimits, ...change }) };
}

describe("a session", () => {
  test("is found by its bearer only", () => {
    const { sessions: open } = sessions();
    const bearer = open.open(ann);
    expect(bearer).toMatch(/^[\w-]{43}$/);
    expect(open.open(ann)).not.toBe(bearer);
    expect(open.find(bearer)?.name).toBe("ann");
    for (const wrong of ["", bearer.slice(0, -1), `${bearer}A`]) expect(open.find(wrong)).toBeUndefined();
  });

  test("ends when it is idle for too long; each use restarts that time", () => {
    const { time, sessions: open } = sessions({ idleMs: 100, lifeMs: 1_000 });
    const bearer = open.open(ann);
    for (time.now = 0; time.now < 400; time.now += 99) expect(open.find(bearer)).toBeDefined();
    time.now += 1;
    expect(open.find(bearer)).toBeUndefined();
    time.now = 0;
    expect(open.find(bearer)).toBeUndefined();
  });

  test("ends some time after the login, however often it is used", () => {
    const { time, sessions: open } = sessions({ idleMs: 100, lifeMs: 1_000 });
    const bearer = open.open(ann);
    for (time.now = 0; time.now < 1_000; time.now += 50) expect(open.find(bearer)).toBeDefined();
    expect(open.find(bearer)).toBeUndefined();
  });

  test("continues in another process at its age, unless it has ended meanwhile", () => {
    const before = sessions();
    before.time.now = 50_000;
    const [used, idle] = [before.sessions.open(ann), before.sessions.open(ann)];
    before.time.now += 10 * 60_000;
    before.sessions.find(used);
    const wallTime = 1_800_000_000_000;
    const exported = before.sessions.export(wallTime);
    expect(JSON.stringify(exported)).not.toContain(used);
    expect(JSON.stringify(exported)).not.toContain(ann.passwordHash);
    const after = sessions();
    after.sessions.restore(exported, wallTime + sessionLimits.idleMs - 60_000);
    expect(after.sessions.find(idle)).toBeUndefined();
    expect(after.sessions.find(used)?.name).toBe("ann");
    after.time.now += sessionLimits.idleMs;
    expect(after.sessions.find(used)).toBeUndefined();
    // A wall clock that was set back must not make a session younger.
    const third = sessions();
    third.sessions.restore(exported, wallTime - 3_600_000);
    third.time.now += sessionLimits.idleMs;
    expect(third.sessions.find(used)).toBeUndefined();
  });

  test("ends at the logout", () => {
    const { sessions: open } = sessions();
    const [one, other] = [open.open(ann), open.open(ann)];
    open.end(one);
    expect(open.find(one)).toBeUndefined();
    expect(open.find(other)).toBeDefined();
  });

  test("is dropped, longest unused first, when its user or all users have too many", () => {
    const { sessions: open } = sessions({ maxSessions: 4, maxPerUser: 2 });
    const [first, second] = [open.open(ann), open.open(ann)];
    open.find(first);
    const third = open.open(ann);
    expect(open.find(second)).toBeUndefined();
    const others = [open.open(bob), open.open(bob)];
    open.open({ ...ann, name: "cai" });
    expect(open.size).toBe(4);
    expect(open.find(first)).toBeUndefined();
    for (const bearer of [third, ...others]) expect(open.find(bearer)).toBeDefined();
  });

  test("that is no longer used is dropped at the next login", () => {
    const { time, sessions: open } = sessions({ idleMs: 100 });
    for (let count = 0; count < 10; count++) open.open(ann);
    time.now = 100;
    open.open(bob);
    expect(open.size).toBe(1);
  });
});
