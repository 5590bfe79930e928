import { describe, expect, test } from "bun:test";

import { runsOf } from "../../src/dashboard/upstream/probe-history.tsx";
import { rowNote, statusNote } from "../../src/dashboard/overview/upstream-cells.tsx";
import { rowOf } from "../../src/dashboard/overview/upstream-row.tsx";
import { formatUptime, uptimeShare, uptimeSpan } from "../../src/wording/format.ts";
import { plainView } from "../../src/dashboard/view.ts";
import type { OutlierSnapshot, UpstreamSnapshot, UptimeSnapshot } from "../../src/snapshot/snapshot.ts";
import { upstream } from "../support/fake-admin-api.ts";

const now = 1_800_000_000_000;
const plain = (text: string) => text.replaceAll("\u00a0", " ");

function cellOf(label: string, change: Partial<UpstreamSnapshot>, isPanicking = false): string {
  const place = { share: 0.2, fairShare: 0.5, now, isPanicking, view: plainView };
  const { cells } = rowOf({ upstream: upstream("a", change), ...place });
  return plain(cells.find((cell) => cell.includes(`data-label="${label}"`)) ?? "");
}

const ejected: OutlierSnapshot = {
  state: "ejected",
  since: now - 14_000,
  until: now + 16_000,
  reason: "consecutive_failures",
  cause: "connect_refused",
  count: 1,
};

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
    expect(plain(uptimeShare(uptime({ share: 0.99984 })))).toBe("99.98% of 24 h");
    expect(plain(uptimeShare(uptime({ countedMs: 23 * 3_600_000 })))).toBe("100% of 24 h");
    expect(plain(uptimeShare(uptime({ countedMs: 300_000, share: 0.5 })))).toBe("50% of 5 min");
    expect(uptimeShare(uptime({ share: null, countedMs: 0 }))).toBe("");
  });

  test("is rounded down, so that every outage stays visible", () => {
    const rows = [
      [1, "100%"],
      [0.999999, "99.99%"],
      [0.99, "99.00%"],
      [0.9899, "98.9%"],
      [0.95, "95.0%"],
      [0.9499, "94%"],
      [0, "0%"],
    ] as const;
    for (const [share, words] of rows) expect(formatUptime(share)).toBe(words);
  });
});

describe("the cells of a row", () => {
  test("draw a line for each run of probes, the newest at the right", () => {
    const cell = cellOf("Last 60 probes", { probeHistory: "++--+" });
    expect(cell).toContain('class="ticks-passed" d="M110 10h4M118 10h2"');
    expect(cell).toContain('class="ticks-failed" d="M114 7h4"');
    expect(cell).toContain('aria-label="Last probes of a: 2 of 5 failed"');
    expect(cell).toContain('data-concern="none">2 of 5 failed');
    expect(cellOf("Last 60 probes", { probeHistory: "+-" })).toContain('data-concern="grave">1 of 2 failed');
    expect(cellOf("Last 60 probes", { probeHistory: "", lastProbe: null })).toContain("none yet");
    expect(cellOf("Last 60 probes", {})).toContain("status 200, 1.3 ms");
  });

  test("stay a few bytes long while probes pass, and do not change with age", () => {
    const [one, other] = [now, now - 3_000].map((at) =>
      cellOf("Last 60 probes", { lastProbe: { at, success: true, detail: "status 200", latencyMs: 1 } }),
    );
    expect(one).toBe(other ?? "");
    expect(one?.length).toBeLessThan(600);
  });

  test("show a slow start as a bar and as text", () => {
    const cell = cellOf("Status", { slowStart: 0.4 });
    expect(cell).toContain('class="bar-part" width="40.0%"');
    expect(cell).toContain("slow start 40%");
  });

  test("show the cause and what happens next", () => {
    const status = cellOf("Status", { status: "ejected", fit: false, outlier: ejected });
    expect(status).toContain('data-concern="grave">connect_refused');
    expect(status).toContain("probation in 16 s");
    const lastProbe = { at: now, success: false, detail: "connection refused", latencyMs: 1 };
    expect(cellOf("Status", { status: "failing", fit: false, lastProbe })).toContain(
      'data-concern="grave">connection refused',
    );
    const modeSet = { by: "ann", at: now, why: "deploy 4.2" };
    const drained = cellOf("Status", { status: "draining", mode: "draining", fit: false, modeSet });
    expect(drained).toContain("by ann, deploy 4.2");
    expect(drained).toContain("safe to stop");
  });

  test("show the actor next to a weight", () => {
    const cell = cellOf("Mode", { weightSet: { by: "bob", at: now, why: "more memory" } });
    expect(cell).toContain('title="Weight set by bob. more memory">by bob');
  });
});

test("the note of an ejected upstream depends on panic mode", () => {
  const one = upstream("a", { status: "ejected", outlier: ejected });
  expect(plain(rowNote(one, now, false))).toBe("probation in 16 s");
  expect(rowNote(one, now, true)).toBe("serving in panic mode");
  expect(rowNote({ ...one, status: "probation" }, now, false)).toBe("one trial request");
  expect(rowNote(upstream("a"), now, false)).toBe("");
  expect(rowNote(upstream("a", { backup: true, fit: false }), now, false)).toBe("on standby");
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
