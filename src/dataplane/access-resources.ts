/** What the filters of routes use of a process that serves clients: passwords, requests of the balancer's own, counters. */

import { type SubrequestSender, Subrequests } from "../filter/subrequest.ts";
import type { Budgets } from "../filter/budget.ts";
import { LeaseDesk } from "../filter/lease-desk.ts";
import type { Clock, Schedule } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { rateLimit } from "../lib/rate.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { AttemptFilter } from "../proxy/interception.ts";
import type { AccessResources } from "../registry/access-filters.ts";
import type { Passwords } from "../runtime/runtime.ts";

/** The part of a runtime that filters use. */
export interface AccessRuntime {
  readonly passwords: Passwords;
  /** Opens connections for requests of the balancer itself. */
  readonly openSender: () => SubrequestSender;
}

export interface AccessResourcesOptions extends AccessRuntime {
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly metrics: Metrics;
  readonly attemptFilters: readonly AttemptFilter[];
  readonly log: Log;
  /** The balancer's name in Via. */
  readonly viaName: string;
  /** Of limits that a fleet shares. */
  readonly budgets?: Budgets;
}

/** A dead authorization server can fail thousands of requests a second. */
const maxWarningsPerSecond = 10;

export function accessResourcesOf(options: AccessResourcesOptions): AccessResources {
  const { passwords, openSender, clock, metrics, attemptFilters, log, viaName } = options;
  const limiter = rateLimit(maxWarningsPerSecond, clock);
  const warn = (message: string, fields: Readonly<Record<string, unknown>>) => {
    const heldBack = limiter();
    if (heldBack !== undefined) log.warn(message, heldBack > 0 ? { ...fields, heldBack } : fields);
  };
  const openSubrequests = () =>
    new Subrequests({ sender: openSender(), clock, observer: metrics, attemptFilters, warn });
  const { budgets, schedule } = options;
  const leases =
    budgets &&
    new LeaseDesk({
      ...{ budgets, clock, schedule },
      onCall: (result) => metrics.filters.leaseCalled(result),
    });
  return { meter: metrics.filters, passwords, openSubrequests, viaName, leases };
}
