/** The admin API: all routes, without the listener and its guard. Loaded with the first request that needs more than the plain routes. */

import { Elysia } from "elysia";
import { systemSchedule } from "../lib/clock.ts";
import type { AdminBackend, AdminOptions } from "./admin-options.ts";
import { alertRoutes } from "./alert-routes.ts";
import { documentRoutes, systemRoutes, upgradeRoutes } from "./config-routes.ts";
import { EventStream, streamRoutes } from "./event-stream.ts";
import { historyResponse } from "./history-response.ts";
import { loginRoutes, type LoginOptions } from "./login-routes.ts";
import { plainRoutes } from "./plain-routes.ts";
import { problemRoutes } from "./problem-routes.ts";
import { references } from "./references.ts";
import { requestRoutes, RequestTail } from "./request-routes.ts";
import { json, methodsAt, problem, wrongMethod } from "./responses.ts";
import { faultRoutes, upstreamRoutes } from "./upstream-routes.ts";

/** All routes, with the plain ones. Tests compare them with their description. */
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
  for (const [path, respond] of plainRoutes(balancer)) app.get(path, respond);
  return app;
}
