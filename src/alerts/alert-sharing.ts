/** What the balancers of a fleet exchange about alerts: the problems that each sees, and what receivers know of them. */

import type { AlertReceiverConfig } from "../config/alerts.ts";
import { type AlertReport, fittingOf } from "../fleet/alert-report.ts";
import type { Clock, WallClock } from "../lib/clock.ts";
import type { ServiceProblem } from "../problems/problem.ts";
import { problemKey } from "../problems/problem-key.ts";
import { isRecentlyClosed } from "../problems/problem-list.ts";
import type { AlertJournal } from "./alert-journal.ts";
import { type AlertPeer, AlertTurns, sightedIn } from "./alert-turns.ts";
import type { Silences } from "./silences.ts";
import { concerns, type ListedProblems, type ToldProblems } from "./told-problems.ts";

export interface AlertSharingOptions {
  /** Name of this balancer. */
  readonly balancer: string;
  readonly told: ToldProblems;
  readonly journal: AlertJournal;
  readonly silences: Silences;
  readonly clock: Clock;
  readonly wallClock: WallClock;
}

/** From the start of the dispatcher to its end. */
export class AlertSharing {
  readonly #options: AlertSharingOptions;
  readonly turns: AlertTurns;

  constructor(options: AlertSharingOptions) {
    this.#options = options;
    this.turns = new AlertTurns(options.balancer, options.wallClock());
  }

  /** What the other balancers have to know. */
  report({ open, closed }: ListedProblems, receivers: readonly AlertReceiverConfig[]): AlertReport {
    const { told, silences, wallClock } = this.#options;
    const at = wallClock();
    const ended = closed.filter((problem) => isRecentlyClosed(problem, at));
    const receiversOf = (problem: ServiceProblem) => {
      const isSilenced = silences.of(problem) !== undefined;
      return receivers.flatMap((receiver, index) =>
        !isSilenced && concerns(receiver, problem) ? [index] : [],
      );
    };
    return {
      receivers: receivers.map(({ name }) => name),
      seen: this.turns.claim(sightedIn(open, ended, receiversOf)),
      told: fittingOf(told.current(at)),
    };
  }

  /** After the report has reached the store. @param peers the others, as of the same moment */
  exchanged(report: AlertReport, peers: readonly AlertPeer[]): void {
    const { told, journal, clock, wallClock } = this.#options;
    this.turns.exchanged(report, peers, clock());
    for (const { alerts } of peers)
      for (const row of told.learn(alerts.told, wallClock())) journal.putTold(told.kept(row));
  }

  /** The problem, with all balancers that see it. */
  withWitnesses(problem: ServiceProblem): ServiceProblem {
    const others = this.turns.seenBy(problemKey(problem));
    return others.length > 0 ? { ...problem, seenBy: [...problem.seenBy, ...others] } : problem;
  }
}
