/** Precedence: the table finds what a comparison of all routes finds, for random tables and requests. */

import { describe, expect, test } from "bun:test";

import { seededRandom } from "../../src/lib/random.ts";
import type { RouteConditions } from "../../src/routing/conditions.ts";
import { shadowedRoutes } from "../../src/routing/route-overlaps.ts";
import { createRouteTable } from "../../src/routing/route-table.ts";
import { testHead } from "../support/request-head.ts";

const random = seededRandom(7);
const oneOf = <Value>(values: readonly Value[]): Value =>
  values[Math.floor(random() * values.length)] as Value;
const often = (share: number) => random() < share;

const hosts = ["a.test", "b.test", "x.b.test", "*.test", "*.b.test", "*.x.b.test"];
const segments = ["a", "b", "{p}", "c"];

function randomPath(): Pick<RouteConditions, "path"> {
  if (often(0.15)) return {};
  const count = Math.floor(random() * 4);
  const parts = Array.from({ length: count }, () => oneOf(segments));
  const named = parts.map((part, index) => part.replace("{p}", `{p${index}}`));
  const isTemplate = parts.includes("{p}");
  if (often(0.1)) return { path: { kind: "template", text: `/${[...named, "{rest...}"].join("/")}` } };
  const end = often(0.3) ? "/" : "";
  const text = count === 0 ? "/" : `/${named.join("/")}${end}`;
  return { path: { kind: isTemplate ? "template" : often(0.3) ? "exact" : "prefix", text } };
}

function randomConditions(): RouteConditions {
  return {
    ...(often(0.8) && { hosts: [oneOf(hosts), ...(often(0.3) ? [oneOf(hosts)] : [])] }),
    ...randomPath(),
    ...(often(0.2) && { methods: [oneOf(["GET", "POST"])] }),
    ...(often(0.2) && { headers: { "x-v": oneOf([true, false, ["1"], ["1", "2"]]) } }),
    ...(often(0.1) && { clients: [oneOf(["10.0.0.0/8", "192.0.2.0/24"])] }),
  };
}

function randomHead() {
  const parts = Array.from({ length: Math.floor(random() * 5) }, () => oneOf(["a", "b", "c", "d", ""]));
  return testHead({
    host: oneOf(["a.test", "b.test", "x.b.test", "y.x.b.test", "test", "other"]),
    target: often(0.05) ? "*" : `/${parts.join("/")}`,
    method: oneOf(["GET", "POST"]),
    headers: often(0.5) ? { "x-v": oneOf(["1", "2", "3"]) } : {},
    clientAddress: oneOf(["10.1.1.1", "192.0.2.1"]),
  });
}

describe("the route of a table", () => {
  test("is the most specific one of those that match", () => {
    let found = 0;
    for (let run = 0; run < 300; run++) {
      const conditions = Array.from({ length: 1 + Math.floor(random() * 12) }, randomConditions);
      const entries = conditions.map((one, index) => ({ conditions: one, route: { place: String(index) } }));
      const table = createRouteTable(entries, { takesAmbiguousPaths: true });
      for (let request = 0; request < 30; request++) {
        const head = randomHead();
        const match = table.find(head);
        const alone = entries.filter((entry) =>
          createRouteTable([entry], { takesAmbiguousPaths: true }).find(head),
        );
        const { over, not } = table.explain(head);
        if (match?.route) found += 1;
        // What matches alone is taken, or matches too; nothing else does.
        const listed = [...(match?.route ? [match.route] : []), ...over.map(({ route }) => route)];
        expect(alone.length === 0).toBe(match === undefined);
        if (alone.length <= 5)
          expect(new Set(listed.map(({ place }) => place))).toEqual(
            new Set(alone.map(({ route }) => route.place)),
          );
        for (const { route } of not)
          expect(alone.map((entry) => entry.route.place)).not.toContain(route.place);
        // The table without the taken route finds the next one.
        const [next] = over;
        const rest = entries.filter(({ route }) => route !== match?.route);
        const second = createRouteTable(rest, { takesAmbiguousPaths: true }).find(head);
        expect([conditions, head, second?.route?.place]).toEqual([conditions, head, next?.route.place]);
      }
    }
    expect(found).toBeGreaterThan(3_000);
  });

  test("is never one that a check calls unreachable", () => {
    let shadowed = 0;
    for (let run = 0; run < 400; run++) {
      const conditions = Array.from({ length: 12 }, randomConditions);
      const hidden = shadowedRoutes(conditions).filter(
        ({ index }) => (conditions[index]?.hosts?.length ?? 1) === 1,
      );
      shadowed += hidden.length;
      const table = createRouteTable(
        conditions.map((one, index) => ({ conditions: one, route: { place: String(index) } })),
        { takesAmbiguousPaths: true },
      );
      for (let request = 0; request < 60; request++) {
        const head = randomHead();
        // A target that is no path tells a route without a path from one for "/".
        if (head.target === "*") continue;
        const place = table.find(head)?.route?.place;
        expect([conditions, hidden.map(({ index }) => String(index)).includes(place ?? "")]).toEqual([
          conditions,
          false,
        ]);
      }
    }
    expect(shadowed).toBeGreaterThan(10);
  });
});
