/** Reads which events a caller of the admin API asks for. */

import type { EventQuery } from "../control/event-log.ts";
import { countOf } from "./request-input.ts";

const eventsByDefault = 100;
const maxEvents = 2_000;

/**
 * `limit`, `after`, `before` (numbers of events); `pool`, `upstream`, `kind` (several with commas), `by`, `text`, and
 * `by-operators=1` for what somebody did. Undefined if a number makes no sense.
 */
export function eventQueryOf(query: URLSearchParams): EventQuery | undefined {
  const [limit, after, before] = ["limit", "after", "before"].map((name) => countOf(query, name));
  if (limit === undefined || after === undefined || before === undefined) return undefined;
  const said = (name: string) => query.get(name) || undefined;
  const [upstream, pool, by, text] = ["upstream", "pool", "by", "text"].map(said);
  const kinds = said("kind")?.split(",");
  return {
    limit: Math.min(limit ?? eventsByDefault, maxEvents),
    ...(after === null ? {} : { after }),
    ...(before === null ? {} : { before }),
    ...(upstream === undefined ? {} : { upstream }),
    ...(pool === undefined ? {} : { pool }),
    ...(by === undefined ? {} : { by }),
    ...(text === undefined ? {} : { text }),
    ...(kinds && { kinds: new Set(kinds) }),
    ...(query.get("by-operators") === "1" && { byOperators: true }),
  };
}
