import { describe, expect, test } from "bun:test";
import type { Action } from "../../src/wording/effect.ts";
import { effectOf } from "../../src/wording/effect.ts";
import type { PoolSnapshot, UpstreamSnapshot } from "../../src/snapshot/snapshot.ts";
import { pool, snapshotOf, upstream } from "../support/fake-admin-api.ts";

interface EffectRequest {
  readonly act?: Action;
  readonly ids?: readonly string[];
  readonly weight?: number | null;
  readonly deadlineMs?: number;
}

function effect(
  upstreams: readonly UpstreamSnapshot[],
  request: EffectRequest = {},
  more: Partial<PoolSnapshot> = {},
) {
  const snapshot = snapshotOf(pool({ upstreams, ...more }));
  const { act: action = "drain", ids = ["b"], weight, deadlineMs = 30_000 } = request;
  return effectOf(snapshot, { action, ids, weight, deadlineMs });
}

const [a, b, c] = [upstream("a"), upstream("b", { inFlight: 14 }), upstream("c")];

describe("the forecast of an action", () => {
  test("a drain lets requests in flight finish and names the upstreams that take over", () => {
    expect(effect([a, b, c])).toEqual({
      lines: [
        "b takes no new requests; 14 in-flight requests will finish.",
        "Requests left after 30\u00a0s continue until you abort them.",
        "Then a and c take 50\u00a0% each.",
      ],
      dangers: [],
      unknown: [],
    });
  });

  test("shows the load of the others, and when it exceeds their limit", () => {
    const full = [upstream("a", { inFlight: 100, maxInFlight: 256 }), upstream("b", { inFlight: 56 })];
    expect(effect(full).lines.at(-1)).toBe(
      "Then a takes all traffic. The current requests would fill at most 61\u00a0% of maxInFlight.",
    );
    const over = [upstream("a", { inFlight: 200 }), upstream("b", { inFlight: 200 })];
    expect(effect(over).lines.at(-1)).toContain("exceed maxInFlight, so some will wait in the queue");
    const unlimited = over.map((one) => ({ ...one, maxInFlight: null }));
    expect(effect(unlimited).lines.at(-1)).toBe("Then a takes all traffic.");
  });

  test("a pool without an available upstream is a danger, and one with a backup is not", () => {
    expect(effect([upstream("b")]).dangers).toEqual([
      "Pool main will have no available upstream: clients get 503.",
    ]);
    const failing = upstream("a", { status: "failing", fit: false });
    expect(effect([failing, b]).dangers).toHaveLength(1);
    const ejected = upstream("a", { status: "ejected", fit: false });
    expect(effect([ejected, b]).dangers).toEqual([
      "Pool main will have only upstreams that are ejected or not yet probed.",
    ]);
    const backup = upstream("a", { backup: true, fit: false });
    expect(effect([backup, b])).toMatchObject({ dangers: [] });
    expect(effect([backup, b]).lines.at(-1)).toBe("The backups take over. Then a takes all traffic.");
    expect(effect([a, b, c], { ids: ["a", "b", "c"] }).dangers).toHaveLength(1);
    expect(effect([upstream("b")], { act: "weight", weight: 0 }).dangers).toHaveLength(1);
  });

  test("a pool that had no available upstream before is no new danger", () => {
    const failing = upstream("b", { status: "failing", fit: false });
    expect(effect([failing]).dangers).toEqual([]);
  });

  test("a weight shows the resulting shares", () => {
    expect(effect([a, b], { act: "weight", weight: 3 }).lines).toEqual([
      "The weight of b changes from 1 to 3.",
      "Then a takes 25\u00a0% and b takes 75\u00a0%.",
    ]);
    expect(effect([a, b], { act: "weight", weight: 0 }).lines[0]).toContain("it takes no new requests");
    const nine = Array.from({ length: 9 }, (_, index) => upstream(`u${index}`));
    expect(effect(nine, { act: "weight", weight: 2, ids: ["u1"] }).lines.at(-1)).toBe(
      "Then all 9 take between 10\u00a0% and 20\u00a0% each.",
    );
    expect(effect(nine, { ids: ["u1"] }).lines.at(-1)).toBe("Then the other 8 take 13\u00a0% each.");
  });

  test("the first available upstream takes all traffic under the policy first", () => {
    expect(effect([a, b, c], { ids: ["a"] }, { policy: "first" }).lines.at(-1)).toBe(
      "Then b takes all traffic.",
    );
  });

  test("ready waits for the probes, and shows the last result", () => {
    const out = upstream("b", {
      mode: "draining",
      status: "draining",
      fit: false,
      lastProbe: { at: 0, success: false, detail: "connection refused", latencyMs: 1 },
    });
    expect(effect([a, out], { act: "ready" }).lines).toEqual([
      "b takes new requests as soon as the probes pass.",
      "The last probe of b failed: connection refused.",
    ]);
    expect(effect([a, b], { act: "ready" }).lines).toEqual(["b is already ready."]);
  });

  test("ready ends an ejection, and warns that it may be ejected again", () => {
    const out = upstream("b", { status: "ejected", fit: false });
    expect(effect([a, out], { act: "ready" }).lines).toEqual([
      "b takes requests again at once, with a growing share.",
      "If requests fail, it is ejected again, for longer.",
      "Then a and b take 50\u00a0% each.",
    ]);
  });

  test("an unknown id is returned", () => {
    expect(effect([a], { ids: ["b"] })).toEqual({ lines: [], dangers: [], unknown: ["b"] });
  });
});
