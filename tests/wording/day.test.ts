import { describe, expect, test } from "bun:test";
import { columnsOf } from "../../src/history/point.ts";
import {
  answeredProof,
  answeredShare,
  comingUpProof,
  type DayHistory,
  lastProblemText,
  quietSince,
  roomProof,
  spareServers,
  speedProof,
} from "../../src/wording/day.ts";
import { pool, traffic, upstream } from "../support/fake-admin-api.ts";

const now = Date.parse("2026-11-29T14:26:00Z");
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const plain = (text: string) => text.replaceAll("\u00a0", " ");

const day = (change: Partial<DayHistory> = {}): DayHistory => ({
  ...{ from: now - dayMs, to: now, columns: columnsOf([]), requests: 285_000_000, errors: 5_700 },
  ...{ measuredMs: dayMs, lastProblem: undefined, ...change },
});

describe("the share that was answered", () => {
  test.each([
    [1_000, 0, "100\u00a0%"],
    [285_000_000, 5_700, "99.998\u00a0%"],
    [10_000, 1, "99.99\u00a0%"],
    [1_000, 2, "99.8\u00a0%"],
    [100, 37, "63.0\u00a0%"],
    [10_000_000_000, 1, "99.9999\u00a0%"],
    [10, 10, "0.0\u00a0%"],
  ])("of %p requests with %p errors is %p", (requests, errors, expected) =>
    expect(answeredShare(requests, errors)).toBe(expected),
  );

  test("says of how many requests, in what was measured", () => {
    expect(answeredProof(day())).toMatchObject({
      value: "99.998\u00a0%",
      note: "of 285M requests, last 24 hours",
    });
    expect(plain(answeredProof(day({ measuredMs: 3 * hourMs })).note)).toEndWith("last 3 h");
    expect(answeredProof(day({ requests: 0 })).value).toBe("Not known yet");
    expect(answeredProof(undefined).value).toBe("Not known yet");
  });
});

const usual = { requestsPerSecond: 500, errorShare: 0, p95Ms: 100, peakRequestsPerSecond: 1_000 };
const serving = (perSecond: number, change = {}) =>
  pool({
    name: "shop",
    upstreams: ["a", "b", "c", "d"].map((id) => upstream(id, { maxInFlight: null })),
    traffic: traffic({ requestsPerSecond: perSecond }),
    usual,
    ...change,
  });

describe("the speed", () => {
  test("is compared with what is usual at this hour, where that is known", () => {
    const note = (p95Ms: number) => plain(speedProof(p95Ms, [serving(1)]).note);
    expect(plain(speedProof(128, [serving(1)]).value)).toBe("p95 128 ms");
    expect([note(110), note(124), note(126), note(300)]).toEqual([
      ...["as usual at this hour", "as usual at this hour"],
      ...["usually 100 ms at this hour", "usually 100 ms at this hour"],
    ]);
    const unknown = serving(1, { usual: undefined });
    expect(speedProof(128, [serving(1), unknown]).note).toBe("last minute, of the slowest pool");
    expect(speedProof(128, [unknown]).note).toBe("last minute");
    expect(speedProof(null, []).value).toBe("Not known yet");
  });
});

describe("the room", () => {
  test("is that of the fullest pool, against the peak of its week", () => {
    expect(roomProof([serving(690)])).toMatchObject({
      value: "69\u00a0% of this week’s peak",
      note: "the pool can lose 1 server at this traffic",
    });
    expect(roomProof([serving(100), serving(900, { name: "pay" })])).toMatchObject({
      value: "90\u00a0% of this week’s peak",
      note: "pool pay; each pool can lose 1 server at this traffic",
    });
    expect(roomProof([serving(1_100)]).value).toBe("At this week’s peak");
    expect(roomProof([serving(1), serving(1, { usual: undefined })]).value).toBe("Not known yet");
    expect(roomProof([]).value).toBe("Not known yet");
  });

  test.each([
    [100, {}, 3],
    [600, {}, 2],
    [601, {}, 1],
    [900, {}, 1],
    [901, {}, 0],
    // Their slots: 80 of 100 may be in use.
    [100, { upstreams: [50, 50, 50].map((maxInFlight, index) => upstream(`${index}`, { maxInFlight, inFlight: 20 })) }, 1],
    [100, { upstreams: [upstream("only")] }, 0],
    [100, { upstreams: [upstream("a"), upstream("b", { fit: false })] }, 0],
  ])("at %p/s with %p lets %p go", (perSecond, change, expected) =>
    expect(spareServers(serving(perSecond, change))).toBe(expected),
  ); // prettier-ignore
});

describe("what is coming up", () => {
  const certificate = {
    ...{ source: "/etc/tls/api.pem", names: ["api.example.com"], keyType: "", fingerprint: "" },
    ...{ validFrom: now - dayMs, expiresAt: now + 41.5 * dayMs, status: "valid" as const },
  };
  const order = {
    ...{ host: "api.example.com", directory: "", expiresAt: null, nextOrderAt: now, isOrdering: false },
    ...{ failures: 0, failure: null },
  };

  test("is the next end of a certificate that is not renewed by itself", () => {
    const later = { ...certificate, names: ["later"], expiresAt: now + 90 * dayMs };
    expect(comingUpProof({ at: now, certificates: [later, certificate] })).toMatchObject({
      value: "Nothing for 41 days",
      note: "then the certificate for api.example.com ends",
    });
    expect(comingUpProof({ at: now, certificates: [certificate], orders: [order] }).value).toBe("Nothing");
    expect(comingUpProof({ at: now }).value).toBe("Nothing");
  });
});

describe("the quiet", () => {
  const since = (closedAt: number) =>
    plain(quietSince({ lastProblem: { title: "t", since: 0, closedAt } }, { at: now, startedAt: 0 }));

  test("began with the end of the last problem, or with the process", () => {
    expect(since(now - 2 * hourMs)).toBe("No problem since 12:26 UTC.");
    expect(since(Date.parse("2026-11-28T03:21:00Z"))).toBe("No problem since yesterday, 03:21 UTC.");
    expect(since(Date.parse("2026-11-25T03:21:00Z"))).toBe("No problem since Wednesday, 03:21 UTC.");
    expect(since(Date.parse("2026-11-20T03:21:00Z"))).toBe("No problem since Fri 20 Nov, 03:21 UTC.");
    expect(plain(quietSince({ lastProblem: undefined }, { at: now, startedAt: now - 6 * dayMs }))).toBe(
      "No problem since the start, 6 d ago.",
    );
  });

  test("names what was wrong last, since when and for how long", () => {
    const [begin, end] = ["2026-11-28T03:12:00Z", "2026-11-28T03:21:00Z"].map(Date.parse) as [number, number];
    const title = "8 of 12 checkout servers reset connections";
    expect(plain(lastProblemText({ title, since: begin, closedAt: end }))).toBe(
      `Sat 28 Nov, 03:12 UTC, 9 min: ${title}`,
    );
  });
});
