/** The alert that an operator sends to see whether a receiver answers: a problem that is none, and says so. */

import type { Alert } from "../extension/alert-format.ts";
import { type ServiceProblem, unknownCause } from "../problems/problem.ts";

export interface TestAlertOptions {
  readonly balancer: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Who sends it. */
  readonly by: string;
  /** Of the dashboard; null where it is not known. */
  readonly url: string | null;
}

export function testAlert({ balancer, at, by, url }: TestAlertOptions): Alert {
  const since = new Date(at).toISOString();
  const problem: ServiceProblem = {
    ...{ id: "p-test", kind: "alert_lost", level: "notice", state: "open" },
    title: `Test by ${by}: alerts of ${balancer} arrive here`,
    ...{ since, openedAt: since, closedAt: null, end: null, reopened: 0, onAndOff: false },
    subject: { balancer, pool: null, upstream: null, certificate: null, peer: null, address: null },
    seenBy: [balancer],
    hits: { words: "Nothing: this is a test", routes: [], share: null, perSecond: 0, requests: 0 },
    cause: { ...unknownCause, words: "An operator has asked for it." },
    do: {
      ...{ label: "See alerts", verb: "read", upstream: null, safe: true, role: "viewer" },
      ...{ command: "evenkeel alerts", words: "Nothing to do.", beside: null },
    },
    measure: null,
    links: { self: "/alerts", requests: null, history: null },
    ...{ silenced: null, rehearsed: false, parts: [] },
  };
  return { type: "test", key: `${balancer}/p-test/${at}`, balancer, at: since, url, problem };
}

/** For receivers that keep something open until it is closed. */
export function closedTest(alert: Alert): Alert {
  const { problem, at } = alert;
  const end = { words: "Closed after the test", code: "over" } as const;
  return {
    ...alert,
    type: "problem.closed",
    key: `${alert.key}-closed`,
    problem: { ...problem, state: "closed", closedAt: at, end },
  };
}
