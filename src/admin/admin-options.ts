/** What the admin API needs: of the balancer, and from the command that starts it. */

import type { AccessSharing } from "../access/access-sharing.ts";
import type { Accounts } from "../access/accounts.ts";
import type { LoginEvent } from "../access/login-audit.ts";
import type { PersistedSession } from "../access/sessions.ts";
import type { Setting } from "../config/effective.ts";
import type { Upgrade } from "../control/control.ts";
import type { Requests } from "../requests/requests.ts";
import type { FleetSnapshot } from "../snapshot/fleet-snapshot.ts";
import type { RoutesReport } from "../snapshot/route-report.ts";
import type { Phase, Snapshot, UpstreamDetail } from "../snapshot/snapshot.ts";
import type { AlertSource } from "./alert-routes.ts";
import type { HistorySource } from "./history-response.ts";
import type { ProblemSource } from "./problem-routes.ts";
import type { ControlAccess } from "./upstream-routes.ts";

/** The part of the balancer that the admin API uses. */
export interface AdminBackend extends Omit<ControlAccess, "pool" | "references">, HistorySource {
  readonly phase: Phase;
  snapshot(): Snapshot;
  /** Undefined for a balancer on its own. */
  fleet(): FleetSnapshot | undefined;
  metricsText(): Promise<string>;
  /** Undefined if there is no such upstream. */
  upstream(id: string): UpstreamDetail | undefined;
  readonly requests: Requests;
  readonly problems: ProblemSource;
  /** Traffic of the routes, worst first. */
  routes(): RoutesReport;
  readonly alerts: AlertSource;
}

export interface AdminOptions {
  /** The address to bind. */
  readonly hostname: string;
  /** 0 binds any free port. */
  readonly port: number;
  /** Returns the current accounts; without it there is only the token. */
  readonly accounts?: () => Accounts;
  /** Required from every caller except health checks; undefined only on loopback. */
  readonly token?: string | undefined;
  /** Called for logins, refusals and logouts. */
  readonly onLogin?: (event: LoginEvent) => void;
  /** Returns the sessions of the previous process; called once, when the port is bound. */
  readonly takeSessions?: () => readonly PersistedSession[];
  /** With the other balancers of a fleet. */
  readonly sharing?: AccessSharing | undefined;
  /** The effective configuration, with the source of each value and without secrets. */
  readonly settings?: () => readonly Setting[];
  /** The balancer's name in Via: requests that came through its front are refused. */
  readonly viaName?: string;
  /** Whether a peer is a proxy whose word about its client counts. */
  readonly isTrustedProxy?: (address: string) => boolean;
  /** The credential of the dashboard in this process. */
  readonly dashboardSecret?: string;
  /** Starts a new process that takes over; missing where none can. */
  readonly upgrade?: Upgrade;
  /** Whether another process is taking over, so that a change here would be lost. */
  readonly isReleased?: () => boolean;
  /** Called with internal errors. */
  readonly bug: (error: unknown) => void;
}
