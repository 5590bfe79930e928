/** The table of the balancer's flags and variables: what each is called, what it means in the configuration, its default. */

import { defaults, engineNames } from "../config/config.ts";
import { splitUpstreams } from "../config/upstreams.ts";
import { formatDuration } from "../lib/units.ts";
import { type Flag, hostFlag, numberFlag, portFlag } from "./flag.ts";

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
    summary: `how bytes are moved: ${engineNames.join(", ")}`,
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
