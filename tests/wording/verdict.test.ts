import { describe, expect, test } from "bun:test";
import {
  adminApiErrorSentence,
  concernOf,
  type DashboardState,
  type ListenerCheck,
  nextDashboardState,
  overallStatus,
  seenProblems,
} from "../../src/wording/verdict.ts";
import { reasonSentence, refusalNote } from "../../src/wording/reasons.ts";
import type { Snapshot, UpstreamSnapshot } from "../../src/snapshot/snapshot.ts";
import type { ServiceProblem } from "../../src/problems/problem.ts";
import { pool, snapshotOf, upstream } from "../support/fake-admin-api.ts";
import { closedProblem, noticeProblem, problemOf, slowProblem } from "../support/problem-fixture.ts";

const now = 1_800_000_000_000;
const listenerCheck: ListenerCheck = {
  url: "http://localhost:8080",
  reachable: true,
  status: 200,
  detail: "status 200",
  latencyMs: 1,
  checkedAt: now,
};

function stateOf(snapshot: Snapshot, change: Partial<DashboardState> = {}): DashboardState {
  const adminUrl = "http://localhost:8091";
  return {
    at: now,
    adminUrl,
    listenerCheck,
    snapshot: { ...snapshot, at: now },
    readAt: now,
    outage: undefined,
    trends: [],
    ...change,
  };
}

function statusText(state: DashboardState): string {
  const { tone, headline, reasons } = overallStatus(state);
  return [`${tone}: ${headline}`, ...reasons.map(reasonSentence)].join("; ").replaceAll("\u00a0", " ");
}

const of = (...upstreams: UpstreamSnapshot[]) => snapshotOf(pool({ upstreams }));
const failing = upstream("b:2", {
  status: "failing",
  statusSince: now - 14_000,
  fit: false,
  lastProbe: { at: now - 14_000, success: false, detail: "connection refused", latencyMs: 1 },
});
const ejected = upstream("e:5", {
  status: "ejected",
  fit: false,
  outlier: {
    state: "ejected",
    since: now - 14_000,
    until: now + 16_000,
    reason: "consecutive_failures",
    cause: "connect_refused",
    count: 1,
  },
  errorsByReason: { status_503: 2, connect_refused: 31 },
});
const draining = upstream("c:3", {
  statusSince: now - 120_000,
  status: "draining",
  mode: "draining",
  fit: false,
  modeSet: { by: "anna", at: now - 120_000, why: "" },
});
const drained = {
  ...draining,
  drain: { since: now - 120_000, deadline: null, inFlight: 0, drained: true, leaving: false },
};
const resting = upstream("d:4", { status: "passing", backup: true, fit: false });
const full = upstream("a:1", { fit: false, inFlight: 8, maxInFlight: 8 });
const [a, b] = [upstream("a:1"), upstream("b:2")];

const withProblems = (...problems: ServiceProblem[]) => ({ ...of(a, b), problems });

describe("the overall status", () => {
  const table: ReadonlyArray<readonly [name: string, state: DashboardState, text: string]> = [
    ["all serve", stateOf(of(a, b, upstream("c:3"))), "good: On an even keel. All 3 upstreams serve."],
    ["the only one serves", stateOf(of(a)), "good: On an even keel. The only upstream serves."],
    [
      "one fails, and is no problem yet",
      stateOf(of(a, failing, upstream("c:3"))),
      "warn: 2 of 3 upstreams serve; b:2 failing for 14 s: connection refused",
    ],
    [
      "failures before intentions",
      stateOf(of(a, draining, failing)),
      "warn: 1 of 3 upstreams serves, 1 drains; b:2 failing for 14 s: connection refused; c:3 draining for 2 min: by anna",
    ],
    [
      "what operators take out is no problem",
      stateOf(of(a, draining)),
      "good: On an even keel. 1 of 2 upstreams serves, 1 drains.; c:3 draining for 2 min: by anna",
    ],
    [
      "a backup on standby is no loss",
      stateOf(of(a, resting)),
      "good: On an even keel. The only upstream serves, 1 backup stands by.",
    ],
    [
      "the parts add up",
      stateOf(
        of(a, b, resting, drained, { ...draining, id: "m", status: "maintenance", mode: "maintenance" }),
      ),
      "good: On an even keel. 2 of 5 upstreams serve, 1 backup stands by, 1 is drained, 1 is in maintenance.; c:3 draining for 2 min: by anna; m in maintenance for 2 min: by anna",
    ],
    [
      "one is ejected",
      stateOf(of(a, ejected, upstream("c:3"))),
      "warn: 2 of 3 upstreams serve; e:5 ejected 14 s ago: connect_refused",
    ],
    [
      "none serves",
      stateOf(of(failing)),
      "bad: No upstream serves; b:2 failing for 14 s: connection refused",
    ],
    [
      "one is ejected as unresponsive",
      stateOf(of(a, { ...ejected, outlier: { ...ejected.outlier, reason: "unresponsive", cause: null } })),
      "warn: 1 of 2 upstreams serves; e:5 ejected 14 s ago: unresponsive",
    ],
    [
      "one has no weight; one without a free slot serves all the same",
      stateOf(
        of(a, upstream("b:2", { fit: false, weight: 0 }), upstream("c:3", { fit: false, inFlight: 256 })),
      ),
      "warn: 2 of 3 upstreams serve; b:2 takes no new requests: weight is 0; c:3 takes no new requests: all 256 slots (maxInFlight) are in use",
    ],
    [
      "all slots of the only one are in use: requests wait for it",
      stateOf(of(full)),
      "good: On an even keel. The only upstream serves.; a:1 takes no new requests: all 8 slots (maxInFlight) are in use",
    ],
    ["a pool without upstreams", stateOf(of()), "bad: No upstream serves"],
    [
      "tunnels do not count towards the concurrency limit",
      stateOf(of({ ...full, tunnels: 1 })),
      "bad: No upstream serves; a:1 takes no new requests",
    ],
    [
      "streams do not count towards the concurrency limit",
      stateOf(of({ ...full, streams: 1 })),
      "bad: No upstream serves; a:1 takes no new requests",
    ],
    [
      "without a limit no upstream is full",
      stateOf(of({ ...full, inFlight: 9_999, maxInFlight: null })),
      "bad: No upstream serves; a:1 takes no new requests",
    ],
    [
      "one pool of two is empty",
      stateOf(snapshotOf(pool({ upstreams: [a] }), pool({ name: "api", upstreams: [failing] }))),
      "bad: 1 of 2 upstreams serves; b:2 failing for 14 s: connection refused",
    ],
    [
      "further reasons are only counted",
      stateOf(of(a, ...["v", "w", "x", "y", "z"].map((id) => ({ ...failing, id, lastProbe: null })))),
      "warn: 1 of 6 upstreams serves; v failing for 14 s; w failing for 14 s; x failing for 14 s; and 2 more",
    ],
    [
      "a critical problem and a warning",
      stateOf(withProblems(problemOf(), slowProblem())),
      "bad: 2 problems. Clients notice the first.; All 2 upstreams serve",
    ],
    [
      "a warning",
      stateOf(withProblems(slowProblem())),
      "warn: 1 problem. Clients do not notice.; All 2 upstreams serve",
    ],
    [
      "notices and problems that have ended do not count",
      stateOf(withProblems(noticeProblem(), closedProblem())),
      "good: On an even keel. All 2 upstreams serve.",
    ],
    [
      "an older balancer without a list",
      stateOf({ ...of(a, failing), problems: undefined } as unknown as Snapshot),
      "warn: 1 of 2 upstreams serves; b:2 failing for 14 s: connection refused",
    ],
    [
      "the balancer drains",
      stateOf({ ...of(a), phase: "draining" }),
      "bad: The balancer is shutting down; The only upstream serves",
    ],
    [
      "the client listener is unreachable",
      stateOf(of(a), {
        listenerCheck: { ...listenerCheck, reachable: false, status: null, detail: "connection refused" },
        listenerLostSince: now - 10_000,
      }),
      "bad: 1 problem. Clients notice it.; The only upstream serves",
    ],
    [
      "the client listener returns 502",
      stateOf(of(a), {
        listenerCheck: { ...listenerCheck, reachable: false, status: 502, detail: "status 502" },
        listenerLostSince: now - 10_000,
      }),
      "bad: 1 problem. Clients notice it.; The only upstream serves",
    ],
    [
      "the admin API is unreachable",
      stateOf(of(a), {
        readAt: now - 20_000,
        outage: { reason: "unreachable", message: "connection refused", since: now - 19_000 },
      }),
      "bad: The admin API is unreachable; connection refused at http://localhost:8091 since 07:59:41 UTC, 19 s ago; showing data read 20 s ago",
    ],
  ];
  for (const [name, state, expected] of table) test(name, () => expect(statusText(state)).toBe(expected));

  test("lists first that clients cannot reach the balancer, since the first check that failed", () => {
    const lost = { ...listenerCheck, reachable: false, status: null, detail: "connection refused" };
    const poll = { at: now, adminUrl: "http://localhost:8091", trends: [], reading: { snapshot: of(a) } };
    const first = nextDashboardState(undefined, { ...poll, listenerCheck: lost });
    const second = nextDashboardState(first, {
      ...poll,
      ...{ at: now + 10_000, listenerCheck: { ...lost, checkedAt: now + 10_000 } },
      reading: { snapshot: withProblems(problemOf()) },
    });
    expect(seenProblems(second).map(({ title, since }) => [title, Date.parse(since)])).toEqual([
      ["Clients cannot reach http://localhost:8080: connection refused", now],
      [problemOf().title, expect.any(Number)],
    ]);
    // One failed check is no problem.
    expect(seenProblems(first)).toEqual([]);
    const again = nextDashboardState(second, { ...poll, listenerCheck });
    expect(seenProblems(again)).toEqual([]);
  });

  test("does not say that clients cannot reach what the balancer refuses for a reason of its own", () => {
    const seen = (status: number | null, problem: ServiceProblem) =>
      seenProblems(
        stateOf(withProblems(problem), {
          listenerCheck: { ...listenerCheck, reachable: false, status, detail: "no" },
          listenerLostSince: now - 10_000,
        }),
      ).map(({ kind }) => kind);
    expect(seen(503, problemOf({ kind: "shedding" }))).toEqual(["shedding"]);
    expect(seen(503, slowProblem())).toEqual(["front_door", "upstream_slow"]);
    expect(seen(null, problemOf({ kind: "shedding" }))).toEqual(["front_door", "shedding"]);
  });

  test("is that the balancer is not heard, in place of what it said before, when that lasts", () => {
    const outage = { reason: "unreachable", message: "connection refused", since: now } as const;
    const seen = (at: number) =>
      seenProblems(stateOf(withProblems(problemOf()), { outage, at })).map(({ title }) => title);
    expect(seen(now + 2_900)).toEqual([problemOf().title]);
    expect(seen(now + 3_000)).toEqual(["No news from fra-1 since 08:00:00 UTC"]);
  });

  test("shows no secret of a URL", () => {
    const outage = { reason: "unreachable", message: "connection refused", since: now } as const;
    const adminUrl = "http://user:secret@localhost:8091/?token=secret";
    expect(statusText(stateOf(of(a), { adminUrl, outage }))).not.toContain("secret");
  });
});

test.each([
  [0, "none"],
  [0.0004, "none"],
  [0.004, "slight"],
  [0.04, "grave"],
] as const)("a share of errors of %p is of concern: %s", (share, concern) => {
  expect(concernOf(share)).toBe(concern);
});

test("an error of the admin API becomes one sentence with one mark at its end", () => {
  const sentenceOf = (message: string) => adminApiErrorSentence({ reason: "refused", message });
  expect(sentenceOf("Cannot add the upstream")).toBe("Cannot add the upstream.");
  expect(sentenceOf('Unknown key "prot". Did you mean "port"?')).toBe(
    'Unknown key "prot". Did you mean "port"?',
  );
});

describe("the next state", () => {
  const poll = { at: now, adminUrl: "http://localhost:8091", listenerCheck, trends: [] };
  const error = { reason: "unreachable", message: "connection refused" } as const;
  const snapshot = of(a);

  test("keeps the last snapshot and the start of the outage", () => {
    const known = nextDashboardState(undefined, { ...poll, reading: { snapshot } });
    const first = nextDashboardState(known, { ...poll, at: now + 1_000, reading: { error } });
    const second = nextDashboardState(first, { ...poll, at: now + 2_000, reading: { error } });
    expect(second.snapshot).toBe(snapshot);
    expect(second.readAt).toBe(now);
    expect(second.outage).toEqual({ ...error, since: now + 1_000 });
  });

  test("ends the outage with the first response", () => {
    const lost = nextDashboardState(undefined, { ...poll, reading: { error } });
    expect(nextDashboardState(lost, { ...poll, reading: { snapshot } }).outage).toBeUndefined();
  });
});

test.each([
  ["queue_full", "1,234 × queue_full (maxInFlight, queue.maxWaiting)"],
  ["queue_timeout", "1,234 × queue_timeout (maxInFlight, queue.timeout)"],
  ["no_route", "1,234 × no_route"],
])("a count of refusals names the settings behind %s", (reason, text) => {
  expect(refusalNote(reason, 1_234)).toBe(text);
});
