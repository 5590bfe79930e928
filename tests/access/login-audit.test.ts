import { describe, expect, test } from "bun:test";

import { LoginAudit, type LoginEvent } from "../../src/access/login-audit.ts";

function ledger() {
  const time = { now: 0 };
  const notes: LoginEvent[] = [];
  return { time, notes, ledger: new LoginAudit(() => time.now, (note) => void notes.push(note)) }; // prettier-ignore
}

describe("the record of logins", () => {
  test("says who came, from where, and who left", () => {
    const { notes, ledger: told } = ledger();
    told.accepted({ name: "ann", address: "10.0.0.1" });
    told.ended({ name: "ann", address: "10.0.0.1" });
    expect(notes).toEqual([
      { to: "accepted", reason: "password_right", by: "ann", detail: "from 10.0.0.1" },
      { to: "ended", reason: "logout", by: "ann", detail: "from 10.0.0.1" },
    ]);
  });

  test("quotes what a stranger typed, escaped and short", () => {
    const { notes, ledger: told } = ledger();
    told.refused("password_wrong", { name: '<b>"\n\u202eroot\\', address: "10.0.0.1" });
    told.refused("paused", { name: "x".repeat(5_000), address: "y".repeat(5_000) });
    expect(notes[0]?.detail).toBe('as "<b>\\u0022\\u000a\\u202eroot\\u005c" from 10.0.0.1');
    expect(notes[1]?.detail.length).toBeLessThan(110);
    expect(notes.map(({ by }) => by)).toEqual(["nobody", "nobody"]);
  });

  test("stays small in a flood, and says how much was left out", () => {
    const { time, notes, ledger: told } = ledger();
    const week = 7 * 24 * 3_600_000;
    for (; time.now < week; time.now += 60_000) {
      for (let index = 0; index < 5; index++) {
        told.refused("password_wrong", { name: "ann", address: "10.0.0.1" });
      }
    }
    expect(notes.length).toBeGreaterThan(900);
    expect(notes.length).toBeLessThan(1_100);
    expect(notes.at(-1)?.detail).toEndWith("; 49 more before it were not written down");
    told.accepted({ name: "ann", address: "10.0.0.1" });
    expect(notes.at(-1)?.to).toBe("accepted");
  });
});
