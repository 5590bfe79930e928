/** The flags and variables of what stands beside the balancer: dashboard, demo servers, and those who ask it. */

import { defaults } from "../config/config.ts";
import { formatTimeRange } from "../config/values.ts";
import { type Flag, hostFlag, numberFlag, portFlag } from "./flag.ts";

const { dashboard, backend } = defaults;

/** The dashboard beside the balancer, for up and check. */
export const companionFlags: readonly Flag[] = [
  portFlag("DASHBOARD_PORT", dashboard.port, "dashboard", "where the dashboard is; 0 takes any free port"),
  hostFlag(
    "DASHBOARD_HOST",
    dashboard.hostname,
    "dashboard",
    "address of the dashboard; without users all can act",
  ),
];

export const dashboardFlags: readonly Flag[] = [
  portFlag("DASHBOARD_PORT", dashboard.port, "", "where to listen; 0 takes any free port"),
  hostFlag("DASHBOARD_HOST", dashboard.hostname, "", "address to listen on; without users all can act"),
  {
    name: "--balancer-url",
    value: "<url>",
    variable: "LOAD_BALANCER_URL",
    path: ["balancerUrl"],
    summary: "front door of the balancer",
    fallback: dashboard.balancerUrl,
  },
  {
    name: "--admin-url",
    value: "<url>",
    variable: "ADMIN_URL",
    path: ["adminUrl"],
    summary: "admin side of the balancer",
    fallback: dashboard.adminUrl,
  },
  {
    variable: "ADMIN_TOKEN",
    value: "",
    path: ["adminToken"],
    summary: "what the admin side asks of its callers",
  },
];

/** Where a running balancer is asked. */
export const askFlags: readonly Flag[] = dashboardFlags.filter(({ variable }) =>
  ["ADMIN_URL", "ADMIN_TOKEN"].includes(variable),
);

export const backendFlags: readonly Flag[] = [
  portFlag("SERVER_PORT", backend.port, "", "where to listen; 0 takes any free port"),
  hostFlag("SERVER_HOST", backend.hostname, "", "address to listen on"),
  {
    name: "--name",
    value: "<name>",
    variable: "SERVER_NAME",
    path: ["name"],
    summary: "stands in every answer",
    fallback: "name of this machine",
  },
  {
    name: "--latency",
    value: "<time>",
    variable: "SERVER_LATENCY",
    path: ["latency"],
    summary: "each answer waits for so long: 80ms, or a range",
    fallback: formatTimeRange(backend.latencyMs),
  },
  {
    name: "--fail-rate",
    value: "<share>",
    variable: "SERVER_FAIL_RATE",
    path: ["failRate"],
    read: numberFlag,
    summary: "share of requests answered with 500, from 0 to 1",
    fallback: String(backend.failRate),
  },
];
