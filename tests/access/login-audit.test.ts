import { describe, expect, test } from "bun:test";

import { LoginAudit, type LoginEvent } from "../../src/access/login-audit.ts";

function fixture() {
  const time = { now: 0 };
  const events: LoginEvent[] = [];
  return { time, events, audit: new LoginAudit(() => time.now, (event) => void events.push(event)) }; // prettier-ignore
}

describe("the login audit", () => {
  test("emits logins and logouts with name and address", () => {
    const { events, audit } = fixture();
    audit.accepted({ name: "ann", address: "10.0.0.1" });
    audit.ended({ name: "ann", address: "10.0.0.1" });
    expect(events).toEqual([
      { to: "accepted", reason: "password_right", by: "ann", detail: "from 10.0.0.1" },
      { to: "ended", reason: "logout", by: "ann", detail: "from 10.0.0.1" },
    ]);
  });

  test("quotes the name as typed, escaped and short", () => {
    const { events, audit } = fixture();
    audit.refused("password_wrong", { name: '<b>"\n\u202eroot\\', address: "10.0.0.1" });
    audit.refused("paused", { name: "x".repeat(5_000), address: "y".repeat(5_000) });
    expect(events[0]?.detail).toBe('as "<b>\\u0022\\u000a\\u202eroot\\u005c" from 10.0.0.1');
    expect(events[1]?.detail.length).toBeLessThan(110);
    expect(events.map(({ by }) => by)).toEqual(["nobody", "nobody"]);
  });

  test("emits few events in a flood, with the number of dropped ones", () => {
    const { time, events, audit } = fixture();
    const week = 7 * 24 * 3_600_000;
    for (; time.now < week; time.now += 60_000) {
      for (let index = 0; index < 5; index++) {
        audit.refused("password_wrong", { name: "ann", address: "10.0.0.1" });
      }
    }
    expect(events.length).toBeGreaterThan(900);
    expect(events.length).toBeLessThan(1_100);
    expect(events.at(-1)?.detail).toEndWith("; 49 earlier ones were not recorded");
    audit.accepted({ name: "ann", address: "10.0.0.1" });
    expect(events.at(-1)?.to).toBe("accepted");
  });
});
