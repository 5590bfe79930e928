import { describe, expect, test } from "bun:test";

import { renderColumns } from "../../src/commands/terminal.ts";
import { eventLine } from "../../src/commands/events.ts";
import { renderExplanation } from "../../src/commands/explain.ts";
import { statusLines } from "../../src/commands/status.ts";
import { nextDashboardState } from "../../src/wording/verdict.ts";
import type { OutlierSnapshot, Snapshot } from "../../src/snapshot/snapshot.ts";
import { busySnapshot, pool, snapshotOf, upstream } from "../support/fake-admin-api.ts";

describe("columns", () => {
  const rows = [
    ["NAME", "COUNT", "WHY"],
    ["a", "7", "because of this"],
    ["long-name", "1,234", "x"],
  ];

  test("are aligned, numbers to the right, without trailing spaces", () =>
    expect(renderColumns(rows, { right: [1], hasColour: false })).toEqual([
      "NAME       COUNT  WHY",
      "a              7  because of this",
      "long-name  1,234  x",
    ]));

  test("end at the width of the terminal, with and without colours", () => {
    const toned = rows.map((row) => row.map((text) => ({ text, tone: "red" as const })));
    for (const hasColour of [false, true]) {
      for (const line of renderColumns(toned, { right: [1], hasColour, width: 20 }))
        expect(Bun.stripANSI(line).length).toBeLessThanOrEqual(20);
    }
  });
});

const hostile = "\x1b[2J\x07‮evil\r\nnext";
/** The value with the hostile text appended to every string. */
function poisoned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(poisoned);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, poisoned(item)]));
  return typeof value === "string" ? `${value}${hostile}` : value;
}

describe("the output on a terminal", () => {
  const stateOf = (snapshot: Snapshot) =>
    nextDashboardState(undefined, {
      at: snapshot.at,
      adminUrl: "http://localhost:8091",
      listenerCheck: { url: "", reachable: true, status: 200, detail: "", latencyMs: 0, checkedAt: 0 },
      reading: { snapshot },
      trends: [],
    });

  test("has every upstream with its status and the reason", () => {
    const snapshot = busySnapshot();
    const text = statusLines(stateOf(snapshot), { hasColour: false }).join("\n");
    for (const { upstreams, name } of snapshot.pools) {
      expect(text).toContain(name);
      for (const { id, status } of upstreams) expect(text).toMatch(new RegExp(`^${id} +${status} `, "m"));
    }
    const plain = text.replaceAll("\u00a0", " ");
    expect(plain).toMatch(/^localhost:8082 +failing +down 14 s +99\.98 % /m);
    expect(plain).toMatch(/^localhost:8084 +draining +out 22 s +100 % /m);
  });

  test("has hedges, a slow start, and the cause of an ejection", () => {
    const outlier: OutlierSnapshot = {
      state: "ejected",
      since: Date.now(),
      until: null,
      count: 1,
      reason: "consecutive_failures",
      cause: "connect_refused",
    };
    const upstreams = [
      upstream("a", { slowStart: 0.4, weight: 5, effectiveWeight: 2 }),
      upstream("b", { status: "ejected", outlier }),
    ];
    const snapshot = snapshotOf(pool({ upstreams, hedges: { won: 3, lost: 4 } }));
    const text = statusLines(stateOf(snapshot), { hasColour: false }).join("\n");
    expect(text).toContain("7 hedges, 3 won");
    expect(text).toMatch(/^a .* slow start 40\u00a0%, effective weight 2(\.0)? of 5$/m);
    expect(text).toMatch(/^b .* connect_refused$/m);
  });

  test("has alerts about the balancer, and an injected fault", () => {
    const fault = {
      ...({ latencyMs: 0, errorShare: 0.3, error: "connect_refused", probes: false } as const),
      until: Date.now() + 20_500,
      by: "ann",
      why: "",
    };
    const problems = ["Cannot use pools.main.prob: unknown key.", "Cannot use port.", "Cannot use host."];
    const snapshot: Snapshot = {
      ...snapshotOf(pool({ upstreams: [upstream("a", { rehearsal: fault })] })),
      notKept: { since: 0, why: "database or disk is full" },
      memory: { rssBytes: 500 * 2 ** 20, limitBytes: 512 * 2 ** 20, shedding: true },
      configuration: {
        takenAt: 0,
        refused: { at: 0, by: "SIGHUP", problems },
        needsRestart: ["listen.port"],
      },
    };
    const lines = statusLines(stateOf(snapshot), { hasColour: false });
    const text = lines.join("\n").replaceAll("\u00a0", " ");
    expect(lines.slice(1, 8).map((line) => line.replaceAll("\u00a0", " "))).toEqual([
      "Load shedding: memory limit reached, new requests are refused.",
      "  500 of 512 MiB in use.",
      "Changes are not being saved (since 1970-01-01 00:00:00 UTC) and may be lost on restart.",
      "  Cause: database or disk is full.",
      "The configuration reload requested by SIGHUP at 1970-01-01 00:00:00 UTC was rejected (3 problems); the current configuration stays in effect.",
      "  Cannot use pools.main.prob: unknown key. (2 more; run evenkeel check)",
      "1 changed setting needs a restart: listen.port",
    ]);
    expect(text).toMatch(/^a .* fault injection by ann: 30% connect_refused, 20 s left$/m);
  });

  test("has a certificate that is close to its end, and no other", () => {
    const snapshot = snapshotOf(pool({ upstreams: [upstream("a")] }));
    const linesWith = (daysLeft: number, path = "/cert") => {
      const expiresAt = snapshot.at + daysLeft * 86_400_000;
      const times = { validFrom: expiresAt - 365 * 86_400_000, expiresAt };
      const facts = { source: path, names: ["a.example"], keyType: "ec", fingerprint: "aa" };
      const certificate = { ...facts, ...times, status: "expiring" } as const;
      const lines = statusLines(stateOf({ ...snapshot, engine: "wire", certificates: [certificate] }), {
        hasColour: false,
      });
      return lines.filter((line) => /certificate|Replace/.test(line));
    };
    expect(linesWith(5)).toEqual([
      expect.stringMatching(/^The server certificate expires on .+, in 5 days\.$/),
      "  Replace /cert: the balancer reads it within a minute.",
    ]);
    expect(linesWith(100)).toEqual([]);
    expect(linesWith(5, hostile).join("")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test("fits the terminal, in colour too", () => {
    const lines = statusLines(stateOf(busySnapshot()), { hasColour: true, width: 40 });
    expect(lines.join("")).toContain("\x1b[");
    for (const line of lines) expect(Bun.stripANSI(line).length).toBeLessThanOrEqual(40);
  });

  test("never has control characters from a snapshot, an event or an account", () => {
    const snapshot = poisoned(busySnapshot()) as Snapshot;
    const lines = [
      ...statusLines(stateOf(snapshot), { hasColour: false }),
      ...snapshot.events.map(eventLine),
      ...renderExplanation({ account: [hostile], phases: [{ [hostile]: hostile }] }, false),
    ];
    expect(lines.join("").includes("evil")).toBe(true);
    for (const line of lines) expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test("has the sentences of an explanation, and its lists as tables", () => {
    const record = {
      account: ["It went to a.", "a answered 200."],
      id: "0f",
      attempts: [
        { upstream: "a", startedAt: 1.234, nested: { x: 1 } },
        { upstream: "bee", startedAt: 12, nested: {} },
      ],
    };
    expect(renderExplanation(record, false)).toEqual([
      ...["It went to a.", "a answered 200.", "", "attempts"],
      ...["UPSTREAM  STARTED AT", "a               1.23", "bee               12"],
    ]);
  });
});
