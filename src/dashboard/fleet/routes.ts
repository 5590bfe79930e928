/** Routes of the fleet's page and its live stream. */

import { Elysia } from "elysia";
import type { SnapshotPoller } from "../live/poller.ts";
import type { LiveStreams } from "../live/streams.ts";
import { htmlResponse, textResponse } from "../responses.ts";
import { renderFleetPage } from "./page.tsx";

export interface FleetRoutesOptions {
  readonly poller: SnapshotPoller;
  readonly live: Pick<LiveStreams, "fleet">;
}

export function fleetRoutes({ poller, live }: FleetRoutesOptions) {
  return new Elysia({ handler: { standardHostname: false } })
    .get("/fleet", async () => {
      const state = await poller.current();
      // A bookmark of a balancer that has left its fleet leads nowhere.
      const isNone = state.snapshot !== undefined && state.snapshot.fleet === undefined;
      return htmlResponse(renderFleetPage(state), isNone ? 404 : 200);
    })
    .get("/live/fleet", () => live.fleet() ?? textResponse(503, "Too many dashboards are open."));
}
