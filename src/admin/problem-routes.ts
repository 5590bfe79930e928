/** The list of problems: the open ones worst first, the ones that have ended, by time, level and pool; and dismissals. */

import { Elysia } from "elysia";
import { quote } from "../config/problem.ts";
import type { ProblemMonitor } from "../control/problem-monitor.ts";
import { systemWallClock } from "../lib/clock.ts";
import { type ProblemLevel, problemLevels, type ServiceProblem } from "../problems/problem.ts";
import {
  actorOf,
  momentsIn,
  parameterProblem,
  queryParameters,
  readJsonBody,
  withoutParser,
} from "./request-input.ts";
import type { References } from "./references.ts";
import { json, problem } from "./responses.ts";
import { reasonBody } from "./schemas/commands.ts";

export type ProblemSource = Pick<ProblemMonitor, "open" | "closed" | "watch" | "dismiss">;

const states = ["open", "closed", "all"] as const;

interface ProblemQuery {
  readonly state: (typeof states)[number];
  readonly level: ProblemLevel | undefined;
  readonly pool: string | undefined;
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
}

/** Query: `state` (open, closed, all; default open), `level`, `pool`, `from` and `to` (RFC 3339, `-1h`, `now`). */
export function problemRoutes(source: ProblemSource, { eventFilter }: Pick<References, "eventFilter">) {
  return new Elysia({ handler: { standardHostname: false } })
    .get("/api/problems", ({ request }) => {
      const query = problemQueryOf(queryParameters(request), systemWallClock());
      if (typeof query === "string") return problem(400, "query_invalid", query);
      const known = query.pool === undefined ? undefined : eventFilter({ pool: query.pool });
      if (known instanceof Response) return known;
      const { open, closed } = source;
      const all = [...(query.state === "closed" ? [] : open), ...(query.state === "open" ? [] : closed)];
      return json(200, { problems: all.filter((one) => matches(one, query)) });
    })
    .post(
      "/api/problems/:id/dismiss",
      async ({ request, params: { id } }) => {
        const body = await readJsonBody(request, reasonBody);
        if (body instanceof Response) return body;
        const found = source.dismiss(id, actorOf(request, body));
        if (found === "unknown")
          return problem(404, "problem_unknown", `No open problem has the id ${quote(id)}.`);
        if (found === "lasting")
          return problem(
            409,
            "problem_lasting",
            `Cannot dismiss ${id}: it ends when its cause does. Keep its alerts silent with a silence.`,
          );
        return json(200, found);
      },
      withoutParser,
    );
}

function matches(one: ServiceProblem, { level, pool, from, to }: ProblemQuery): boolean {
  const end = one.closedAt === null ? Infinity : Date.parse(one.closedAt);
  return (
    (level === undefined || one.level === level) &&
    (pool === undefined || one.subject.pool === pool) &&
    Date.parse(one.since) <= to &&
    end >= from
  );
}

/** The query, or a sentence with the error. @param now epoch milliseconds */
function problemQueryOf(parameters: URLSearchParams, now: number): ProblemQuery | string {
  const state = states.find((known) => known === (parameters.get("state") ?? "open"));
  if (!state)
    return parameterProblem("state", {
      expected: `one of ${states.join(", ")}`,
      received: parameters.get("state"),
    });
  const level = problemLevels.find((known) => known === parameters.get("level"));
  if (!level && parameters.has("level"))
    return parameterProblem("level", {
      expected: `one of ${problemLevels.join(", ")}`,
      received: parameters.get("level"),
    });
  const moments = momentsIn(parameters, now);
  if (typeof moments === "string") return moments;
  const { from = -Infinity, to = Infinity } = moments;
  return { state, level, pool: parameters.get("pool") || undefined, from, to };
}
