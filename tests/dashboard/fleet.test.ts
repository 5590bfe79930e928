/** What the page and the strip of a fleet say, without a browser. */

import { describe, expect, test } from "bun:test";

import { renderFleetPage } from "../../src/dashboard/fleet/page.tsx";
import { renderPage } from "../../src/dashboard/overview/page.tsx";
import type { FleetSnapshot } from "../../src/snapshot/fleet-snapshot.ts";
import type { Snapshot } from "../../src/snapshot/snapshot.ts";
import { effectOf } from "../../src/wording/effect.ts";
import { fleetConcerns, fleetHeadline } from "../../src/wording/fleet.ts";
import { nextDashboardState } from "../../src/wording/verdict.ts";
import { busySnapshot } from "../support/fake-admin-api.ts";
import { fleetOf, inFleet, peerOf, troubledFleet } from "../support/fleet-fixture.ts";

const stateOf = (snapshot: Snapshot) =>
  nextDashboardState(undefined, {
    ...{ at: Date.now(), adminUrl: "http://127.0.0.1:8091", trends: [], reading: { snapshot } },
    listenerCheck: { url: "", reachable: true, status: 200, detail: "", latencyMs: 1, checkedAt: Date.now() },
  });

const pageText = (fleet: FleetSnapshot) => textOf(renderFleetPage(stateOf(inFleet(fleet))));

const textOf = (html: string) =>
  html
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll("\u00a0", " ")
    .replaceAll(/\s+/g, " ");

const self = peerOf("fra-1", { isSelf: true });

describe("a fleet", () => {
  const headlines: [string, FleetSnapshot, string][] = [
    ["that is as one", fleetOf(), "All 4 balancers are heard and agree"],
    ["of one", fleetOf({ peers: [self] }), "fra-1 is the only balancer of its fleet"],
    [
      "without its store",
      fleetOf({ alone: { since: 0, why: "timeout" } }),
      "fra-1 is alone: the store of the fleet cannot be reached",
    ],
    ["with a name twice", fleetOf({ namesake: true }), "Two processes use the name fra-1"],
    [
      "with a silent balancer",
      fleetOf({ peers: [self, peerOf("b", { state: "silent", ageMs: 9_000 })] }),
      "1 of 2 balancers is silent",
    ],
    [
      "with two that differ",
      fleetOf({ peers: [self, peerOf("b", { differs: ["routes"] }), peerOf("c", { differs: ["orders"] })] }),
      "2 of 3 balancers differ",
    ],
  ];
  test.each(headlines)("%s is one sentence", (_, fleet, headline) =>
    expect(fleetHeadline(fleet)).toBe(headline),
  );

  test("says all that keeps it from being as one", () => {
    expect(fleetConcerns(fleetOf())).toEqual([]);
    const concerns = fleetConcerns(troubledFleet()).join("\n").replaceAll("\u00a0", " ");
    expect(concerns).toMatch(
      /^fra-1 is alone since .*: connection refused\. Orders given here count only here\nlon-1 is silent for 12 s: what it does is unknown\nams-1 differs from fra-1 in pools and routes\n1 order given here not shared yet$/,
    );
  });

  test("has a page that names who is there, who differs and in what, and who sees what", () => {
    const text = pageText(troubledFleet());
    for (const part of [
      ...["fra-1 this one 2 problems", "ams-1 1 problem 0.1.9 9b1c07e2aa41 differs pools and routes"],
      ...["lon-1 silent for 12 s", "the way from ams-1: others find it well", "passing, slow", "not used"],
      ...["passing when last heard", "and 3 more upstreams", "localhost:8083 draining by ann at fra-1"],
      ...[
        "web-99 weight 5 by ann at ams-1",
        "ready by bob at ams-1 was set aside for draining by ann at fra-1",
      ],
      "Store not reached from fra-1 since",
    ])
      expect(text).toContain(part);
  });

  test("is in one strip on the overview, and nowhere without a fleet", () => {
    const text = textOf(renderPage({ state: stateOf(inFleet(troubledFleet())) }));
    expect(text).toContain("Fleet fra-1 is alone: the store of the fleet cannot be reached");
    expect(text).toContain("ams-1 differs in pools and routes");
    const without = renderPage({ state: stateOf(busySnapshot()) });
    expect(without).not.toContain("/fleet");
    expect(without).not.toContain("fleet-strip");
  });

  test.each([
    "javascript:alert(1)",
    "JavaScript:alert(1)//https://x.example",
    "data:text/html,x",
    "https://lb.example@evil.example",
    "//evil.example",
  ])("has no link to %s, whatever the balancer reports", (url) => {
    const html = renderFleetPage(stateOf(inFleet(fleetOf({ peers: [self, peerOf("b", { url })] }))));
    expect(html).not.toContain("evil.example");
    expect(html).not.toContain(`href="${url}`);
    expect(
      [...html.matchAll(/href="([^"]*)"/g)].filter(([, href]) => !/^(\/(?!\/)|#|$)/.test(href ?? "")),
    ).toEqual([]);
  });

  test("has links to the dashboards that the balancers name", () => {
    const html = renderFleetPage(stateOf(inFleet(fleetOf())));
    expect(html).toContain('href="https://ams-1.example.com" rel="noreferrer"');
    expect(html).toContain('href="/fleet" data-role="copy-link"');
  });
});

describe("an action in a fleet", () => {
  const effect = (fleet: FleetSnapshot, action: "drain" | "cut" = "drain") =>
    effectOf(inFleet(fleet), { action, ids: ["localhost:8081"], weight: undefined, deadlineMs: 0 }).lines;

  test("counts at all, and says who is late", () => {
    expect(effect(fleetOf())).toContain("It counts at all 4 balancers of the fleet.");
    const silent = fleetOf({ peers: [self, peerOf("b", { state: "silent" })] });
    expect(effect(silent).at(-1)).toBe("b is silent: when back, the order counts there too.");
    expect(effect(troubledFleet())).toContain(
      "It counts only at fra-1 until the store of the fleet is back.",
    );
    expect(effect(fleetOf({ peers: [self] })).join(" ")).not.toContain("fleet");
  });

  test("that aborts requests says whose", () => {
    expect(effect(fleetOf(), "cut").at(-1)).toBe(
      "Only requests through fra-1 are aborted, and none through other balancers.",
    );
  });
});
