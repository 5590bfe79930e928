/** Problems that a reader of the list finds, because the balancer cannot: it is not heard, or clients cannot reach it. */

import { advice, readAct } from "./advice.ts";
import { type ProblemKind, type ServiceProblem, unknownCause } from "./problem.ts";
import { foreignText, secondsText } from "./wording.ts";

export interface BalancerSilence {
  /** Name of the balancer, or the address of its admin API. */
  readonly balancer: string;
  /** Epoch milliseconds of the first read that failed. */
  readonly since: number;
  /** What the last read ended with. */
  readonly why: string;
}

/** While it lasts, it stands in place of the whole list: what was read before may be over. */
export function balancerGone({ balancer, since, why }: BalancerSilence): ServiceProblem {
  return readerProblem("balancer_gone", {
    balancer,
    since,
    title: `No news from ${foreignText(balancer)} since ${secondsText(since)}`,
    hits: "Not known: clients may be served all the same",
    why,
    words: "Look whether the process runs, and whether its admin API can be reached from here.",
  });
}

/**
 * Clients have not reached the balancer for this long: one check that fails is no problem. The balancer's own checks of its
 * public address count tries instead.
 */
export const closedDoorMs = 10_000;

/** @param silence `why` is the status or the error that clients get */
export function frontDoorClosed({ balancer, since, why }: BalancerSilence): ServiceProblem {
  return readerProblem("front_door", {
    balancer,
    since,
    title: `Clients cannot reach ${foreignText(balancer)}: ${foreignText(why)}`,
    hits: "Every new request, as far as a check from here can tell",
    why,
    words: "Look at the address, the firewall and the way between clients and the balancer.",
  });
}

interface ReaderText {
  readonly balancer: string;
  readonly since: number;
  readonly title: string;
  readonly hits: string;
  readonly why: string;
  readonly words: string;
}

/** Its id is its kind: a reader keeps no list. */
function readerProblem(
  kind: Extract<ProblemKind, "balancer_gone" | "front_door">,
  { balancer, since, title, hits, why, words }: ReaderText,
): ServiceProblem {
  const begun = new Date(since).toISOString();
  return {
    ...{ id: kind, kind, level: "critical", state: "open", title },
    ...{ since: begun, openedAt: begun, closedAt: null, end: null, reopened: 0, onAndOff: false },
    subject: { balancer, pool: null, upstream: null, certificate: null, peer: null, address: null },
    seenBy: [],
    hits: { words: hits, routes: [], share: null, perSecond: 0, requests: 0 },
    cause:
      why === ""
        ? unknownCause
        : { words: `The last try: ${foreignText(why).replace(/\.$/, "")}.`, code: "no_answer", event: null },
    do: advice(readAct("See the balancer", "evenkeel status"), words),
    measure: null,
    links: { self: `/?p=${kind}`, requests: null, history: null },
    ...{ silenced: null, rehearsed: false, parts: [] },
  };
}
