/** The admin listener: health for orchestrators, metrics for scrapers, and the API that reads and steers the balancer. */

import { Elysia } from "elysia";

import { Access } from "../access/access.ts";
import type { Accounts } from "../access/accounts.ts";
import type { LoginEvent } from "../access/login-audit.ts";
import type { PersistedSession } from "../access/sessions.ts";
import type { Setting } from "../config/effective.ts";
import type { Phase, Snapshot, UpstreamDetail } from "../snapshot/snapshot.ts";
import type { HistoryResult, HistoryQuery } from "../history/history.ts";
import { windowNamed, windowNames } from "../history/store.ts";
import { systemClock, systemSchedule, systemWallClock } from "../lib/clock.ts";
import { expositionType } from "../metrics/prometheus.ts";
import type { Requests } from "../requests/requests.ts";
import type { Runtime, WebListener } from "../runtime/runtime.ts";
import { health, json, methodsAt, problem, unsniffed, wrongMethod } from "./responses.ts";
import { documentRoutes, systemRoutes } from "./config-routes.ts";
import { type ControlAccess, faultRoutes, upstreamRoutes } from "./upstream-routes.ts";
import { bearerOf, denialOf } from "./authorization.ts";
import { boundToSession, Stream, streamRoutes } from "./event-stream.ts";
import { loginRoutes, type LoginOptions } from "./login-routes.ts";
import { requestRoutes, RequestTail } from "./request-routes.ts";
import { taggedJson } from "./etags.ts";

/** What the admin side needs of the balancer. */
export interface AdminBackend extends Omit<ControlAccess, "pool"> {
  readonly phase: Phase;
  snapshot(): Snapshot;
  metricsText(): Promise<string>;
  /** Undefined if there is no such upstream. */
  upstream(id: string): UpstreamDetail | undefined;
  readonly requests: Requests;
  /** Undefined if there is no such pool or upstream. */
  history(query: HistoryQuery): HistoryResult | undefined;
}

export interface AdminOptions {
  /** What the listener is bound to. */
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Who is known, at any time; without it there is only the token. */
  readonly accounts?: () => Accounts;
  /** Asked of every caller but the health checks; undefined only on loopback. */
  readonly token?: string | undefined;
  /** Hears of logins and logouts. */
  readonly onLogin?: (note: LoginEvent) => void;
  /** Those that the process before has kept: asked for once, when the port is had. */
  readonly takeSessions?: () => readonly PersistedSession[];
  /** The effective configuration, with the source of each value and without secrets. */
  readonly settings?: () => readonly Setting[];
  /** Hears of faults of ours. */
  readonly bug: (error: unknown) => void;
}

export interface AdminListener extends WebListener {
  /** Whoever is logged in now, for the process that comes next. */
  keptSessions(): readonly PersistedSession[];
}

/** Rejects with the system's code if the port cannot be had. */
export async function startAdmin(
  options: AdminOptions,
  balancer: AdminBackend,
  runtime: Runtime,
): Promise<AdminListener> {
  const { token, accounts = () => ({ token }), onLogin: note = () => {}, takeSessions = () => [] } = options;
  const access = new Access({ accounts, passwords: runtime.passwords, clock: systemClock, onLogin: note });
  const peers = new WeakMap<Request, string>();
  const app = adminApp(balancer, options, { access, peerOf: (request) => peers.get(request) ?? "" });
  const listener = await runtime.serve({
    hostname: options.hostname,
    port: options.port,
    bug: options.bug,
    handle: async (request, peer) => {
      peers.set(request, peer);
      const denial = denialOf(request, { hostname: options.hostname, access });
      if (denial) return unsniffed(denial);
      const bearer = bearerOf(request);
      const response = unsniffed(await app.fetch(request));
      return boundToSession(response, () => access.identify(bearer) !== undefined, systemSchedule);
    },
  });
  access.sessions.restore(takeSessions(), systemWallClock());
  return {
    port: listener.port,
    drain: () => listener.drain(),
    close: () => listener.close(),
    keptSessions: () => access.sessions.export(systemWallClock()),
  };
}

/** Every route, for the listener and for whoever holds the document to them. */
export function adminApp(
  balancer: AdminBackend,
  { settings = () => [] }: Pick<AdminOptions, "settings">,
  login: LoginOptions,
) {
  const poolNamed = (name: string) => balancer.snapshot().pools.find((pool) => pool.name === name);
  const { control } = balancer;
  const snapshot = () => balancer.snapshot();
  const stream = new Stream({ control, snapshot, schedule: systemSchedule });
  const tail = new RequestTail({ requests: balancer.requests, schedule: systemSchedule });
  const app = new Elysia({ handler: { standardHostname: false } })
    .onError(({ code, error, path }) => {
      if (code !== "NOT_FOUND") throw error;
      const methods = methodsAt(app.routes, path);
      if (methods.length > 0) return wrongMethod(methods.join(", "));
      return problem(404, "not_found", "There is no such address here.");
    })
    /** The process runs and answers. */
    .get("/livez", () => health(200, "alive"))
    /** It may get traffic: it listens and is not shutting down. */
    .get("/readyz", () => health(balancer.phase === "ready" ? 200 : 503, balancer.phase))
    /** It serves: ready, and in every pool at least one upstream is fit. */
    .get("/healthz", () => {
      const { pools } = balancer.snapshot();
      const empty = pools
        .filter(({ upstreams }) => !upstreams.some(({ fit }) => fit))
        .map(({ name }) => name);
      if (balancer.phase !== "ready") return health(503, balancer.phase);
      return empty.length > 0
        ? health(503, `no fit upstream in ${empty.join(", ")}`)
        : health(200, "healthy");
    })
    .get("/metrics", async () => {
      return new Response(await balancer.metricsText(), { headers: { "Content-Type": expositionType } });
    })
    .get("/api/snapshot", () => json(200, balancer.snapshot()))
    .get("/api/config", ({ request }) => taggedJson(request, { settings: settings() }))
    .get("/api/history", ({ query }) => historyResponse(balancer, query))
    .use(upstreamRoutes({ control, upstream: (id) => balancer.upstream(id), pool: poolNamed }))
    .use(faultRoutes({ control, upstream: (id) => balancer.upstream(id) }))
    .use(systemRoutes(control, settings))
    .use(requestRoutes(balancer.requests, tail))
    .use(streamRoutes(stream))
    .use(loginRoutes(login))
    .use(documentRoutes());
  return app;
}

/** `?pool=` or `?upstream=`, by default every pool; `&window=` by default 5m; `&since=` epoch milliseconds. */
function historyResponse(balancer: AdminBackend, query: Readonly<Record<string, string>>): Response {
  const { pool, upstream } = query;
  const window = windowNamed(query["window"] ?? "5m");
  const since = Number(query["since"] ?? 0);
  if (!window) {
    const message = `Cannot show the history: window must be one of ${windowNames.join(", ")}`;
    return problem(400, "window_invalid", message);
  }
  if (!Number.isFinite(since)) {
    return problem(
      400,
      "since_invalid",
      "Cannot show the history: since must be a time in epoch milliseconds",
    );
  }
  const response = balancer.history({ pool, upstream, window, since });
  if (response) return json(200, response);
  const missing = upstream === undefined ? `no pool is called ${pool}` : `no upstream is called ${upstream}`;
  return problem(404, "series_unknown", `Cannot show the history: ${missing}`);
}
