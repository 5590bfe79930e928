/** The problem in an alert about its end, where this balancer has not seen it end: only what its receiver knows is left. */

import { advice, readAct } from "../problems/advice.ts";
import { readProblemKey } from "../problems/problem-key.ts";
import { type ProblemLevel, type ServiceProblem, unknownCause } from "../problems/problem.ts";
import type { ToldRow } from "../state/alert-record.ts";

export interface UnseenEnd {
  /** Name of this balancer. */
  readonly balancer: string;
  /** The balancer that told it last. */
  readonly by: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

export function endOfUnseen({
  balancer,
  by,
  at,
}: UnseenEnd): Pick<ServiceProblem, "state" | "closedAt" | "end"> {
  const words =
    by === balancer ? "Closed while the balancer did not run" : `Closed: ${by}, which told it, is gone`;
  return { state: "closed", closedAt: new Date(at).toISOString(), end: { words, code: "over" } };
}

/** A problem of which no more is known than what the row says. */
export function unseenProblem(
  { key, title }: ToldRow,
  { level, ...end }: UnseenEnd & { readonly level: ProblemLevel },
): ServiceProblem {
  const { balancer, at } = end;
  const { kind, subject } = readProblemKey(key);
  const since = new Date(at).toISOString();
  return {
    ...{ id: "", kind, level, title, since, openedAt: since, reopened: 0, onAndOff: false },
    ...endOfUnseen(end),
    subject: { balancer, ...subject },
    seenBy: [],
    hits: { words: "Not known any more", routes: [], share: null, perSecond: 0, requests: 0 },
    cause: unknownCause,
    do: advice(readAct("See what happened", "evenkeel events"), "Nothing to do."),
    measure: null,
    links: { self: "/", requests: null, history: null },
    ...{ silenced: null, rehearsed: false, parts: [] },
  };
}
