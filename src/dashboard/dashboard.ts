/** Starts the dashboard: a separate listener that reaches the balancer only through its two URLs. */

import { systemClock, systemSchedule, systemWallClock } from "../lib/clock.ts";
import { webLimits } from "../net/open-files.ts";
import { isLoopback } from "../net/address.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { alertClient } from "./alerts/alert-client.ts";
import { adminClient } from "./admin-client.ts";
import { AdminEndpoints } from "./admin-endpoints.ts";
import { eventsFeed } from "./events/feed.ts";
import { SnapshotPoller } from "./live/poller.ts";
import { createListenerCheck } from "./live/listener-check.ts";
import { DayReader } from "./live/day-reader.ts";
import { RouteReader } from "./live/route-reader.ts";
import { liveStreams } from "./live/streams.ts";
import { authGate } from "./login/auth-gate.ts";
import { loginClient } from "./login/login-client.ts";
import { Visitors } from "./login/visitors.ts";
import { clientAddressBehind } from "../proxy/client-address.ts";
import { nextDashboardState } from "../wording/verdict.ts";
import { requestClient } from "./requests/request-client.ts";
import { renderRows } from "./requests/row.tsx";
import { LiveTails } from "./requests/live-tail.ts";
import { routesOf } from "./routes.ts";
import { refusalOf, secured } from "./security.ts";
import { problemTrends } from "./overview/problem-chart.tsx";
import { TrendReader, upstreamTrends } from "./live/trend-reader.ts";
import { trendSince, UpstreamPollers } from "./live/upstream-poller.ts";

export interface DashboardOptions {
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Where clients reach the balancer. */
  readonly balancerUrl: string;
  readonly adminUrl: string;
  /** Of other balancers of its fleet, which are read when it does not respond. */
  readonly otherAdminUrls?: readonly string[];
  readonly adminToken?: string;
  /** The name in Via of the balancer in this process: what came through that one is refused. */
  readonly viaName?: string | undefined;
  /** By which the admin API of this process knows the dashboard; elsewhere its token does that. */
  readonly dashboardSecret?: string;
  /** Whether a peer is a proxy whose word about its client counts. */
  readonly isTrustedProxy?: (address: string) => boolean;
  /** Called with unexpected errors of the dashboard. Must not throw. */
  readonly bug?: (error: unknown) => void;
}

export interface Dashboard {
  readonly port: number;
  /** Closes all connections at once. */
  close(): void;
  /** Ends the live streams, accepts no new connections and resolves when the open requests have completed. */
  stop(): Promise<void>;
}

const intervalMs = 1_000;

/** Rejects with the system's error code if the port cannot be bound. */
export async function startDashboard(options: DashboardOptions, runtime: Runtime): Promise<Dashboard> {
  const { hostname, port, balancerUrl, adminUrl, otherAdminUrls, adminToken, bug = () => {} } = options;
  const endpoints = new AdminEndpoints(adminUrl, otherAdminUrls);
  // Shared data is read once, with the dashboard's token. Actions and queries of a visitor use that visitor's token.
  const admin = adminClient({ endpoints, bearer: () => visitors.bearer });
  const checkListener = createListenerCheck(
    { url: balancerUrl, clock: systemClock, wallClock: systemWallClock },
    runtime,
  );
  const recent = { admin, clock: systemClock, source: () => endpoints.current };
  const dayReader = new DayReader(recent);
  const routeReader = new RouteReader(recent);
  const trendReader = new TrendReader({ ...recent, ...upstreamTrends });
  const problemReader = new TrendReader({ ...recent, ...problemTrends });
  const common = { schedule: systemSchedule, wallClock: systemWallClock, intervalMs, bug };
  const poller = new SnapshotPoller({
    ...common,
    async poll(previous) {
      const since = trendSince(previous);
      const [reading, listenerCheck, history] = await Promise.all([
        admin.read(),
        checkListener(),
        admin.history({ window: "5m", since }),
      ]);
      const trends = "value" in history ? history.value.series : [];
      const [day, routes] =
        "snapshot" in reading
          ? await Promise.all([dayReader.of(reading.snapshot), routeReader.of(reading.snapshot)])
          : [];
      return nextDashboardState(previous, {
        at: systemWallClock(),
        adminUrl: endpoints.current,
        listenerCheck,
        reading,
        trends,
        day,
        routes,
        ...("snapshot" in reading
          ? {
              upstreamTrends: trendReader.of(reading.snapshot),
              problemTrends: problemReader.of(reading.snapshot),
            }
          : { upstreamTrends: previous?.upstreamTrends, problemTrends: previous?.problemTrends }),
      });
    },
  });
  const upstreams = new UpstreamPollers({ ...common, poller, admin });
  const live = liveStreams(poller, upstreams);
  const tails = new LiveTails({ schedule: systemSchedule, render: renderRows });
  const events = eventsFeed({ ...common, admin, source: () => endpoints.current });
  const { isTrustedProxy = () => false, dashboardSecret } = options;
  const client = loginClient({ endpoints, ownToken: adminToken, dashboardSecret });
  const visitors: Visitors = new Visitors({
    client,
    ownToken: adminToken,
    clock: systemClock,
    schedule: systemSchedule,
    routesWith(bearer) {
      const own = adminClient({ endpoints, bearer });
      const requests = requestClient({ endpoints, bearer });
      const alerts = alertClient({ endpoints, bearer });
      return routesOf({ poller, upstreams, live, events, admin: own, requests, alerts, tails, bug });
    },
  });
  const onLoopback = isLoopback(hostname);
  const response = authGate({ visitors, client, onLoopback });

  const listener = await runtime.serve({
    hostname,
    port,
    bug,
    limits: webLimits(),
    async handle(request, address) {
      const refused = refusalOf(request, { onLoopback, viaName: options.viaName });
      return secured(refused ?? (await response(request, clientOf(request, address, isTrustedProxy))));
    },
  });

  return {
    port: listener.port,
    close() {
      poller.close();
      upstreams.close();
      events.close();
      visitors.close();
      listener.close();
    },
    stop() {
      poller.close();
      upstreams.close();
      events.close();
      visitors.close();
      return listener.drain();
    },
  };
}

/** The address that a login counts for. */
function clientOf(
  request: Request,
  peerAddress: string,
  isTrustedProxy: (address: string) => boolean,
): string {
  const header = (name: string) => request.headers.get(name) ?? undefined;
  return isTrustedProxy(peerAddress)
    ? clientAddressBehind({ peerAddress, header }, isTrustedProxy)
    : peerAddress;
}
