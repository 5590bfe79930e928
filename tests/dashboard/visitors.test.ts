import { describe, expect, test } from "bun:test";

import type { LoginState } from "../../src/dashboard/login/login-client.ts";
import { Visitors } from "../../src/dashboard/login/visitors.ts";
import { FakeTime } from "../support/fake-time.ts";

/** A scripted admin API, and the bearer tokens that the routes received. */
function visitorsFixture(ownToken?: string) {
  const time = new FakeTime();
  const state = { standing: { kind: "unknown" } as LoginState, asked: 0 };
  const bearers: (() => string | undefined)[] = [];
  const visitors = new Visitors({
    client: {
      async state() {
        state.asked += 1;
        return state.standing;
      },
    },
    ownToken,
    routesWith(bearer) {
      bearers.push(bearer);
      return async () => new Response("ok");
    },
    clock: time.clock,
    schedule: time.schedule,
  });
  return { time, state, visitors, bearers };
}

const ann: LoginState = { kind: "user", name: "ann", role: "admin" };

describe("visitors", () => {
  test("use the dashboard's own token only after the admin API reported that there are no accounts", async () => {
    const { time, state, visitors, bearers } = visitorsFixture("own");
    const everybody = () => bearers[0]?.();
    expect(await visitors.admit(undefined)).toBe(visitors.anonymous);
    expect([everybody(), visitors.bearer]).toEqual([undefined, undefined]);
    state.standing = { kind: "open" };
    await visitors.admit(undefined);
    expect([everybody(), visitors.bearer]).toEqual(["own", "own"]);
    state.standing = { kind: "closed" };
    await time.advance(1_000);
    expect(await visitors.admit(undefined)).toBeUndefined();
    expect(visitors.isAdmitted(visitors.anonymous)).toBe(false);
    // Data that all visitors share is read with it for logged-in visitors.
    expect([everybody(), visitors.bearer]).toEqual([undefined, "own"]);
  });

  test("are checked once a second, regardless of their number of requests", async () => {
    const { time, state, visitors } = visitorsFixture();
    state.standing = ann;
    for (let request = 0; request < 50; request++) await visitors.admit("a");
    expect(state.asked).toBe(1);
    await time.advance(1_000);
    await visitors.admit("a");
    expect(state.asked).toBe(2);
  });

  test("share what all see alike by the session that was seen last", async () => {
    const { time, state, visitors } = visitorsFixture();
    state.standing = ann;
    await visitors.admit("a");
    await time.advance(10);
    await visitors.admit("b");
    expect(visitors.bearer).toBe("b");
    visitors.forget("b");
    expect(visitors.bearer).toBe("a");
  });

  test("stay for half an hour without a response of the admin API, and new visitors are rejected", async () => {
    const { time, state, visitors } = visitorsFixture();
    state.standing = ann;
    await visitors.admit("a");
    state.standing = { kind: "unknown" };
    await time.advance(29 * 60_000);
    expect((await visitors.admit("a"))?.user?.name).toBe("ann");
    expect(await visitors.admit("b")).toBeUndefined();
    expect(await visitors.admit(undefined)).toBeUndefined();
    await time.advance(60_000);
    expect(await visitors.admit("a")).toBeUndefined();
  });

  test("have the role of now, and are no more than the admin API keeps sessions", async () => {
    const { time, state, visitors, bearers } = visitorsFixture();
    state.standing = ann;
    const before = await visitors.admit("a");
    await time.advance(1_000);
    state.standing = { kind: "user", name: "ann", role: "viewer" };
    const after = await visitors.admit("a");
    expect(after?.user?.role).toBe("viewer");
    expect(after?.user?.csrf).toBe(before?.user?.csrf ?? "");
    for (let session = 0; session < 256; session++) await visitors.admit(`s${session}`);
    expect(bearers.length).toBe(258);
    expect(after && visitors.isAdmitted(after)).toBe(false);
  });

  test("are checked in the background only while a live stream is open", async () => {
    const { time, state, visitors } = visitorsFixture();
    state.standing = ann;
    const visitor = await visitors.admit("a");
    if (!visitor) throw new Error("Cannot go on: ann was not let in");
    const live = () => new Response(new ReadableStream(), { headers: { "Content-Type": "text/event-stream" } });
    const [left, ended] = [visitors.track(visitor, live()), visitors.track(visitor, live())];
    await left.body?.cancel();
    await time.advance(2_000);
    expect(state.asked).toBe(2);
    state.standing = { kind: "closed" };
    await time.advance(2_000);
    expect(await ended.text()).toBe("event: loggedout\ndata: {}\n\n");
    await time.advance(2_000);
    expect(time.waits).toEqual([]);
  }); // prettier-ignore
});
