/** Settings of the processes beside the balancer, which have no configuration file: demo server and dashboard. */

import type { Static, TSchema } from "@sinclair/typebox";
import { type BackendConfig, type DashboardConfig, defaults } from "../config/config.ts";
import { mergeSources } from "../config/sources.ts";
import { type ConfigError, configError } from "../config/problem.ts";
import { listenOf } from "../config/defaults.ts";
import { backendSchema, dashboardSchema } from "../config/schema.ts";
import { schemaErrors } from "../config/schema-kit.ts";
import { formatTimeRange, timeRangeOf } from "../config/values.ts";
import { askFlags, backendFlags, dashboardFlags, type Flag } from "./flags.ts";
import { type Environment, commandLineValues } from "./environment.ts";
import type { Line } from "./program.ts";

/** @param hostName what the server is called if nobody says */
export function readBackend(line: Line, env: Environment, hostName: string): BackendConfig | ConfigError {
  const given = readSettings(backendFlags, backendSchema, { line, env });
  if (given.kind === "invalid") return given;
  const { name, latency, failRate, ...listen } = given.value;
  const fallback = defaults.backend;
  return {
    name: name ?? hostName,
    ...listenOf(listen, fallback),
    latencyMs: latency === undefined ? fallback.latencyMs : timeRangeOf(latency),
    failRate: failRate ?? fallback.failRate,
  };
}

/** Where a running balancer's admin side is, and what it asks of its callers. */
export interface AdminTarget {
  readonly adminUrl: string;
  readonly adminToken?: string;
}

export function readAdminTarget(line: Line, env: Environment): AdminTarget | ConfigError {
  const given = readSettings(askFlags, dashboardSchema, { line, env });
  if (given.kind === "invalid") return given;
  const { adminUrl = defaults.dashboard.adminUrl, adminToken } = given.value;
  return { adminUrl: adminUrl.replace(/\/$/, ""), ...(adminToken === undefined ? {} : { adminToken }) };
}

export function readDashboard(line: Line, env: Environment): DashboardConfig | ConfigError {
  const given = readSettings(dashboardFlags, dashboardSchema, { line, env });
  if (given.kind === "invalid") return given;
  const { balancerUrl, adminUrl, adminToken, ...listen } = given.value;
  const fallback = defaults.dashboard;
  return {
    ...listenOf(listen, fallback),
    balancerUrl: (balancerUrl ?? fallback.balancerUrl).replace(/\/$/, ""),
    adminUrl: (adminUrl ?? fallback.adminUrl).replace(/\/$/, ""),
    ...(adminToken === undefined ? {} : { adminToken }),
  };
}

interface GivenValues {
  readonly line: Line;
  readonly env: Environment;
}

interface ParsedSettings<Value> {
  readonly kind: "understood";
  readonly value: Value;
}

function readSettings<Schema extends TSchema>(
  flags: readonly Flag[],
  schema: Schema,
  { line, env }: GivenValues,
): ParsedSettings<Static<Schema>> | ConfigError {
  const layers = mergeSources({ values: commandLineValues(flags, line.written, env), base: {} });
  const problems = schemaErrors(schema, layers.value).map(layers.problemOf);
  if (problems.length > 0) return configError(problems);
  return { kind: "understood", value: layers.value as Static<Schema> };
}

/** The servers that `up` starts where nobody named upstreams. */
export function demoBackends(): readonly BackendConfig[] {
  const { hostname, ports } = defaults.demo;
  const { latencyMs, failRate } = defaults.backend;
  return ports.map((port, index) => ({ name: `demo-${index + 1}`, hostname, port, latencyMs, failRate }));
}

/** The command line that starts one demo server, without runtime and script: what {@link readBackend} understands. */
export function backendArguments({
  name,
  hostname,
  port,
  latencyMs,
  failRate,
}: BackendConfig): readonly string[] {
  return [
    "backend",
    ...["--name", name, "--host", hostname, "--port", String(port)],
    ...["--latency", formatTimeRange(latencyMs), "--fail-rate", String(failRate)],
  ];
}
