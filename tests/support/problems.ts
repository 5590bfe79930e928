/** Problems for tests that need one, and not how it is found. */

import { type ProblemLevel, type ServiceProblem, unknownCause } from "../../src/problems/problem.ts";

export function problemOf(id: string, given: Partial<ServiceProblem> = {}): ServiceProblem {
  const since = "2026-11-29T14:12:02.000Z";
  return {
    ...{ id, kind: "upstream_errors", level: "critical", state: "open" },
    title: `${id} answers 30 % of its requests with 500`,
    ...{ since, openedAt: since, closedAt: null, end: null, reopened: 0, onAndOff: false },
    subject: {
      balancer: "fra-1",
      pool: "checkout",
      upstream: "checkout-07",
      certificate: null,
      peer: null,
      address: null,
    },
    seenBy: ["fra-1"],
    hits: {
      ...{ words: "1 in 40 requests, 13,020 so far", routes: ["shop.example.com/pay"] },
      ...{ share: 0.025, perSecond: 15.5, requests: 13_020 },
    },
    cause: unknownCause,
    do: {
      ...{ label: "Drain checkout-07", verb: "drain", upstream: "checkout-07", safe: true, role: "operator" },
      ...{ command: "evenkeel drain checkout-07 --wait 30s", words: "Drain it.", beside: null },
    },
    measure: { value: 0.3, peers: 0.0002, enter: 0.05, leave: 0.025, window: "30s", n: 1_550 },
    links: { self: `/?p=${id}`, requests: null, history: null },
    ...{ silenced: null, rehearsed: false, parts: [] },
    ...given,
  };
}

export function withLevel(problem: ServiceProblem, level: ProblemLevel): ServiceProblem {
  return { ...problem, level };
}

export function closed(problem: ServiceProblem): ServiceProblem {
  return {
    ...{ ...problem, state: "closed", closedAt: "2026-11-29T14:29:02.000Z" },
    end: { words: "Closed after 17 min", code: "over" },
  };
}
