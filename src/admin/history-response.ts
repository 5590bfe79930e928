/** Answers `GET /api/history`: a window that ends now, or a range. */

import type { HistoryQuery, HistoryResult, RangeQuery } from "../history/history.ts";
import { maxRangePoints, windowNamed, windowNames } from "../history/store.ts";
import { systemWallClock } from "../lib/clock.ts";
import { type MomentRange, parseRange } from "../lib/time-range.ts";
import { parameterProblem } from "./request-input.ts";
import type { References } from "./references.ts";
import { json, problem } from "./responses.ts";

/** Both return undefined if there is no such pool or upstream. */
export interface HistorySource {
  history(query: HistoryQuery): HistoryResult | undefined;
  historyRange(query: RangeQuery): HistoryResult | undefined;
}

type Query = Readonly<Record<string, string | undefined>>;

/** A range with one end ends now, or is as long as the shortest useful one. */
const defaultRangeMs = 3_600_000;

const minPoints = 10;

/**
 * Query: `pool` or `upstream` (default all pools); `window` (default 5m) and `since` (epoch milliseconds), or `from`, `to` and
 * `points`.
 */
export function historyResponse(
  source: HistorySource,
  query: Query,
  { idOf }: Pick<References, "idOf">,
): Response {
  const { pool } = query;
  const upstream = query["upstream"] === undefined ? undefined : idOf(query["upstream"]);
  if (upstream instanceof Response) return upstream;
  const isRange = query["from"] !== undefined || query["to"] !== undefined;
  const history = isRange
    ? rangeIn(source, query, { pool, upstream })
    : windowIn(source, query, { pool, upstream });
  if (history instanceof Response) return history;
  if (history) return json(200, history);
  const unknown = upstream === undefined ? `no pool named "${pool}"` : `no upstream named "${upstream}"`;
  return problem(404, "series_unknown", `Cannot show the history: ${unknown}.`);
}

type Subject = Pick<HistoryQuery, "pool" | "upstream">;

function windowIn(
  source: HistorySource,
  query: Query,
  subject: Subject,
): HistoryResult | Response | undefined {
  const window = windowNamed(query["window"] ?? "5m");
  const since = Number(query["since"] ?? 0);
  if (!window) {
    const expected = `one of ${windowNames.join(", ")}`;
    const detail = parameterProblem("window", { expected, received: query["window"] });
    return problem(400, "window_invalid", detail);
  }
  if (!Number.isFinite(since)) {
    const expected = "a time in epoch milliseconds";
    const detail = parameterProblem("since", { expected, received: query["since"] });
    return problem(400, "since_invalid", detail);
  }
  return source.history({ ...subject, window, since });
}

function rangeIn(
  source: HistorySource,
  query: Query,
  subject: Subject,
): HistoryResult | Response | undefined {
  const range: MomentRange | string = parseRange(
    { from: query["from"], to: query["to"] },
    { now: systemWallClock(), defaultMs: defaultRangeMs },
  );
  if (typeof range === "string") return problem(400, "range_invalid", range);
  const points = Number(query["points"] ?? maxRangePoints);
  if (!Number.isInteger(points) || points < minPoints || points > maxRangePoints) {
    const expected = `a whole number from ${minPoints} to ${maxRangePoints}`;
    return problem(
      400,
      "points_invalid",
      parameterProblem("points", { expected, received: query["points"] }),
    );
  }
  return source.historyRange({ ...subject, from: range.from, to: range.to, maxPoints: points });
}
