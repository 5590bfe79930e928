import { describe, expect, test } from "bun:test";
import {
  type DashboardState,
  type FrontDoor,
  nextDashboardState,
  overallStatus,
} from "../../src/wording/verdict.ts";
import { reasonSentence } from "../../src/wording/reasons.ts";
import type { Snapshot, UpstreamSnapshot } from "../../src/snapshot/snapshot.ts";
import { pool, snapshotOf, traffic, upstream } from "../support/fake-admin-api.ts";

const now = 1_800_000_000_000;
const door: FrontDoor = {
  url: "http://localhost:8080",
  reachable: true,
  status: 200,
  detail: "status 200",
  latencyMs: 1,
  checkedAt: now,
};

function pictureOf(snapshot: Snapshot, change: Partial<DashboardState> = {}): DashboardState {
  const adminUrl = "http://localhost:8091";
  return {
    at: now,
    adminUrl,
    frontDoor: door,
    snapshot: { ...snapshot, at: now },
    readAt: now,
    outage: undefined,
    trends: [],
    ...change,
  };
}

function told(picture: DashboardState): string {
  const { tone, headline, reasons } = overallStatus(picture);
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
    ...{ state: "ejected", since: now - 14_000, until: now + 16_000 },
    ...{ reason: "consecutive_failures", cause: "connect_refused", count: 1 },
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
const [a, b] = [upstream("a:1"), upstream("b:2")];

describe("the verdict", () => {
  const table: ReadonlyArray<readonly [name: string, picture: DashboardState, words: string]> = [
    ["all serve", pictureOf(of(a, b, upstream("c:3"))), "good: All 3 upstreams serve"],
    ["the only one serves", pictureOf(of(a)), "good: The only upstream serves"],
    [
      "one fails",
      pictureOf(of(a, failing, upstream("c:3"))),
      "warn: 2 of 3 upstreams serve; b:2 failing for 14 s: connection refused",
    ],
    [
      "failures before intentions",
      pictureOf(of(a, draining, failing)),
      "warn: 1 of 3 upstreams serves; b:2 failing for 14 s: connection refused; c:3 draining for 2 min: by anna",
    ],
    [
      "a backup that waits is no loss",
      pictureOf(of(a, resting)),
      "good: The only upstream serves; 1 backup on standby",
    ],
    [
      "one is ejected",
      pictureOf(of(a, ejected, upstream("c:3"))),
      "warn: 2 of 3 upstreams serve; e:5 ejected 14 s ago: connect_refused",
    ],
    [
      "none serves",
      pictureOf(of(failing)),
      "bad: No upstream is available; b:2 failing for 14 s: connection refused",
    ],
    [
      "one is ejected that answered nothing",
      pictureOf(of(a, { ...ejected, outlier: { ...ejected.outlier, reason: "unresponsive", cause: null } })),
      "warn: 1 of 2 upstreams serves; e:5 ejected 14 s ago: unresponsive",
    ],
    [
      "a pool panics, though all of it serves",
      pictureOf(
        snapshotOf(
          pool({ upstreams: [failing, a] }),
          pool({ name: "api", panic: true, upstreams: [{ ...ejected, fit: true }] }),
        ),
      ),
      "bad: Panic mode in pool api: all upstreams are ejected, traffic goes to all of them; e:5 ejected 14 s ago: connect_refused; b:2 failing for 14 s: connection refused",
    ],
    [
      "all serve, and some of what they answer is errors",
      pictureOf(snapshotOf(erring(0.06, [a, b]))),
      "warn: All 2 upstreams serve, but many attempts fail in pool main; attempts failing in pool main: 6.0%",
    ],
    [
      "all serve, and most of what they answer is errors",
      pictureOf(snapshotOf(erring(0.7, [a, b]))),
      "bad: All 2 upstreams serve, but most attempts fail in pool main; attempts failing in pool main: 70%",
    ],
    [
      "the errors are those of one upstream, and it is named",
      pictureOf(snapshotOf(erring(0.1, [a, withErrors("b:2", 0.3), withErrors("c:3", 0.02)]))),
      "warn: All 3 upstreams serve, but many attempts fail in pool main; attempts failing in pool main, nearly all on b:2: 10%",
    ],
    [
      "the errors are those of two upstreams",
      pictureOf(snapshotOf(erring(0.1, [withErrors("b:2", 0.2), a, withErrors("c:3", 0.15)]))),
      "warn: All 3 upstreams serve, but many attempts fail in pool main; attempts failing in pool main, nearly all on b:2 and c:3: 10%",
    ],
    [
      "the errors are everybody's",
      pictureOf(snapshotOf(erring(0.2, [withErrors("b:2", 0.2), withErrors("c:3", 0.2)]))),
      "warn: All 2 upstreams serve, but many attempts fail in pool main; attempts failing in pool main: 20%",
    ],
    [
      "clients are turned away although all serve",
      pictureOf(snapshotOf({ ...erring(0.2, [a, withErrors("b:2", 0.02)]), turnedAwayPerSecond: 17 })),
      "warn: All 2 upstreams serve, but many requests are refused in pool main; requests refused in pool main: 17.0/s",
    ],
    [
      "there are many errors of both kinds, each told as a share of its own",
      pictureOf(snapshotOf({ ...erring(0.55, [a, withErrors("b:2", 0.5)]), turnedAwayPerSecond: 30 })),
      "bad: All 2 upstreams serve, but many requests are refused in pool main; requests refused in pool main: 30.0/s; attempts failing in pool main, nearly all on b:2: 33%",
    ],
    [
      "nobody is left, so everybody is turned away",
      pictureOf(snapshotOf({ ...erring(1, [failing]), turnedAwayPerSecond: 90 })),
      "bad: No upstream is available; requests refused in pool main: 90.0/s; b:2 failing for 14 s: connection refused",
    ],
    [
      "a few errors are no news",
      pictureOf(snapshotOf(erring(0.04, [a, b]), erring(1, [upstream("c:3")], 0.5))),
      "good: All 3 upstreams serve",
    ],
    [
      "one has no weight, another one no room",
      pictureOf(
        of(a, upstream("b:2", { fit: false, weight: 0 }), upstream("c:3", { fit: false, inFlight: 256 })),
      ),
      "warn: 1 of 3 upstreams serves; b:2 takes no new requests: weight is 0; c:3 takes no new requests: all 256 slots are in use",
    ],
    ["a pool without upstreams", pictureOf(of()), "bad: No upstream is available"],
    [
      "one pool of two is empty",
      pictureOf(snapshotOf(pool({ upstreams: [a] }), pool({ name: "api", upstreams: [failing] }))),
      "bad: No upstream is available in pool api; b:2 failing for 14 s: connection refused",
    ],
    [
      "many reasons are counted",
      pictureOf(of(a, ...["v", "w", "x", "y", "z"].map((id) => ({ ...failing, id, lastProbe: null })))),
      "warn: 1 of 6 upstreams serves; v failing for 14 s; w failing for 14 s; x failing for 14 s; and 2 more",
    ],
    [
      "the balancer drains",
      pictureOf({ ...of(a), phase: "draining" }),
      "bad: The balancer is draining: it takes no new requests",
    ],
    [
      "the front door is shut",
      pictureOf(of(a), {
        frontDoor: { ...door, reachable: false, status: null, detail: "connection refused" },
      }),
      "bad: The only upstream serves, but the public listener is unreachable; http://localhost:8080: connection refused",
    ],
    [
      "the front door answers 502",
      pictureOf(of(a), { frontDoor: { ...door, reachable: false, status: 502, detail: "status 502" } }),
      "bad: The only upstream serves, but the public listener returns an error; http://localhost:8080: status 502",
    ],
    [
      "the admin API is gone",
      pictureOf(of(a), {
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
      const certificate = { listener: "listen", path: "/cert", validFrom: 0, expiresAt: 0, status } as const;
      expect(told(pictureOf({ ...of(a), certificates: [certificate] }))).toBe(headline);
    });
  }

  for (const [name, picture, words] of table) test(name, () => expect(told(picture)).toBe(words));

  test("shows no secret of a URL", () => {
    const outage = { reason: "unreachable", message: "connection refused", since: now } as const;
    const adminUrl = "http://user:secret@localhost:8091/?token=secret";
    expect(told(pictureOf(of(a), { adminUrl, outage }))).not.toContain("secret");
  });
});

describe("the next picture", () => {
  const look = { at: now, adminUrl: "http://localhost:8091", frontDoor: door, trends: [] };
  const trouble = { reason: "unreachable", message: "connection refused" } as const;
  const snapshot = of(a);

  test("keeps the last snapshot and the start of the outage", () => {
    const known = nextDashboardState(undefined, { ...look, reading: { snapshot } });
    const first = nextDashboardState(known, { ...look, at: now + 1_000, reading: { error: trouble } });
    const second = nextDashboardState(first, { ...look, at: now + 2_000, reading: { error: trouble } });
    expect(second.snapshot).toBe(snapshot);
    expect(second.readAt).toBe(now);
    expect(second.outage).toEqual({ ...trouble, since: now + 1_000 });
  });

  test("forgets the outage with the first answer", () => {
    const lost = nextDashboardState(undefined, { ...look, reading: { error: trouble } });
    expect(nextDashboardState(lost, { ...look, reading: { snapshot } }).outage).toBeUndefined();
  });
});
