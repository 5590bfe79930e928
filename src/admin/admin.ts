/** The admin listener: health checks for orchestrators, metrics for scrapers, and the API that reads and controls the balancer. */

import { Access, type Caller } from "../access/access.ts";
import type { PersistedSession } from "../access/sessions.ts";
import { boundToSession, countStream, StreamLimit } from "../access/stream-limit.ts";
import { systemClock, systemSchedule, systemWallClock } from "../lib/clock.ts";
import { webLimits } from "../net/open-files.ts";
import type { Runtime, WebListener } from "../runtime/runtime.ts";
import type { AdminBackend, AdminOptions } from "./admin-options.ts";
import { bearerOf, callerOf, denialOf } from "./authorization.ts";
import type { LoginOptions } from "./login-routes.ts";
import { plainRoutes } from "./plain-routes.ts";
import { problem, tooManyStreams, unsniffed } from "./responses.ts";

/** Where code comes from sources, the API is loaded this long after the start if no request did so. */
const loadAfterMs = 30_000;

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
  const plain = plainRoutes(balancer);
  const login = {
    access,
    peerOf: (request: Request) => peers.get(request) ?? "",
    isTrustedProxy: options.isTrustedProxy,
    dashboardSecret: options.dashboardSecret,
  };
  let loading: ReturnType<typeof loadApp> | undefined;
  const load = () => (loading ??= loadApp(balancer, options, login));
  const respond = async (request: Request) => {
    const respondPlainly = request.method === "GET" && plain.get(new URL(request.url).pathname);
    if (respondPlainly) return respondPlainly();
    return (await load()).fetch(request);
  };
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
      const counted = countStream(await respond(request), streams, ownerOf(caller));
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
  // An operator who has put new sources in place asks this process to give way: with its own code, not with theirs.
  const cancelLoad = runtime.readsSources
    ? systemSchedule(loadAfterMs, () => void load().catch(options.bug))
    : () => {};
  return {
    port: listener.port,
    drain: () => listener.drain(),
    close() {
      cancelLoad();
      listener.close();
    },
    keptSessions: () => access.sessions.export(systemWallClock()),
  };
}

async function loadApp(balancer: AdminBackend, options: AdminOptions, login: LoginOptions) {
  const { adminApp } = await import("./app.ts");
  return adminApp(balancer, options, login);
}

/** Users and programs have limits of their own. The nameless token and callers without accounts share what is left. */
function ownerOf(caller: Caller | undefined): string | undefined {
  return caller?.name === undefined ? undefined : `${caller.kind} ${caller.name}`;
}
