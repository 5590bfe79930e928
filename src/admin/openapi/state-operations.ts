/** Operations that read the balancer as a whole: health, metrics, snapshot, fleet and history. */

import { Type } from "@sinclair/typebox";
import { windowNames } from "../../history/store.ts";
import { expositionType } from "../../metrics/prometheus.ts";
import { healthSchema } from "../schemas/commands.ts";
import { count, oneOf, textSchema, timestamp } from "../schemas/parts.ts";
import { historySchema } from "../schemas/record.ts";
import { snapshotSchema } from "../schemas/snapshot.ts";
import { jsonResponse, type Operation } from "./operation.ts";

export const stateOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/livez",
    tag: "Health",
    summary: "Checks liveness",
    responses: { 200: jsonResponse(healthSchema, "The process runs.") },
    isPublic: true,
  },
  {
    method: "GET",
    path: "/readyz",
    tag: "Health",
    summary: "Checks readiness",
    responses: {
      200: jsonResponse(healthSchema, "The balancer accepts clients and is not shutting down."),
      503: jsonResponse(healthSchema, "The balancer is starting, draining or stopped."),
    },
    isPublic: true,
  },
  {
    method: "GET",
    path: "/healthz",
    tag: "Health",
    summary: "Checks the balancer and its pools",
    responses: {
      200: jsonResponse(healthSchema, "The balancer is ready and every pool serves, with free slots or not."),
      503: jsonResponse(healthSchema, "Not healthy; `status` has the cause."),
    },
    isPublic: true,
  },
  {
    method: "GET",
    path: "/metrics",
    tag: "State",
    summary: "Returns all metrics for Prometheus",
    responses: {
      200: { description: "Text format, version 0.0.4.", type: expositionType, schema: Type.String() },
    },
  },
  {
    method: "GET",
    path: "/api/snapshot",
    tag: "State",
    summary: "Returns the current state",
    responses: { 200: jsonResponse(snapshotSchema, "Pools, upstreams, traffic and the last events.") },
  },
  {
    method: "GET",
    path: "/api/history",
    tag: "State",
    summary: "Returns the history as columns, for charts",
    description:
      "A window that ends now, or with `from` or `to` a range. What is older has fewer points: one each second for 10 minutes, " +
      "each 10 seconds for 6 hours, each minute for 7 days, and each 5 minutes for 15 days.",
    query: {
      pool: textSchema("Only this pool; default all pools."),
      upstream: textSchema("Only this upstream, instead of pools."),
      window: oneOf(windowNames, "Length of the history; default 5m."),
      since: timestamp("Only intervals that ended after this time."),
      from: textSchema(
        "Begin of a range: RFC 3339, or relative such as `-90m`; default an hour before its end.",
      ),
      to: textSchema("End of a range, likewise; default `now`."),
      points: count("Maximum number of points of a range, 10 to 1,500, which is the default."),
    },
    responses: {
      200: jsonResponse(historySchema, "One series per pool, or the one of the requested pool or upstream."),
    },
    problems: {
      400: ["window_invalid", "since_invalid", "range_invalid", "points_invalid"],
      404: ["series_unknown"],
      409: ["upstream_ambiguous"],
    },
  },
  {
    method: "GET",
    path: "/api/fleet",
    tag: "State",
    summary: "Returns the balancers of the fleet, and what is not shared yet",
    responses: { 200: jsonResponse(snapshotSchema.properties.fleet, "The fleet as this balancer sees it.") },
    problems: { 404: ["fleet_none"] },
  },
];
