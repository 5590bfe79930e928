import { describe, expect, test } from "bun:test";

import { runsOf } from "../../src/dashboard/upstream/probe-history.tsx";
import { statusNote, TrendCell } from "../../src/dashboard/overview/upstream-cells.tsx";
import { rowOf } from "../../src/dashboard/overview/upstream-row.tsx";
import { formatUptime, uptimeShare, uptimeSpan } from "../../src/wording/format.ts";
import { plainView } from "../../src/dashboard/view.ts";
import { rowState } from "../../src/wording/row-state.ts";
import type { UpstreamSnapshot, UptimeSnapshot } from "../../src/snapshot/snapshot.ts";
import { columnsOf } from "../../src/history/point.ts";
import type { ProblemKind } from "../../src/problems/problem.ts";
import { upstream, wavesUntil } from "../support/fake-admin-api.ts";

const now = 1_800_000_000_000;
const plain = (text: string) => text.replaceAll("\u00a0", " ");

function cellOf(kind: string, change: Partial<UpstreamSnapshot>): string {
  const one = upstream("a", change);
  const state = rowState(one, { now, isPanicking: false, problem: undefined });
  const place = {
    pool: "main",
    trend: undefined,
    share: 0.2,
    fairShare: 0.5,
    isUsual: false,
    now,
    view: plainView,
  };
  const { cells } = rowOf({ upstream: one, state, problem: undefined, ...place });
  return plain(cells.find((cell) => new RegExp(`class="[^"]*\\b${kind}\\b`).test(cell)) ?? "");
}

describe("an uptime", () => {
  const day = 86_400_000;
  const uptime = (change: Partial<UptimeSnapshot>): UptimeSnapshot => ({
    state: "up",
    since: now - 2 * 3_600_000,
    share: 1,
    countedMs: day,
    ...change,
  });

  test("shows the duration", () => {
    expect(plain(uptimeSpan(uptime({}), now))).toBe("2 h");
    expect(plain(uptimeSpan(uptime({ state: "down", since: now - 14_000 }), now))).toBe("down 14 s");
    expect(plain(uptimeSpan(uptime({ state: "out", since: now - 60_000 }), now))).toBe("out 1 min");
    expect(uptimeSpan(uptime({ state: "unknown" }), now)).toBe("–");
  });

  test("shows the share of the observed time", () => {
    expect(plain(uptimeShare(uptime({ share: 0.99984 })))).toBe("99.98 % of 24 h");
    expect(plain(uptimeShare(uptime({ countedMs: 23 * 3_600_000 })))).toBe("100 % of 24 h");
    expect(plain(uptimeShare(uptime({ countedMs: 300_000, share: 0.5 })))).toBe("50 % of 5 min");
    expect(uptimeShare(uptime({ share: null, countedMs: 0 }))).toBe("");
  });

  test("is rounded down, so that every outage stays visible", () => {
    const rows = [
      [1, "100\u00a0%"],
      [0.999999, "99.99\u00a0%"],
      [0.99, "99.00\u00a0%"],
      [0.9899, "98.9\u00a0%"],
      [0.95, "95.0\u00a0%"],
      [0.9499, "94\u00a0%"],
      [0, "0\u00a0%"],
    ] as const;
    for (const [share, words] of rows) expect(formatUptime(share)).toBe(words);
  });
});

describe("the cells of a row", () => {
  test("draw a line for each run of probes, the newest at the right", () => {
    const cell = cellOf("s-probes", { probeHistory: "++--+" });
    expect(cell).toContain('class="ticks-passed" d="M110 10h4M118 10h2"');
    expect(cell).toContain('class="ticks-failed" d="M114 7h4"');
    expect(cell).toContain('aria-label="Last probes of a: 2 of 5 failed"');
    expect(cell).toContain('title="Probes: 2 of 5 failed"');
    expect(cellOf("s-probes", { probeHistory: "", lastProbe: null })).toContain("none yet");
    expect(cellOf("s-probes", {})).toContain("status 200, 1.3 ms");
  });

  test("stay a few bytes long while probes pass, and do not change with age", () => {
    const [one, other] = [now, now - 3_000].map((at) =>
      cellOf("s-probes", { lastProbe: { at, success: true, detail: "status 200", latencyMs: 1 } }),
    );
    expect(one).toBe(other ?? "");
    expect(one?.length).toBeLessThan(600);
  });

  test("show the share beside the fair one, which stands in the middle", () => {
    const cell = cellOf("s-share", {});
    expect(cell).toContain('class="bar-part" width="20.0%"');
    expect(cell).toContain('class="bar-fair" x="50.0%"');
    expect(cell).toContain("Fair by weight: 50 %");
  });

  test("draw the last half hour of requests, or of what the problem is about", () => {
    const trend = columnsOf(wavesUntil(now, { spanMs: 1_800_000, stepMs: 60_000, since: 0 }));
    const lineOf = (kind?: ProblemKind) =>
      TrendCell({ trend, problem: kind && { kind, level: "critical", title: "" } }) as string;
    const kinds = [undefined, "upstream_errors", "upstream_down", "upstream_slow", "probe_flaps"] as const;
    expect(kinds.map((kind) => /class="([\w-]+) line"/.exec(lineOf(kind))?.[1])).toEqual([
      ...["k-rate", "k-errors", "k-errors", "k-slow", "k-rate"],
    ]);
    expect(lineOf().match(/L/g)?.length).toBeGreaterThan(50);
    expect(TrendCell({ trend: undefined, problem: undefined })).toBe('<td role="cell" class="s-trend"></td>');
  });

  test("show words and uptime, and that a fault is injected", () => {
    const rehearsal = {
      ...({ latencyMs: 0, errorShare: 1, error: "connect_refused", probes: false } as const),
      ...{ until: now + 20_000, by: "bob", why: "" },
    };
    const lastProbe = { at: now, success: false, detail: "connection refused", latencyMs: 1 };
    const cell = cellOf("s-state", { status: "failing", fit: false, lastProbe, rehearsal });
    expect(cell).toContain('<span class="state-words">Refuses connections</span>');
    expect(cell).toContain("fault injected</span>");
    expect(cell).toContain("Fault injected by bob, 20 s left: 100% connect_refused");
    expect(cell).toContain("100 % of 1 h");
  });

  test("show who set a weight, and in the menu what can be done", () => {
    const weightSet = { by: "bob", at: now, why: "more memory" };
    expect(cellOf("s-weight", { weight: 3, weightSet })).toContain(
      'title="Weight set by bob. more memory">3</td>',
    );
    const acts = cellOf("s-acts", { weightSet, mode: "draining" });
    expect(acts).toContain('title="Weight set by bob. more memory">by bob');
    for (const label of ["Ready a", "Maintenance a", "Remove a", "Set weight of a"])
      expect(acts).toContain(`aria-label="${label}"`);
    expect(acts).not.toContain('aria-label="Drain a"');
  });
});

test("the note of an upstream's page contains what its status means for its traffic", () => {
  const noteOf = (change: Partial<UpstreamSnapshot>) =>
    plain(statusNote(upstream("a", { statusSince: now - 14_000, ...change }), now));
  expect(noteOf({})).toBe("serving for 14 s");
  expect(noteOf({ weight: 0, fit: false })).toBe("takes no new requests");
  expect(noteOf({ status: "failing", fit: false })).toBe("out for 14 s");
  expect(noteOf({ status: "maintenance", fit: false, inFlight: 3 })).toBe("3 in flight, for 14 s");
});

test("equal probe results are one line, newest first", () => {
  const probe = (at: number, success: boolean, detail: string, latencyMs: number) => ({
    at,
    success,
    detail,
    latencyMs,
  });
  const runs = runsOf([
    probe(1, true, "status 200", 4),
    probe(2, true, "status 200", 2),
    probe(3, false, "status 503", 1),
    probe(4, false, "connection refused", 1),
    probe(5, false, "connection refused", 3),
  ]);
  expect(runs.map(({ detail, count, since }) => [detail, count, since])).toEqual([
    ["connection refused", 2, 4],
    ["status 503", 1, 3],
    ["status 200", 2, 1],
  ]);
  expect(runs.at(-1)).toMatchObject({ fastestMs: 2, slowestMs: 4 });
  expect(runsOf(Array.from({ length: 60 }, (_, at) => probe(at, at % 2 > 0, "x", 1)))).toHaveLength(5);
});
