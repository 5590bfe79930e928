/** Is it the upstream, or the way to it? What follows from what the balancers of a fleet say. */

import { describe, expect, test } from "bun:test";

import { noAlertReport } from "../../src/fleet/alert-report.ts";
import type { PeerReport, SeenUpstream } from "../../src/fleet/peer-report.ts";
import { seenUpstreams, type SeenFrom } from "../../src/view/seen-upstreams.ts";
import { conclusionText, seenFromText } from "../../src/wording/fleet.ts";

const failing: SeenUpstream = { status: "failing", inFlight: 0 };
const slow: SeenUpstream = { status: "passing", inFlight: 0, problem: "upstream_slow" };
const draining: SeenUpstream = { status: "draining", inFlight: 0 };
const checking: SeenUpstream = { status: "checking", inFlight: 0 };

function balancer(name: string, s1?: SeenUpstream, more: Partial<PeerReport> = {}, isAlive = true): SeenFrom {
  const report: PeerReport = {
    ...{ instance: name, version: "0.2.0", configuration: "c", nonce: "n", startedAt: 1, url: "" },
    ...{ inFlight: 0, requestsPerSecond: 0, errorShare: 0, omitted: 0, settings: "s", drains: {} },
    ...{ parts: {}, pools: { web: "m" }, problems: { critical: 0, warning: 0 } },
    alerts: noAlertReport,
    upstreams: s1 ? { s1 } : {},
    ...more,
  };
  return { name, isAlive, report };
}

const silent = (name: string, s1?: SeenUpstream) => balancer(name, s1, {}, false);

describe("an upstream that one balancer does not find well", () => {
  const table: [string, SeenFrom[], string, string][] = [
    [
      "failing at all",
      [balancer("a", failing), balancer("b", failing)],
      "upstream",
      "the upstream: all that use it agree",
    ],
    [
      "slow at all",
      [balancer("a", slow), balancer("b", slow)],
      "upstream",
      "the upstream: all that use it agree",
    ],
    [
      "failing at one",
      [balancer("a"), balancer("b", failing), balancer("c")],
      "path",
      "the way from b: others find it well",
    ],
    [
      "failing here only",
      [balancer("a", failing), balancer("b"), balancer("c", failing)],
      "path",
      "the way from a and c: others find it well",
    ],
    [
      "drained at all",
      [balancer("a", draining), balancer("b", draining)],
      "operator",
      "out of service, as ordered",
    ],
    [
      "drained at one",
      [balancer("a"), balancer("b", draining)],
      "operator_in_part",
      "out of service only at b",
    ],
    [
      "failing where it is not drained",
      [balancer("a", draining), balancer("b", failing)],
      "unclear",
      "not known yet",
    ],
    ["checked", [balancer("a", checking), balancer("b")], "unclear", "not known yet"],
    ["failing, the only other one silent", [balancer("a", failing), silent("b")], "unclear", "only a tells"],
    ["failing at a silent one", [balancer("a"), silent("b", failing)], "none", "well everywhere"],
    [
      "failing, not used elsewhere",
      [balancer("a", failing), balancer("b", undefined, { pools: { other: "m" } })],
      "unclear",
      "only a tells",
    ],
    [
      "failing, others have other members",
      [balancer("a", failing), balancer("b", undefined, { pools: { web: "x" } })],
      "unclear",
      "only a tells",
    ],
    [
      "failing, another version does not tell",
      [balancer("a", failing), balancer("b", undefined, { pools: {} })],
      "unclear",
      "only a tells",
    ],
    [
      "failing, the other one left some out",
      [balancer("a", failing), balancer("b", undefined, { omitted: 3 })],
      "unclear",
      "only a tells",
    ],
  ];
  test.each(table)("%s", (_, balancers, where, text) => {
    const [seen] = seenUpstreams(balancers, () => "web");
    if (!seen) throw new Error("nothing seen");
    expect({ where: seen.where, text: conclusionText(seen) }).toEqual({ where: where as never, text });
  });

  test("is said of each balancer in a few words", () => {
    const [seen] = seenUpstreams(
      [
        balancer("a", slow),
        balancer("b", failing),
        balancer("c", undefined, { pools: { other: "m" } }),
        balancer("d", undefined, { omitted: 1 }),
        silent("e", failing),
        balancer("f", { status: "failing", inFlight: 0, problem: "upstream_down" }),
      ],
      () => "web",
    );
    expect(seen?.by.map(seenFromText)).toEqual([
      ...["passing, slow", "failing", "not used", "does not tell", "failing when last heard", "failing"],
    ]);
  });

  test("is not called well where only a silent balancer uses it", () => {
    const [seen] = seenUpstreams([balancer("a"), silent("b", failing)], () => undefined);
    expect(seen && conclusionText(seen)).toBe("not known: none that is heard from uses it");
  });

  test("comes before one that an operator has taken out, and one that is not known here is told too", () => {
    const seen = seenUpstreams(
      [
        balancer("a", undefined, { upstreams: { z: failing, d: draining } }),
        balancer("b", undefined, { upstreams: { z: failing, d: draining, other: failing } }),
      ],
      (id) => (id === "other" ? undefined : "web"),
    );
    expect(seen.map(({ id, pool, where }) => [id, pool, where])).toEqual([
      ["z", "web", "upstream"],
      ["other", null, "unclear"],
      ["d", "web", "operator"],
    ]);
  });
});
