/** Settings of the commands without a configuration file: demo server, dashboard, and calls of the admin API. */

import type { Static, TSchema } from "@sinclair/typebox";

import { type BackendConfig, type DashboardConfig, defaults } from "../config/config.ts";
import { listenOf } from "../config/defaults.ts";
import { type ConfigError, configError, type Problem, quote } from "../config/problem.ts";
import { schemaErrors } from "../config/schema-kit.ts";
import { backendSchema, dashboardSchema } from "../config/schema.ts";
import { mergeSources } from "../config/sources.ts";
import { formatTimeRange, timeRangeOf } from "../config/values.ts";
import { commandLineValues, type Environment } from "./environment.ts";
import { adminTargetFlags, backendFlags, dashboardFlags, demoPortFlag, type Flag } from "./flags.ts";
import type { Line } from "./program.ts";

/** @param hostName default of the server's name */
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

/** Address and token of a running balancer's admin API. */
export interface AdminTarget {
  readonly adminUrl: string;
  readonly adminToken?: string;
}

export function readAdminTarget(line: Line, env: Environment): AdminTarget | ConfigError {
  const given = readSettings(adminTargetFlags, dashboardSchema, { line, env });
  if (given.kind === "invalid") return given;
  const { adminUrl = defaults.dashboard.adminUrl, adminToken } = given.value;
  return { adminUrl: adminUrl.replace(/\/$/, ""), ...(adminToken === undefined ? {} : { adminToken }) };
}

export function readDashboard(line: Line, env: Environment): DashboardConfig | ConfigError {
  const given = readSettings(dashboardFlags, dashboardSchema, { line, env });
  if (given.kind === "invalid") return given;
  const { balancerUrl, adminUrl, otherAdminUrls, adminToken, trustedProxies, ...listen } = given.value;
  const fallback = defaults.dashboard;
  return {
    ...listenOf(listen, fallback),
    balancerUrl: (balancerUrl ?? fallback.balancerUrl).replace(/\/$/, ""),
    adminUrl: (adminUrl ?? fallback.adminUrl).replace(/\/$/, ""),
    ...(otherAdminUrls && { otherAdminUrls: otherAdminUrls.map((url) => url.replace(/\/$/, "")) }),
    ...(adminToken === undefined ? {} : { adminToken }),
    ...(trustedProxies && { trustedProxies }),
  };
}

interface GivenValues {
  readonly line: Line;
  readonly env: Environment;
}

interface ParsedSettings<Value> {
  readonly kind: "valid";
  readonly value: Value;
}

function readSettings<Schema extends TSchema>(
  flags: readonly Flag[],
  schema: Schema,
  { line, env }: GivenValues,
): ParsedSettings<Static<Schema>> | ConfigError {
  const sources = mergeSources({ values: commandLineValues(flags, line.written, env), base: {} });
  const { errors, omitted } = schemaErrors(schema, sources.value);
  if (errors.length > 0) return configError(errors.map(sources.problemOf), omitted);
  return { kind: "valid", value: sources.value as Static<Schema> };
}

/** The demo servers that `up` starts if no upstreams are configured, on consecutive ports. */
export interface Demo {
  readonly servers: readonly BackendConfig[];
  readonly problems: readonly Problem[];
}

/** With a problem the servers have the default ports. */
export function readDemo(line: Line, env: Environment): Demo {
  const { hostname, port: fallback, servers: count } = defaults.demo;
  const { latencyMs, failRate } = defaults.backend;
  const [given] = commandLineValues([demoPortFlag], line.written, env);
  const last = maxPort - count + 1;
  const asked = given === undefined ? fallback : given.value;
  const isValid = typeof asked === "number" && Number.isInteger(asked) && asked >= 1 && asked <= last;
  const why = `expected a whole number from 1 to ${last}`;
  const problems = isValid ? [] : [{ action: `use ${given?.name}`, why, received: quote(given?.text) }];
  const first = isValid ? asked : fallback;
  const servers = Array.from({ length: count }, (_, index) => {
    return { name: `demo-${index + 1}`, hostname, port: first + index, latencyMs, failRate };
  });
  return { servers, problems };
}

const maxPort = 65_535;

/** Arguments of the process of one demo server, without runtime and script; parsed by {@link readBackend}. */
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
