import { expect, test } from "bun:test";
import type { OutlierSnapshot, UpstreamSnapshot } from "../../src/snapshot/snapshot.ts";
import { problemsByUpstream, rowState } from "../../src/wording/row-state.ts";
import { upstream } from "../support/fake-admin-api.ts";
import { closedProblem, noticeProblem, problemOf, slowProblem } from "../support/problem-fixture.ts";

const now = Date.parse("2026-11-29T14:26:00Z");
const ann = { by: "ann", at: now, why: "kernel update" };
const drain = { since: now, deadline: null, inFlight: 0, drained: true, leaving: false };
const ejected: OutlierSnapshot = {
  ...{ state: "ejected", since: now - 14_000, until: now + 16_000, count: 1 },
  ...{ reason: "consecutive_failures", cause: "connect_refused" },
};
const failed = (detail: string) => ({
  ...({ status: "failing", fit: false } as const),
  lastProbe: { at: now, success: false, detail, latencyMs: 1 },
});
const drained = { mode: "draining", status: "draining", fit: false, modeSet: ann, drain } as const;
const rising = { slowStart: 0.5, weight: 10, effectiveWeight: 4 };

const stateOf = (change: Partial<UpstreamSnapshot>, moment: Partial<Parameters<typeof rowState>[1]> = {}) => {
  const state = rowState(upstream("a", change), {
    now,
    isPanicking: false,
    problem: undefined,
    ...moment,
  });
  return { ...state, words: state.words.replaceAll("\u00a0", " ") };
};

const table: readonly (readonly [change: Partial<UpstreamSnapshot>, words: string, tone: string])[] = [
  [{}, "Serves", "good"],
  [{ status: "checking", fit: false }, "Being checked", "warn"],
  [failed("connection refused"), "Refuses connections", "warn"],
  [failed("status 503"), "Fails its check: 503", "warn"],
  [failed(""), "Fails its check", "warn"],
  [{ status: "ejected", fit: false, outlier: ejected }, "Out for 16 s: connection refused", "warn"],
  [
    { status: "ejected", fit: false, outlier: { ...ejected, cause: "status_503" } },
    "Out for 16 s: answered 503",
    "warn",
  ],
  [{ status: "probation", fit: false, outlier: ejected }, "One request tries it", "warn"],
  [
    { ...rising, uptime: { state: "up", since: now - 900_000, share: 1, countedMs: 1 } },
    "Back since 14:11, 40 % of its share",
    "calm",
  ],
  [{ ...drained, inFlight: 12 }, "Draining: 12 in flight", "calm"],
  [
    { ...drained, inFlight: 3, drain: { ...drain, deadline: now + 22_000 } },
    "Draining: 3 in flight, 22 s left",
    "calm",
  ],
  [drained, "Drained by ann: kernel update", "calm"],
  [{ ...drained, modeSet: null }, "Drained as configured", "calm"],
  [{ ...drained, elsewhere: ["b: 2 in flight"] }, "Not out everywhere: b: 2 in flight", "calm"],
  [{ ...drained, drain: { ...drain, leaving: true } }, "Being removed", "calm"],
  [
    { mode: "maintenance", status: "maintenance", fit: false, modeSet: { ...ann, why: "" } },
    "In maintenance, by ann",
    "calm",
  ],
  [{ backup: true, fit: false }, "Backup, stands by", "idle"],
  [{ backup: true }, "Backup, serves", "good"],
  [{ weight: 0, fit: false }, "Weight 0: gets nothing", "calm"],
  [{ fit: false, inFlight: 256 }, "All 256 slots taken", "calm"],
];

for (const [change, words, tone] of table) {
  test(`an upstream says "${words}"`, () => {
    const state = stateOf(change);
    expect([state.words, state.tone]).toEqual([words, tone]);
  });
}

test("in panic mode an ejected upstream serves", () => {
  expect(stateOf({ status: "ejected", outlier: ejected }, { isPanicking: true }).words).toBe(
    "Ejected, serves in panic mode",
  );
});

test("an injected fault is said with its end, and in full under the pointer", () => {
  const rehearsal = {
    ...({ latencyMs: 200, errorShare: 0, error: "status_500", probes: false } as const),
    ...{ until: now + 24_000, by: "bob", why: "" },
  };
  expect(stateOf({ rehearsal })).toMatchObject({ words: "Fault injected by bob, 24 s left", tone: "calm" });
  expect(stateOf({ rehearsal }).detail).toContain("+200 ms");
});

test("the title of a problem says it without the name, and its level is the tone", () => {
  const said = (title: string, level: "critical" | "warning" = "critical") =>
    stateOf({}, { problem: { kind: "upstream_errors", level, title } });
  expect(said("a answers 30 % of its requests with 500")).toMatchObject({
    words: "Answers 30 % with 500",
    tone: "bad",
    detail: "a answers 30 % of its requests with 500",
  });
  const words = (title: string) => said(title, "warning").words;
  expect(words("a is 8 times slower than its peers")).toBe("8 × slower than its peers");
  expect(words("a is on and off: its check changed 6 times in 10 min")).toBe(
    "On and off: its check changed 6 times in 10 min",
  );
  expect(words("Something without its name")).toBe("Something without its name");
  expect(said("a is slow", "warning").tone).toBe("warn");
});

test("an order of an operator counts more than a problem", () => {
  const problem = { kind: "upstream_errors", level: "critical", title: "a fails" } as const;
  expect(stateOf({ ...drained, inFlight: 1 }, { problem }).tone).toBe("calm");
});

test("the worst problem of an upstream counts; notices and closed ones do not", () => {
  const parts = ["checkout-07", "checkout-08"].map((id) => ({
    ...({ id, kind: "upstream_down", level: "warning", since: "", upstream: id } as const),
    title: `${id} refuses connections`,
  }));
  const whole = problemOf({ kind: "panic", subject: { ...problemOf().subject, upstream: null }, parts });
  const said = problemsByUpstream([problemOf(), whole, slowProblem(), noticeProblem(), closedProblem()]);
  expect([...said].map(([id, { title }]) => `${id}: ${title}`)).toEqual([
    `checkout-07: ${problemOf().title}`,
    "checkout-08: checkout-08 refuses connections",
    `search-03: ${slowProblem().title}`,
  ]);
});

test("one that serves again is not said to be down, while its problem is still open", () => {
  const problem = { kind: "upstream_down", level: "warning", title: "a refuses connections" } as const;
  expect(stateOf(failed("connection refused"), { problem }).words).toBe("Refuses connections");
  expect(stateOf({}, { problem }).words).toBe("Serves again");
  const slow = { ...problem, kind: "upstream_slow", title: "a is 8 times slower than its peers" } as const;
  expect(stateOf({}, { problem: slow }).words).toBe("8 × slower than its peers");
});
