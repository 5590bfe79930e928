import { expect, test } from "bun:test";

import { openSqlite } from "../../src/state/sqlite-store.ts";
import { type EndedSession, MonitoredStore, type Store } from "../../src/state/store.ts";

function setUp(why?: string) {
  const inner = openSqlite(":memory:");
  const state = { now: 1_000, isFull: false };
  const full = () => {
    if (state.isFull) throw new Error("database or disk is full");
  };
  const failing = {
    intents: () => inner.intents(),
    events: (limit: number) => inner.events(limit),
    write: (intents: Parameters<typeof inner.write>[0]) => (full(), inner.write(intents)),
    eventsBetween: inner.eventsBetween.bind(inner),
    record: (events: Parameters<typeof inner.record>[0]) => (full(), inner.record(events)),
    keepSessions: (sessions: Parameters<typeof inner.keepSessions>[0]) => (
      full(),
      inner.keepSessions(sessions)
    ),
    takeSessions: () => inner.takeSessions(),
    fleet: () => inner.fleet(),
    secret: (purpose: string) => (full(), inner.secret(purpose)),
    keepEndedSessions: (ended: readonly EndedSession[]) => (full(), inner.keepEndedSessions(ended)),
    endedSessions: () => inner.endedSessions(),
    keepMembers: (kept: Parameters<typeof inner.keepMembers>[0]) => (full(), inner.keepMembers(kept)),
    members: () => inner.members(),
    alerts: () => inner.alerts(),
    writeAlerts: (changes: Parameters<Store["writeAlerts"]>[0]) => inner.writeAlerts(changes),
    keptSecret: (purpose: string) => inner.keptSecret(purpose),
    keepSecret: (purpose: string, value: string) => (full(), inner.keepSecret(purpose, value)),
    close: () => inner.close(),
  };
  return { state, store: new MonitoredStore(failing, () => state.now, why) };
}

const intent = { kind: "mode", upstream: "a", mode: "draining", by: "ann", at: 1, why: "" } as const;

test("a store reports since when and why writes fail, until a write succeeds", () => {
  const { state, store } = setUp();
  store.write([intent]);
  expect(store.notKept).toBeUndefined();
  state.isFull = true;
  expect(() => store.write([{ ...intent, mode: "ready" }])).toThrow("full");
  expect(store.notKept).toEqual({ since: 1_000, why: "database or disk is full" });
  state.now = 2_000;
  expect(() => store.record([])).toThrow("full");
  expect(store.notKept?.since).toBe(1_000);
  state.isFull = false;
  store.record([]);
  expect(store.notKept).toBeUndefined();
});

test("a store writes pending intents with the next write that succeeds, the latest for each key", () => {
  const { state, store } = setUp();
  store.write([intent, { ...intent, upstream: "b" }]);
  state.isFull = true;
  const weight = { kind: "weight", upstream: "a", weight: 3, by: "ann", at: 2, why: "" } as const;
  expect(() => store.write([{ ...intent, mode: "maintenance" }])).toThrow("full");
  expect(() => store.write([{ ...intent, mode: "ready" }, weight])).toThrow("full");
  expect(() => store.write([{ kind: "forgotten", upstream: "b", aspect: "mode" }])).toThrow("full");
  expect(store.intents()).toHaveLength(2);
  state.isFull = false;
  store.record([]);
  expect(store.intents()).toEqual([{ ...intent, mode: "ready" }, weight]);
});

test("a substitute for a store that could not be opened reports the error for good", () => {
  const { store } = setUp("Cannot use the state file: it is damaged");
  store.write([intent]);
  expect(store.notKept).toEqual({ since: 1_000, why: "Cannot use the state file: it is damaged" });
});

test("a secret stays the same, also where it could not be saved, which is reported", () => {
  const { state, store } = setUp();
  const secret = store.secret("sticky");
  expect(secret.length).toBeGreaterThan(40);
  expect(store.secret("sticky")).toBe(secret);
  expect(store.secret("other")).not.toBe(secret);
  state.isFull = true;
  expect(store.secret("sticky")).toBe(secret);
  const unsaved = store.secret("third");
  expect(store.secret("third")).toBe(unsaved);
  expect(store.notKept?.why).toBe("database or disk is full");
});
