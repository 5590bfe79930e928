import { describe, expect, test } from "bun:test";
import {
  adminApiErrorSentence,
  type DashboardState,
  type ListenerCheck,
  nextDashboardState,
  overallStatus,
} from "../../src/wording/verdict.ts";
import { reasonSentence, refusalNote } from "../../src/wording/reasons.ts";
import type { Snapshot, UpstreamSnapshot } from "../../src/snapshot/snapshot.ts";
import { pool, snapshotOf, traffic, upstream } from "../support/fake-admin-api.ts";

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
const erring = (errorShare: number, upstreams: readonly UpstreamSnapshot[], requestsPerSecond = 90) =>
  pool({ upstreams, traffic: traffic({ errorShare, requestsPerSecond }) });
const withErrors = (id: string, errorShare: number) =>
  upstream(id, { traffic: traffic({ errorShare, requestsPerSecond: 30 }) });
const resting = upstream("d:4", { status: "passing", backup: true, fit: false });
const full = upstream("a:1", { fit: false, inFlight: 8, maxInFlight: 8 });
const [a, b] = [upstream("a:1"), upstream("b:2")];

describe("the overall status", () => {
  const table: ReadonlyArray<readonly [name: string, state: DashboardState, text: string]> = [
    ["all serve", stateOf(of(a, b, upstream("c:3"))), "good: All 3 upstreams serve"],
    ["the only one serves", stateOf(of(a)), "good: The only upstream serves"],
    [
      "one fails",
      stateOf(of(a, failing, upstream("c:3"))),
      "warn: 2 of 3 upstreams serve; b:2 failing for 14 s: connection refused",
    ],
    [
      "failures before intentions",
      stateOf(of(a, draining, failing)),
      "warn: 1 of 3 upstreams serves; b:2 failing for 14 s: connection refused; c:3 draining for 2 min: by anna",
    ],
    [
      "a backup on standby is no loss",
      stateOf(of(a, resting)),
      "good: The only upstream serves; 1 backup on standby",
    ],
    [
      "one is ejected",
      stateOf(of(a, ejected, upstream("c:3"))),
      "warn: 2 of 3 upstreams serve; e:5 ejected 14 s ago: connect_refused",
    ],
    [
      "none serves",
      stateOf(of(failing)),
      "bad: No upstream is available; b:2 failing for 14 s: connection refused",
    ],
    [
      "one is ejected as unresponsive",
      stateOf(of(a, { ...ejected, outlier: { ...ejected.outlier, reason: "unresponsive", cause: null } })),
      "warn: 1 of 2 upstreams serves; e:5 ejected 14 s ago: unresponsive",
    ],
    [
      "a pool is in panic mode, though all of it serves",
      stateOf(
        snapshotOf(
          pool({ upstreams: [failing, a] }),
          pool({ name: "api", panic: true, upstreams: [{ ...ejected, fit: true }] }),
        ),
      ),
      "bad: Panic mode in pool api: all upstreams that pass their probes are ejected, so ejections are ignored; e:5 ejected 14 s ago: connect_refused; b:2 failing for 14 s: connection refused",
    ],
    [
      "all serve, and some attempts fail",
      stateOf(snapshotOf(erring(0.06, [a, b]))),
      "warn: All 2 upstreams serve, but many attempts fail in pool main; attempts failing in pool main: 6.0%",
    ],
    [
      "all serve, and most attempts fail",
      stateOf(snapshotOf(erring(0.7, [a, b]))),
      "bad: All 2 upstreams serve, but most attempts fail in pool main; attempts failing in pool main: 70%",
    ],
    [
      "one upstream causes the errors, and it is named",
      stateOf(snapshotOf(erring(0.1, [a, withErrors("b:2", 0.3), withErrors("c:3", 0.02)]))),
      "warn: All 3 upstreams serve, but many attempts fail in pool main; attempts failing in pool main, nearly all on b:2: 10%",
    ],
    [
      "two upstreams cause the errors",
      stateOf(snapshotOf(erring(0.1, [withErrors("b:2", 0.2), a, withErrors("c:3", 0.15)]))),
      "warn: All 3 upstreams serve, but many attempts fail in pool main; attempts failing in pool main, nearly all on b:2 and c:3: 10%",
    ],
    [
      "all upstreams cause the errors",
      stateOf(snapshotOf(erring(0.2, [withErrors("b:2", 0.2), withErrors("c:3", 0.2)]))),
      "warn: All 2 upstreams serve, but many attempts fail in pool main; attempts failing in pool main: 20%",
    ],
    [
      "requests are refused although all serve",
      stateOf(snapshotOf({ ...erring(0.2, [a, withErrors("b:2", 0.02)]), turnedAwayPerSecond: 17 })),
      "warn: All 2 upstreams serve, but many requests are refused in pool main; requests refused in pool main: 17.0/s",
    ],
    [
      "there are many errors of both kinds, each as a separate share",
      stateOf(snapshotOf({ ...erring(0.55, [a, withErrors("b:2", 0.5)]), turnedAwayPerSecond: 30 })),
      "bad: All 2 upstreams serve, but many requests are refused in pool main; requests refused in pool main: 30.0/s; attempts failing in pool main, nearly all on b:2: 33%",
    ],
    [
      "no upstream is left, so all requests are refused",
      stateOf(snapshotOf({ ...erring(1, [failing]), turnedAwayPerSecond: 90 })),
      "bad: No upstream is available; requests refused in pool main: 90.0/s; b:2 failing for 14 s: connection refused",
    ],
    [
      "a few errors are not reported",
      stateOf(snapshotOf(erring(0.04, [a, b]), erring(1, [upstream("c:3")], 0.5))),
      "good: All 3 upstreams serve",
    ],
    [
      "one has no weight, another one no free slot",
      stateOf(
        of(a, upstream("b:2", { fit: false, weight: 0 }), upstream("c:3", { fit: false, inFlight: 256 })),
      ),
      "warn: 1 of 3 upstreams serves; b:2 takes no new requests: weight is 0; c:3 takes no new requests: all 256 slots (maxInFlight) are in use",
    ],
    ["a pool without upstreams", stateOf(of()), "bad: No upstream is available"],
    [
      "all upstreams are at their concurrency limit",
      stateOf(of(full, resting)),
      "bad: All passing upstreams in pool main are at their limit (maxInFlight): requests wait in the queue; a:1 takes no new requests: all 8 slots (maxInFlight) are in use; 1 backup on standby",
    ],
    [
      "one pool is at its concurrency limit, another one has no upstream",
      stateOf(snapshotOf(pool({ upstreams: [full] }), pool({ name: "api", upstreams: [] }))),
      "bad: No upstream is available in pool api; a:1 takes no new requests: all 8 slots (maxInFlight) are in use",
    ],
    [
      "tunnels do not count towards the concurrency limit",
      stateOf(of({ ...full, tunnels: 1 })),
      "bad: No upstream is available; a:1 takes no new requests",
    ],
    [
      "streams do not count towards the concurrency limit",
      stateOf(of({ ...full, streams: 1 })),
      "bad: No upstream is available; a:1 takes no new requests",
    ],
    [
      "without a limit no upstream is full",
      stateOf(of({ ...full, inFlight: 9_999, maxInFlight: null })),
      "bad: No upstream is available; a:1 takes no new requests",
    ],
    [
      "one pool of two is empty",
      stateOf(snapshotOf(pool({ upstreams: [a] }), pool({ name: "api", upstreams: [failing] }))),
      "bad: No upstream is available in pool api; b:2 failing for 14 s: connection refused",
    ],
    [
      "further reasons are only counted",
      stateOf(of(a, ...["v", "w", "x", "y", "z"].map((id) => ({ ...failing, id, lastProbe: null })))),
      "warn: 1 of 6 upstreams serves; v failing for 14 s; w failing for 14 s; x failing for 14 s; and 2 more",
    ],
    ["the balancer drains", stateOf({ ...of(a), phase: "draining" }), "bad: The balancer is shutting down"],
    [
      "the client listener is unreachable",
      stateOf(of(a), {
        listenerCheck: { ...listenerCheck, reachable: false, status: null, detail: "connection refused" },
      }),
      "bad: The only upstream serves, but the client listener is unreachable; http://localhost:8080: connection refused",
    ],
    [
      "the client listener returns 502",
      stateOf(of(a), {
        listenerCheck: { ...listenerCheck, reachable: false, status: 502, detail: "status 502" },
      }),
      "bad: The only upstream serves, but the client listener returns an error; http://localhost:8080: status 502",
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
  for (const [status, headline] of [
    ["valid", "good: The only upstream serves"],
    ["expiring", "good: The only upstream serves"],
    ["expired", "bad: The only upstream serves, but the server certificate has expired"],
    ["early", "bad: The only upstream serves, but the server certificate is not valid yet"],
  ] as const) {
    test(`with a certificate that is ${status}`, () => {
      const certificate = {
        source: "/cert",
        names: [],
        keyType: "ec",
        fingerprint: "",
        validFrom: 0,
        expiresAt: 0,
        status,
      };
      expect(statusText(stateOf({ ...of(a), certificates: [certificate] }))).toBe(headline);
    });
  }

  for (const [name, state, expected] of table) test(name, () => expect(statusText(state)).toBe(expected));

  test("shows no secret of a URL", () => {
    const outage = { reason: "unreachable", message: "connection refused", since: now } as const;
    const adminUrl = "http://user:secret@localhost:8091/?token=secret";
    expect(statusText(stateOf(of(a), { adminUrl, outage }))).not.toContain("secret");
  });
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
