import { describe, expect, test } from "bun:test";
import { type ProblemSource, problemRoutes } from "../../src/admin/problem-routes.ts";
import { problem } from "../../src/admin/responses.ts";
import { problemsSchema } from "../../src/admin/schemas/problem.ts";
import { schemaErrors } from "../../src/config/schema-kit.ts";
import type { ServiceProblem } from "../../src/problems/problem.ts";
import { problemOf } from "../support/problems.ts";
import { poolOf, SimulatedBalancer } from "../problems/simulated-balancer.ts";

/** One problem of each pool that is open, and one of "old" that has closed. */
function source(): ProblemSource {
  const [web, old] = [poolOf("web", 12), poolOf("old", 12)];
  const balancer = new SimulatedBalancer([web, old]).run(40);
  old.upstream(1).kill();
  balancer.run(60);
  old.upstream(1).restore(50);
  balancer.run(60);
  web.upstream(1).errorShare = 0.3;
  balancer.notKept = { since: balancer.at, why: "disk is full" };
  balancer.run(60);
  return {
    open: balancer.list.open,
    closed: balancer.list.closed,
    watch: () => () => {},
    dismiss: () => "unknown",
  };
}

const app = problemRoutes(source(), {
  eventFilter: (query) => (query.pool === "nothing" ? problem(404, "pool_unknown", "No such pool.") : query),
});

async function ask(query: string) {
  const response = await app.handle(new Request(`http://admin/api/problems${query}`));
  const body = (await response.json()) as { problems: ServiceProblem[]; reason: string; detail: string };
  return { status: response.status, body, kinds: (body.problems ?? []).map(({ kind }) => kind) };
}

describe("GET /api/problems", () => {
  test.each([
    ["", ["upstream_errors", "state_not_kept"]],
    ["?state=open", ["upstream_errors", "state_not_kept"]],
    ["?state=closed", ["upstream_down"]],
    ["?state=all", ["upstream_errors", "state_not_kept", "upstream_down"]],
    ["?level=critical", ["upstream_errors"]],
    ["?pool=web", ["upstream_errors"]],
    ["?pool=web&level=warning", []],
    ["?state=all&to=2026-11-29T14:01:00Z", ["upstream_down"]],
    ["?state=all&to=2026-11-29T15:01:00%2B01:00", ["upstream_down"]],
    ["?state=all&from=2026-11-29T14:05:00Z&to=2026-12-29T14:05:00Z", ["upstream_errors", "state_not_kept"]],
  ])("%s", async (query, kinds) => {
    const found = await ask(query);
    expect(found).toMatchObject({ status: 200, kinds });
    expect(schemaErrors(problemsSchema, found.body).errors).toEqual([]);
  });

  test("has what is open also when the clock was set back since it began", async () => {
    const later = problemOf("p-aaaaa", { since: "2999-01-01T00:00:00Z" });
    const none = { closed: [], watch: () => () => {}, dismiss: () => "unknown" as const };
    const routes = problemRoutes({ ...none, open: [later] }, { eventFilter: (query) => query });
    for (const query of ["", "?to=now", "?from=-1h"]) {
      const response = await routes.handle(new Request(`http://admin/api/problems${query}`));
      expect(await response.json()).toMatchObject({ problems: [{ id: "p-aaaaa" }] });
    }
  });

  test.each([
    [
      "?from=2026-11-29T14:05:00Z&to=2026-11-29T14:00:00Z",
      400,
      'Cannot use from: expected a time before the end (received "2026-11-29T14:05:00Z").',
    ],
    ["?state=both", 400, "Cannot use state: expected one of open, closed, all"],
    ["?level=fatal", 400, "Cannot use level: expected one of critical, warning, notice"],
    ["?from=yesterday", 400, "Cannot use from: expected a time such as"],
    ["?to=2026-13-45T99:00:00Z", 400, "Cannot use to: expected a time such as"],
    ["?from=-x", 400, "Cannot use from: expected a time such as"],
    ["?pool=nothing", 404, "No such pool."],
  ])("%s is refused", async (query, status, detail) => {
    const found = await ask(query);
    expect(found.status).toBe(status);
    expect(found.body.detail).toContain(detail);
  });
});
