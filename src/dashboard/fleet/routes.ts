/** Routes of the fleet's page, its live stream, and its balancers as CSV and JSON. */

import { Elysia } from "elysia";
import type { SnapshotPoller } from "../live/poller.ts";
import type { LiveStreams } from "../live/streams.ts";
import { fresh, htmlResponse, stateErrorResponse, textResponse } from "../responses.ts";
import { type CsvColumns, csvFile } from "../csv-file.ts";
import { momentText } from "../../lib/time-range.ts";
import type { PeerSnapshot } from "../../snapshot/fleet-snapshot.ts";
import type { DashboardState } from "../../wording/verdict.ts";
import { renderFleetPage } from "./page.tsx";

export interface FleetRoutesOptions {
  readonly poller: SnapshotPoller;
  readonly live: Pick<LiveStreams, "fleet">;
}

/** Without what each balancer sees of upstreams, which is a table of its own. */
type Peer = Omit<PeerSnapshot, "upstreams">;

function peersOf({ snapshot }: Pick<DashboardState, "snapshot">): readonly Peer[] {
  return (snapshot?.fleet?.peers ?? []).map(({ upstreams: _, ...peer }) => peer);
}

const columns: CsvColumns<Peer> = {
  balancer: ({ name }) => name,
  state: ({ state }) => state,
  heardMsAgo: ({ ageMs }) => ageMs,
  version: ({ version }) => version,
  configuration: ({ configuration }) => configuration,
  differsIn: ({ differs }) => differs.join(" "),
  requestsPerSecond: ({ requestsPerSecond }) => requestsPerSecond,
  errorShare: ({ errorShare }) => errorShare,
  inFlight: ({ inFlight }) => inFlight,
  startedAt: ({ startedAt }) => momentText(startedAt),
  critical: ({ problems }) => problems.critical,
  warning: ({ problems }) => problems.warning,
  url: ({ url }) => url,
};

export function fleetRoutes({ poller, live }: FleetRoutesOptions) {
  return new Elysia({ handler: { standardHostname: false } })
    .get("/fleet", async () => {
      const state = await poller.current();
      // A bookmark of a balancer that has left its fleet leads nowhere.
      const isNone = state.snapshot !== undefined && state.snapshot.fleet === undefined;
      return htmlResponse(renderFleetPage(state), isNone ? 404 : 200);
    })
    .get("/fleet.csv", async () => {
      const state = await poller.current();
      return state.snapshot ? csvFile("fleet", columns, peersOf(state)) : stateErrorResponse(state);
    })
    .get("/fleet.json", async () => {
      const state = await poller.current();
      if (!state.snapshot) return stateErrorResponse(state);
      return Response.json({ balancers: peersOf(state) }, { headers: fresh });
    })
    .get("/live/fleet", () => live.fleet() ?? textResponse(503, "Too many dashboards are open."));
}
