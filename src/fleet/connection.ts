/** The one connection of a balancer to the store of its fleet, which all that is shared goes through. */

import { systemSchedule } from "../lib/clock.ts";
import type { FleetSettings } from "./settings.ts";
import type { FleetStore } from "./store.ts";

export interface FleetConnection {
  readonly settings: FleetSettings;
  readonly store: FleetStore;
}

/** Connects in the background: a store that is away does not delay the start. The code for Redis is loaded only here. */
export async function connectFleet(settings: FleetSettings): Promise<FleetConnection> {
  const { openRedisStore } = await import("./redis-store.ts");
  return { settings, store: await openRedisStore({ settings, schedule: systemSchedule }) };
}
