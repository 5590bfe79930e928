/** The table of the balancer's flags and variables: what each is called, what it means in the configuration, its default. */

import { defaults, engineNames } from "../config/config.ts";
import type { Path } from "../config/problem.ts";
import { splitUpstreams } from "../config/upstreams.ts";
import { formatTimeRange } from "../config/values.ts";
import { formatDuration } from "../lib/units.ts";

// What a flag is, with its variable and its place in the configuration, and how those of listeners are made.

/** One setting as the command line and the environment know it. */
export interface Flag {
  /** "--port"; undefined for a secret: command lines are visible to every user of a machine. */
  readonly name?: string;
  /** What stands for its value in help: "<port>". */
  readonly value: string;
  readonly variable: string;
  /** Where it belongs in the configuration; "*" stands for the first pool. */
  readonly path: Path;
  /** From text to the value meant there; what makes no sense stays text, for the schema to refuse. */
  readonly read?: (text: string) => unknown;
  /** Whether it may be given several times. */
  readonly isList?: true;
  readonly summary: string;
  /** As help shows it; undefined if there is none. */
  readonly fallback?: string;
}

/** A number where it is one; else the text, for the schema to refuse. */
export const numberFlag = (text: string): unknown =>
  /^\d+(\.\d+)?$|^\.\d+$/.test(text) ? Number(text) : text;

/** @param key of the listener in the configuration; empty where the command has only one */
export function portFlag(variable: string, fallback: number, key: string, summary: string): Flag {
  const name = key === "" || key === "listen" ? "--port" : `--${key}-port`;
  const path = key === "" ? ["port"] : [key, "port"];
  return { name, value: "<port>", variable, path, read: numberFlag, summary, fallback: String(fallback) };
}

/** @param key as for {@link portFlag} */
export function hostFlag(variable: string, fallback: string, key: string, summary: string): Flag {
  const name = key === "" || key === "listen" ? "--host" : `--${key}-host`;
  return { name, value: "<host>", variable, path: key === "" ? ["host"] : [key, "host"], summary, fallback };
}

const { listen, admin, pool } = defaults;

/** Settings of the balancer, for up, proxy and check. */
export const balancerFlags: readonly Flag[] = [
  portFlag("PROXY_PORT", listen.port, "listen", "where clients connect; 0 takes any free port"),
  hostFlag("PROXY_HOST", listen.hostname, "listen", "address that clients connect to"),
  {
    name: "--tls-cert",
    value: "<file>",
    variable: "PROXY_TLS_CERT",
    path: ["listen", "tls", "cert"],
    summary: "certificate that clients see, PEM; with --tls-key they come over TLS",
  },
  {
    name: "--tls-key",
    value: "<file>",
    variable: "PROXY_TLS_KEY",
    path: ["listen", "tls", "key"],
    summary: "its private key, PEM without a passphrase",
  },
  {
    name: "--max-clients",
    value: "<count>",
    variable: "EVENKEEL_MAX_CLIENTS",
    path: ["listen", "maxClients"],
    read: numberFlag,
    summary: "clients' connections at one time; more are answered with 503",
    fallback: String(defaults.maxClients),
  },
  {
    name: "--max-memory",
    value: "<size>",
    variable: "EVENKEEL_MAX_MEMORY",
    path: ["maxMemory"],
    read: (text) => (text === "0" ? 0 : text),
    summary: "memory at which new requests get 503, such as 512MiB; 0 for no limit",
    fallback: "80 % of the control group's limit, if it has one",
  },
  {
    name: "--upstreams",
    value: "<urls>",
    variable: "BACKEND_SERVERS",
    path: ["pools", "*", "upstreams"],
    read: splitUpstreams,
    isList: true,
    summary: "list with commas, each with ;weight=3 ;backup ;name=api-1 if wanted",
    fallback: pool.upstreams.join(","),
  },
  {
    name: "--policy",
    value: "<name>",
    variable: "EVENKEEL_POLICY",
    path: ["pools", "*", "policy"],
    summary: "how one of the fit upstreams is chosen, see below",
    fallback: pool.policy,
  },
  {
    name: "--retries",
    value: "<count>",
    variable: "EVENKEEL_RETRIES",
    path: ["pools", "*", "retries"],
    read: numberFlag,
    summary: "further attempts elsewhere after the first failed one, 0 to 2",
    fallback: String(pool.retries),
  },
  {
    name: "--probe-path",
    value: "<path>",
    variable: "EVENKEEL_PROBE_PATH",
    path: ["pools", "*", "probe", "path"],
    summary: "check upstreams with GET of this path instead of a TCP connect",
  },
  {
    name: "--engine",
    value: "<name>",
    variable: "EVENKEEL_ENGINE",
    path: ["engine"],
    summary: `data-plane engine: ${engineNames.join(" or ")}`,
    fallback: defaults.engine,
  },
  {
    name: "--workers",
    value: "<count>",
    variable: "EVENKEEL_WORKERS",
    path: ["workers"],
    read: numberFlag,
    summary: "processes that serve clients, 1 to 64, or auto for one per core",
    fallback: String(defaults.workers),
  },
  portFlag("ADMIN_PORT", admin.port, "admin", "health, metrics and control; 0 takes any free port"),
  hostFlag(
    "ADMIN_HOST",
    admin.hostname,
    "admin",
    "address of the admin side; beyond this machine only with ADMIN_TOKEN or users",
  ),
  {
    variable: "ADMIN_TOKEN",
    value: "",
    path: ["admin", "token"],
    summary: "asked of every caller of the admin side",
  },
  {
    name: "--state",
    value: "<file>",
    variable: "EVENKEEL_STATE",
    path: ["state"],
    summary: "keeps what operators set at run time; :memory: forgets it",
    fallback: "a file in your state folder",
  },
  {
    name: "--drain-delay",
    value: "<time>",
    variable: "EVENKEEL_DRAIN_DELAY",
    path: ["drainDelay"],
    summary: "how long to serve on at exit while readiness says 503; 5s under Kubernetes",
    fallback: formatDuration(defaults.drainDelayMs),
  },
  {
    name: "--drain-timeout",
    value: "<time>",
    variable: "EVENKEEL_DRAIN_TIMEOUT",
    path: ["drainTimeout"],
    summary: "how long requests may take to finish at exit",
    fallback: formatDuration(defaults.drainTimeoutMs),
  },
  {
    name: "--access-log",
    value: "<file>",
    variable: "EVENKEEL_ACCESS_LOG",
    path: ["accessLog", "to"],
    summary: "one line for each request: a file, or stdout",
  },
  {
    name: "--otlp-endpoint",
    value: "<url>",
    variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
    path: ["tracing", "endpoint"],
    summary: "collector that spans of requests and attempts go to, OTLP over HTTP",
  },
];

/** Names the configuration file itself, and so is no part of it. */
export const configFlag: Flag = {
  name: "--config",
  value: "<file>",
  variable: "EVENKEEL_CONFIG",
  path: [],
  summary: "configuration file, YAML or JSON",
  fallback: `${defaults.configFile} if there is one`,
};

/** Says when the file is read again, and so is no part of it either. */
export const watchFlag: Flag = {
  name: "--watch",
  value: "",
  variable: "EVENKEEL_WATCH",
  path: [],
  read: (text) => !["0", "false", "no", "off"].includes(text.toLowerCase()),
  summary: "takes the configuration file anew whenever it changes, as SIGHUP does",
};

// The flags and variables of what stands beside the balancer: dashboard, demo servers, and those who ask it.

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
