/** The admin listener: health checks for orchestrators, metrics for scrapers, and the API that reads and controls the balancer. */

import { Elysia } from "elysia";
import { Access } from "../access/access.ts";
import type { AccessSharing } from "../access/access-sharing.ts";
import type { Accounts } from "../access/accounts.ts";
import type { LoginEvent } from "../access/login-audit.ts";
import type { PersistedSession } from "../access/sessions.ts";
import type { Setting } from "../config/effective.ts";
import { systemClock, systemSchedule, systemWallClock } from "../lib/clock.ts";
import { webLimits } from "../net/open-files.ts";
import { countStream, StreamLimit } from "../access/stream-limit.ts";
import { expositionType } from "../metrics/prometheus.ts";
import type { Requests } from "../requests/requests.ts";
import type { Runtime, WebListener } from "../runtime/runtime.ts";
import { alertRoutes, type AlertSource } from "./alert-routes.ts";
import type { RoutesReport } from "../snapshot/route-report.ts";
import type { FleetSnapshot } from "../snapshot/fleet-snapshot.ts";
import type { Phase, Snapshot, UpstreamDetail } from "../snapshot/snapshot.ts";
import type { Caller } from "../access/access.ts";
import { bearerOf, callerOf, denialOf } from "./authorization.ts";
import type { Upgrade } from "../control/control.ts";
import { documentRoutes, systemRoutes, upgradeRoutes } from "./config-routes.ts";
import { boundToSession, EventStream, streamRoutes } from "./event-stream.ts";
import { historyResponse, type HistorySource } from "./history-response.ts";
import { loginRoutes, type LoginOptions } from "./login-routes.ts";
import { problemRoutes, type ProblemSource } from "./problem-routes.ts";
import { references } from "./references.ts";
import { requestRoutes, RequestTail } from "./request-routes.ts";
import { health, json, methodsAt, problem, tooManyStreams, unsniffed, wrongMethod } from "./responses.ts";
import { type ControlAccess, faultRoutes, upstreamRoutes } from "./upstream-routes.ts";
import { isServing } from "../wording/problems.ts";

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

export interface AdminListener extends WebListener {
  /** The open sessions, for the next process. */
  keptSessions(): readonly PersistedSession[];
}

/** Rejects with the system's error code if the port cannot be bound. */
export async function startAdmin(
  options: AdminOptions,
  balancer: AdminBackend,
  runtime: Runtime,
): Promise<AdminListener> {
  const { token, accounts = () => ({ token }), onLogin = () => {}, takeSessions = () => [] } = options;
  const { sharing } = options;
  const access = new Access({ accounts, passwords: runtime.passwords, clock: systemClock, sharing, onLogin });
  const streams = new StreamLimit();
  const peers = new WeakMap<Request, string>();
  const app = adminApp(balancer, options, {
    access,
    peerOf: (request) => peers.get(request) ?? "",
    isTrustedProxy: options.isTrustedProxy,
    dashboardSecret: options.dashboardSecret,
  });
  const listener = await runtime.serve({
    hostname: options.hostname,
    port: options.port,
    bug: options.bug,
    limits: webLimits(),
    handle: async (request, peer) => {
      peers.set(request, peer);
      if (sharing) await access.recall(bearerOf(request));
      const denial = denialOf(request, { hostname: options.hostname, viaName: options.viaName, access });
      if (denial) return unsniffed(denial);
      if (options.isReleased?.() && !["GET", "HEAD"].includes(request.method))
        return problem(
          503,
          "upgrading",
          "Cannot do this: another process takes over. Try again in a second.",
        );
      const bearer = bearerOf(request);
      const caller = callerOf(request);
      const counted = countStream(await app.fetch(request), streams, ownerOf(caller));
      const response = unsniffed(
        typeof counted === "string"
          ? tooManyStreams(counted, streams.options.maxForOwner, caller?.name)
          : counted,
      );
      return boundToSession(response, () => access.identify(bearer) !== undefined, systemSchedule);
    },
  });
  access.sessions.restore(takeSessions(), systemWallClock());
  sharing?.begin(access.sessions);
  return {
    port: listener.port,
    drain: () => listener.drain(),
    close: () => listener.close(),
    keptSessions: () => access.sessions.export(systemWallClock()),
  };
}

/** Users and programs have limits of their own. The nameless token and callers without accounts share what is left. */
function ownerOf(caller: Caller | undefined): string | undefined {
  return caller?.name === undefined ? undefined : `${caller.kind} ${caller.name}`;
}

/** All routes, without the guard; separate so that tests can compare the routes with their description. */
export function adminApp(
  balancer: AdminBackend,
  { settings = () => [], upgrade }: Pick<AdminOptions, "settings" | "upgrade">,
  login: LoginOptions,
) {
  const poolNamed = (name: string) => balancer.snapshot().pools.find((pool) => pool.name === name);
  const { control } = balancer;
  const snapshot = () => balancer.snapshot();
  const upstream = (id: string) => balancer.upstream(id);
  const names = references({
    hasUpstream: (id) => upstream(id) !== undefined,
    pools: () => snapshot().pools,
    events: (query) => control.events(query),
  });
  const { problems } = balancer;
  const stream = new EventStream({ control, problems, snapshot, schedule: systemSchedule });
  const tail = new RequestTail({ requests: balancer.requests, schedule: systemSchedule });
  const app = new Elysia({ handler: { standardHostname: false } })
    .onError(({ code, error, path }) => {
      if (code !== "NOT_FOUND") throw error;
      const methods = methodsAt(app.routes, path);
      if (methods.length > 0) return wrongMethod(methods.join(", "));
      return problem(404, "not_found", "No such path. GET /api/docs lists all paths.");
    })
    // 200 while the process runs.
    .get("/livez", () => health(200, "alive"))
    // 200 while the balancer accepts clients: it listens and is not shutting down.
    .get("/readyz", () => health(balancer.phase === "ready" ? 200 : 503, balancer.phase))
    // 200 while the balancer is ready and every pool serves. Full slots are no reason to send its clients elsewhere.
    .get("/healthz", () => {
      const { pools } = balancer.snapshot();
      const unavailable = pools.filter(({ upstreams }) => !upstreams.some(isServing)).map(({ name }) => name);
      if (balancer.phase !== "ready") return health(503, balancer.phase);
      return unavailable.length > 0
        ? health(503, `no available upstream in ${unavailable.join(", ")}`)
        : health(200, "healthy");
    })
    .get("/metrics", async () => {
      return new Response(await balancer.metricsText(), { headers: { "Content-Type": expositionType } });
    })
    .get("/api/snapshot", () => json(200, balancer.snapshot()))
    .get("/api/fleet", () => {
      const fleet = balancer.fleet();
      const without = "This balancer is in no fleet: its configuration has no fleet.";
      return fleet ? json(200, fleet) : problem(404, "fleet_none", without);
    })
    .get("/api/routes", () => json(200, balancer.routes()))
    .get("/api/history", ({ query }) => historyResponse(balancer, query, names))
    .use(upstreamRoutes({ control, upstream, pool: poolNamed, references: names }))
    .use(faultRoutes({ control, upstream, references: names }))
    .use(problemRoutes(problems, names))
    .use(alertRoutes(balancer.alerts, names))
    .use(systemRoutes(control, settings, names))
    .use(upgradeRoutes(upgrade))
    .use(requestRoutes(balancer.requests, tail, names))
    .use(streamRoutes(stream, names))
    .use(loginRoutes(login))
    .use(documentRoutes());
  return app;
}
