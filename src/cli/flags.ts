/** The table of all flags and environment variables: name, position in the configuration, help text and default. */

import { defaults, engineNames } from "../config/config.ts";
import type { Path } from "../config/problem.ts";
import { splitUpstreams } from "../config/upstreams.ts";
import { formatTimeRange } from "../config/values.ts";
import { formatDuration } from "../lib/units.ts";

/** One setting of the command line and the environment. */
export interface Flag {
  /** "--port"; undefined for a secret: command lines are visible to every user of a machine. */
  readonly name?: string;
  /** Placeholder of its value in help: "<port>"; empty for a flag without a value. */
  readonly value: string;
  readonly variable: string;
  /** Position in the configuration; "*" stands for the first pool. */
  readonly path: Path;
  /** Converts the text to the type of the setting. An invalid text stays a text, for the schema to reject. */
  readonly read?: (text: string) => unknown;
  /** Present if the flag may be given several times. */
  readonly isList?: true;
  readonly summary: string;
  /** The default as shown in help; undefined if there is no default. */
  readonly fallback?: string;
}

/** Converts a decimal number; any other text stays a text, for the schema to reject. */
const numberFlag = (text: string): unknown => (/^\d+(\.\d+)?$|^\.\d+$/.test(text) ? Number(text) : text);

/** @param key key of the listener in the configuration; empty if the command has only one listener */
function portFlag(variable: string, fallback: number, key: string, summary: string): Flag {
  const name = key === "" || key === "listen" ? "--port" : `--${key}-port`;
  const path = key === "" ? ["port"] : [key, "port"];
  return { name, value: "<port>", variable, path, read: numberFlag, summary, fallback: String(fallback) };
}

/** @param key as for {@link portFlag} */
function hostFlag(variable: string, fallback: string, key: string, summary: string): Flag {
  const name = key === "" || key === "listen" ? "--host" : `--${key}-host`;
  return { name, value: "<host>", variable, path: key === "" ? ["host"] : [key, "host"], summary, fallback };
}

const { listen, admin, pool } = defaults;

/** Settings of the balancer, for `up`, `proxy` and `check`. */
export const balancerFlags: readonly Flag[] = [
  portFlag("PROXY_PORT", listen.port, "listen", "port for clients; 0 selects a free port"),
  hostFlag("PROXY_HOST", listen.hostname, "listen", "address for clients"),
  {
    name: "--tls-cert",
    value: "<file>",
    variable: "PROXY_TLS_CERT",
    path: ["listen", "tls", "cert"],
    summary: "certificate for TLS with clients, PEM; requires --tls-key",
  },
  {
    name: "--tls-key",
    value: "<file>",
    variable: "PROXY_TLS_KEY",
    path: ["listen", "tls", "key"],
    summary: "private key of the certificate, PEM without a passphrase",
  },
  {
    name: "--max-clients",
    value: "<count>",
    variable: "EVENKEEL_MAX_CLIENTS",
    path: ["listen", "maxClients"],
    read: numberFlag,
    summary: "maximum concurrent client connections; more get 503",
    fallback: String(defaults.maxClients),
  },
  {
    name: "--max-memory",
    value: "<size>",
    variable: "EVENKEEL_MAX_MEMORY",
    path: ["maxMemory"],
    read: (text) => (text === "0" ? 0 : text),
    summary: "memory at which new requests get 503, such as 512MiB; 0 is no limit",
    fallback: "80 % of the control group's limit, if any",
  },
  {
    name: "--upstreams",
    value: "<urls>",
    variable: "BACKEND_SERVERS",
    path: ["pools", "*", "upstreams"],
    read: splitUpstreams,
    isList: true,
    summary: "comma-separated URLs, each with optional ;weight=3 ;backup ;name=api-1",
    fallback: pool.upstreams.join(","),
  },
  {
    name: "--policy",
    value: "<name>",
    variable: "EVENKEEL_POLICY",
    path: ["pools", "*", "policy"],
    summary: "how an available upstream is selected, see below",
    fallback: pool.policy,
  },
  {
    name: "--retries",
    value: "<count>",
    variable: "EVENKEEL_RETRIES",
    path: ["pools", "*", "retries"],
    read: numberFlag,
    summary: "attempts on another upstream after a failed one, 0 to 2",
    fallback: String(pool.retries),
  },
  {
    name: "--probe-path",
    value: "<path>",
    variable: "EVENKEEL_PROBE_PATH",
    path: ["pools", "*", "probe", "path"],
    summary: "probe upstreams with GET of this path instead of a TCP connect",
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
    summary: "serving processes, 1 to 64, or auto for one per core",
    fallback: String(defaults.workers),
  },
  portFlag("ADMIN_PORT", admin.port, "admin", "port of the admin API; 0 selects a free port"),
  hostFlag(
    "ADMIN_HOST",
    admin.hostname,
    "admin",
    "address of the admin API; other than loopback requires ADMIN_TOKEN or users",
  ),
  {
    variable: "ADMIN_TOKEN",
    value: "",
    path: ["admin", "token"],
    summary: "bearer token required by the admin API",
  },
  {
    variable: "EVENKEEL_STICKY_SECRET",
    value: "",
    path: ["stickySecret"],
    summary: "secrets of sticky cookies",
  },
  {
    variable: "EVENKEEL_ALERT_SECRET",
    value: "",
    path: ["alertSecret"],
    summary: "key that signs alerts",
  },
  {
    name: "--fleet-redis",
    value: "<url>",
    variable: "EVENKEEL_FLEET_REDIS",
    path: ["fleet", "redis"],
    summary: "Redis or Valkey server of a fleet, redis:// or rediss://",
  },
  {
    name: "--fleet-name",
    value: "<name>",
    variable: "EVENKEEL_FLEET_NAME",
    path: ["fleet", "name"],
    summary: "name of this balancer in its fleet",
  },
  {
    name: "--fleet-url",
    value: "<url>",
    variable: "EVENKEEL_FLEET_URL",
    path: ["fleet", "url"],
    summary: "URL of the dashboard here, for links",
  },
  {
    variable: "EVENKEEL_FLEET_PASSWORD",
    value: "",
    path: ["fleet", "password"],
    summary: "password of the fleet's store",
  },
  {
    variable: "EVENKEEL_FLEET_KEY",
    value: "",
    path: ["fleet", "key"],
    summary: "seals private keys in the store",
  },
  {
    name: "--state",
    value: "<file>",
    variable: "EVENKEEL_STATE",
    path: ["state"],
    summary: "file for what operators set at run time; :memory: stores nothing",
    fallback: "a file in your state folder",
  },
  {
    name: "--drain-delay",
    value: "<time>",
    variable: "EVENKEEL_DRAIN_DELAY",
    path: ["drainDelay"],
    summary: "time at exit with readiness 503 before the listener closes; 5s under Kubernetes",
    fallback: formatDuration(defaults.drainDelayMs),
  },
  {
    name: "--drain-timeout",
    value: "<time>",
    variable: "EVENKEEL_DRAIN_TIMEOUT",
    path: ["drainTimeout"],
    summary: "time for in-flight requests to finish at exit",
    fallback: formatDuration(defaults.drainTimeoutMs),
  },
  {
    name: "--access-log",
    value: "<file>",
    variable: "EVENKEEL_ACCESS_LOG",
    path: ["accessLog", "to"],
    summary: "one line per request, to a file or stdout",
  },
  {
    name: "--otlp-endpoint",
    value: "<url>",
    variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
    path: ["tracing", "endpoint"],
    summary: "collector for spans of requests and attempts, OTLP over HTTP",
  },
];

/** The flags of balancers that tell `version --check` where a balancer of this machine has its files. */
export const fileFlags: readonly Flag[] = balancerFlags.filter(({ name }) => name === "--state");

/** Selects the configuration file, so it is not part of it. */
export const configFlag: Flag = {
  name: "--config",
  value: "<file>",
  variable: "EVENKEEL_CONFIG",
  path: [],
  summary: "configuration file, YAML or JSON",
  fallback: `${defaults.configFile} if it exists`,
};

/** Selects when the configuration file is read again, so it is not part of it. */
export const watchFlag: Flag = {
  name: "--watch",
  value: "",
  variable: "EVENKEEL_WATCH",
  path: [],
  read: (text) => !["0", "false", "no", "off"].includes(text.toLowerCase()),
  summary: "reload the configuration file when it changes (like SIGHUP)",
};

const { dashboard, backend, demo } = defaults;

/** Moves the demo servers of `up`, so it is not part of the configuration. */
export const demoPortFlag: Flag = {
  name: "--demo-port",
  value: "<port>",
  variable: "EVENKEEL_DEMO_PORT",
  path: [],
  read: numberFlag,
  summary: `port of the first of ${demo.servers} demo servers; the others follow it`,
  fallback: String(demo.port),
};

/** Listener of the dashboard, for `up` and `check`. */
export const companionFlags: readonly Flag[] = [
  portFlag("DASHBOARD_PORT", dashboard.port, "dashboard", "port of the dashboard; 0 selects a free port"),
  hostFlag(
    "DASHBOARD_HOST",
    dashboard.hostname,
    "dashboard",
    "address of the dashboard; other than loopback requires users",
  ),
];

/** Settings of `evenkeel dashboard`. */
export const dashboardFlags: readonly Flag[] = [
  portFlag("DASHBOARD_PORT", dashboard.port, "", "port to listen on; 0 selects a free port"),
  hostFlag(
    "DASHBOARD_HOST",
    dashboard.hostname,
    "",
    "address to listen on; other than loopback requires users",
  ),
  {
    name: "--balancer-url",
    value: "<url>",
    variable: "LOAD_BALANCER_URL",
    path: ["balancerUrl"],
    summary: "URL of the client listener",
    fallback: dashboard.balancerUrl,
  },
  {
    name: "--admin-url",
    value: "<url>",
    variable: "ADMIN_URL",
    path: ["adminUrl"],
    summary: "URL of the admin API",
    fallback: dashboard.adminUrl,
  },
  {
    name: "--other-admin-urls",
    value: "<urls>",
    variable: "OTHER_ADMIN_URLS",
    path: ["otherAdminUrls"],
    read: splitUpstreams,
    isList: true,
    summary:
      "comma-separated admin APIs of other balancers of its fleet, read when the first does not respond",
  },
  {
    variable: "ADMIN_TOKEN",
    value: "",
    path: ["adminToken"],
    summary: "bearer token for the admin API",
  },
  {
    name: "--trusted-proxies",
    value: "<ranges>",
    variable: "DASHBOARD_TRUSTED_PROXIES",
    path: ["trustedProxies"],
    read: splitUpstreams,
    isList: true,
    summary: "comma-separated addresses and ranges of proxies in front of the dashboard",
  },
];

/** Address and token of a running balancer. */
export const adminTargetFlags: readonly Flag[] = dashboardFlags.filter(({ variable }) =>
  ["ADMIN_URL", "ADMIN_TOKEN"].includes(variable),
);

/** Settings of `evenkeel backend`. */
export const backendFlags: readonly Flag[] = [
  portFlag("SERVER_PORT", backend.port, "", "port to listen on; 0 selects a free port"),
  hostFlag("SERVER_HOST", backend.hostname, "", "address to listen on"),
  {
    name: "--name",
    value: "<name>",
    variable: "SERVER_NAME",
    path: ["name"],
    summary: "name in every response",
    fallback: "name of this machine",
  },
  {
    name: "--latency",
    value: "<time>",
    variable: "SERVER_LATENCY",
    path: ["latency"],
    summary: "delay of each response: 80ms, or a range",
    fallback: formatTimeRange(backend.latencyMs),
  },
  {
    name: "--fail-rate",
    value: "<share>",
    variable: "SERVER_FAIL_RATE",
    path: ["failRate"],
    read: numberFlag,
    summary: "share of requests that get 500, from 0 to 1",
    fallback: String(backend.failRate),
  },
];
