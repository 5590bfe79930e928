/** Starts the dashboard: a listener of its own that knows the balancer only through two URLs. */

import { systemClock, systemSchedule, systemWallClock } from "../lib/clock.ts";
import { isLoopback } from "../lib/loopback.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { adminClient } from "./admin-client.ts";
import { Feed } from "./feed.ts";
import { frontDoorWatch } from "./front-door.ts";
import { pictureAfter } from "./picture.ts";
import { routesOf } from "./routes.ts";
import { refusalOf, secured } from "./security.ts";

export interface DashboardSetting {
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Where clients reach the balancer. */
  readonly balancerUrl: string;
  readonly adminUrl: string;
  readonly adminToken?: string;
  /** Hears of faults of the dashboard's own. Must not throw. */
  readonly bug?: (error: unknown) => void;
}

export interface Dashboard {
  readonly port: number;
  /** Cuts everything. */
  close(): void;
  /** Ends the live streams, takes no new connections and resolves when the open requests are answered. */
  stop(): Promise<void>;
}

const intervalMs = 1_000;

/** Rejects if the port cannot be had, with the system's error code. */
export async function startDashboard(setting: DashboardSetting, runtime: Runtime): Promise<Dashboard> {
  const { hostname, port, balancerUrl, adminUrl, adminToken, bug = () => {} } = setting;
  const admin = adminClient({ adminUrl, adminToken });
  const lookAtFrontDoor = frontDoorWatch(
    { url: balancerUrl, clock: systemClock, wallClock: systemWallClock },
    runtime,
  );
  const feed = new Feed({
    async draw(previous) {
      const [reading, frontDoor] = await Promise.all([admin.read(), lookAtFrontDoor()]);
      return pictureAfter(previous, { at: systemWallClock(), adminUrl, frontDoor, reading });
    },
    schedule: systemSchedule,
    wallClock: systemWallClock,
    intervalMs,
    bug,
  });
  const answer = routesOf({ feed, admin, bug });
  const onLoopback = isLoopback(hostname);

  const listener = await runtime.serve({
    hostname,
    port,
    bug,
    async handle(request) {
      return secured(refusalOf(request, onLoopback) ?? (await answer(request)));
    },
  });

  return {
    port: listener.port,
    close() {
      feed.close();
      listener.close();
    },
    stop() {
      feed.close();
      return listener.drain();
    },
  };
}
