/** The schema of the configuration file, for the parser and, as JSON Schema, for editors. */

import { type Static, type TSchema, Type } from "@sinclair/typebox";

import { type Role, roles } from "../access/accounts.ts";
import {
  type AccessLogFormat,
  accessLogFormats,
  type AmbiguousPaths,
  ambiguousPathsModes,
  defaults,
  type EngineName,
  engineNames,
  maxWorkers,
} from "./config.ts";
import { listener, type ListenerFile, listenerForms, listenerList, oneListener } from "./listener-schema.ts";
import {
  duration,
  file,
  flag,
  format,
  optional,
  origin,
  share,
  strict,
  textSetting,
  integer,
  choice,
  isSecretOfEnvironment,
} from "./schema-kit.ts";
import { fleetSchema } from "./fleet.ts";
import { alertsSchema } from "./alerts.ts";
import { keptRequestsSchema } from "./kept-requests.ts";
import { certificateList } from "./listener-tls-schema.ts";
import { entryFileSchema, poolWith, upstreamOrText } from "./pool-schema.ts";
import { routingKeys } from "./route-schema.ts";

/** Name of an account in the event log, without characters that need escaping. */
const accountName = textSetting(
  "^[A-Za-z\\d][\\w.@-]{0,63}$",
  "a name: at most 64 letters, digits and . _ @ -, starting with a letter or digit",
  "Name in the event log.",
);
const role = choice<Role>(roles, "viewer: read only; operator: may change upstreams; admin: everything.");

const user = Type.Object(
  { name: accountName, role, passwordHash: format("password-hash", "Output of `evenkeel password`.") },
  { ...strict, description: "A person who logs in.", errorMessage: "a map with name, role and passwordHash" },
);
const program = Type.Object(
  {
    name: accountName,
    role,
    tokenHash: textSetting(
      "^sha256:[\\da-f]{64}$",
      "the hash that `evenkeel token` prints, not the token",
      "Hash from the output of `evenkeel token`.",
    ),
  },
  { ...strict, description: "A program with a token.", errorMessage: "a map with name, role and tokenHash" },
);

/** More accounts than that are a mistake. */
const maxAccounts = 256;

export const accounts = {
  users: Type.Array(user, {
    maxItems: maxAccounts,
    description: "People who may log in. Applied by a reload.",
    errorMessage: `a list of at most ${maxAccounts} users`,
  }),
  tokens: Type.Array(program, {
    maxItems: maxAccounts,
    description: "Programs that may call the admin API. Applied by a reload.",
    errorMessage: `a list of at most ${maxAccounts} tokens`,
  }),
};

export const accessLog = optional(
  {
    to: file("stdout or a path", "stdout, or a file to append to; it is reopened after it was moved."),
    format: choice<AccessLogFormat>(
      accessLogFormats,
      "json lines; common: the Common Log Format extended by times and upstream; combined: exactly the format of NGINX and Apache.",
    ),
    share: share("Share of requests that are logged. Failed requests are always logged."),
  },
  "One line per request.",
);

export const tracing = Type.Object(
  {
    endpoint: textSetting(
      // The API shows this URL to viewers: secrets belong in OTEL_EXPORTER_OTLP_HEADERS.
      "^https?://[^\\s/@]+(/\\S*)?$",
      "a URL such as http://localhost:4318 without a user name or password",
      "Collector for OTLP over HTTP.",
    ),
    share: Type.Optional(
      share("Share of traced requests among those without a sampling decision in traceparent."),
    ),
    serviceName: Type.Optional(
      textSetting("^\\S(.{0,253}\\S)?$", "a name of at most 255 characters", "Service name in traces."),
    ),
  },
  {
    ...strict,
    description: "Exports spans of requests and attempts to a collector; off by default.",
    errorMessage: "a map with endpoint",
  },
);

/** Visible ASCII, because it is sent in an Authorization header. */
export const token = textSetting(
  "^[!-~]+$",
  "visible ASCII characters without spaces",
  "Bearer token required by the admin API.",
);

const headSize = (description: string) => format("head-size", description);
const fieldCount = (description: string) => integer(16, 1_024, description);

const fileWith = <Listen extends TSchema, Upstream extends TSchema>(listen: Listen, entry: Upstream) =>
  optional(
    {
      $schema: Type.String({ description: "URL of the JSON Schema, for editors.", errorMessage: "a URL" }),
      listen,
      certificates: certificateList,
      extensions: file(
        "a path",
        "TypeScript file with filters, policies and formats of alerts of your own; by default evenkeel.ts beside this file. A change needs a restart.",
      ),
      engine: choice<EngineName>(engineNames, "Data-plane engine: wire or fetch. A change needs a restart."),
      workers: Type.Union([integer(1, maxWorkers, "Serving processes."), Type.Literal("auto")], {
        description: "Serving processes on the same port; auto is one per core.",
        errorMessage: `a whole number from 1 to ${maxWorkers}, or auto`,
      }),
      admin: optional(
        { ...listener, token, ...accounts },
        "Admin API: health, metrics and control. An address other than loopback requires a token or users.",
      ),
      state: Type.String({
        minLength: 1,
        description: "File for what operators set at run time, or :memory:.",
        errorMessage: "a path or :memory:",
      }),
      stickySecret: Type.String({
        description:
          "Secret of the cookies of sticky pools, of at least 32 bytes; better a file or the variable.",
        errorMessage: "a text of at least 32 bytes",
      }),
      stickySecretFile: file(
        "a path",
        "File with secrets of sticky pools, one a line: the first makes cookies, all are read. By default one is made and kept in the state file.",
      ),
      fleet: fleetSchema,
      maxMemory: Type.Union([Type.Literal("auto"), format("size", "A size."), Type.Literal(0)], {
        description:
          "Memory of all processes at which new requests get 503; auto is 80 % of the control group's limit, 0 is no limit.",
        errorMessage: "a size such as 512MiB, auto or 0",
      }),
      drainDelay: Type.Union(
        [
          format(
            "delay",
            "Time after the exit signal during which requests are still accepted while readiness is 503.",
          ),
          Type.Literal(0),
        ],
        {
          errorMessage: "a duration such as 250ms, 30s or 1h, or 0",
        },
      ),
      drainTimeout: Type.Union(
        [format("delay", "Time for in-flight requests to finish at exit."), Type.Literal(0)],
        {
          errorMessage: "a duration such as 250ms, 30s or 1h, or 0",
        },
      ),
      clientTimeouts: optional(
        {
          head: duration(
            "Time from the first byte of a request to the end of its headers, and from a new connection to that byte.",
          ),
          bodyIdle: duration("Time between two chunks of a request body."),
          keepAlive: duration("Time without a request on an idle connection."),
        },
        "Time limits on clients.",
      ),
      limits: optional(
        {
          requestHead: headSize("Start line and header fields of a request; larger ones get 431."),
          requestFields: fieldCount("Header fields of a request; more get 431."),
          requestTarget: headSize("Request target; a longer one gets 414."),
          responseHead: headSize(
            "Status line and header fields of an upstream's response; larger ones are answered with 502.",
          ),
          responseFields: fieldCount("Header fields of an upstream's response; more are answered with 502."),
          webSocketMessage: format(
            "message-size",
            "A message of a WebSocket, in either direction; a larger one closes it with 1009. Engine fetch only.",
          ),
          webSocketBuffers: format(
            "size",
            "What all WebSockets buffer for peers that read slowly; beyond it the largest ends. Engine fetch only.",
          ),
        },
        "Limits of messages. A change needs a restart.",
      ),
      trustedProxies: Type.Array(format("range", "An IP address or CIDR range."), {
        description: "Proxies whose X-Forwarded-* headers are kept.",
        errorMessage: "a list of addresses",
      }),
      resolvers: Type.Array(format("resolver", "IP address of a DNS server, with or without port."), {
        maxItems: 8,
        description: "DNS servers for the names of upstreams; by default the system resolves them.",
        errorMessage: "a list of at most 8 addresses of DNS servers",
      }),
      accessLog,
      tracing: Type.Optional(tracing),
      requests: keptRequestsSchema,
      alerts: alertsSchema,
      alertSecret: Type.String({
        description: "Only by EVENKEEL_ALERT_SECRET: a file is read by more people.",
        notInFiles: true,
        errorMessage: "a text",
      }),
      frontDoor: textSetting(
        "^https?://[^\\s/@?#]+(/[^\\s@#]*)?$",
        "a URL such as https://shop.example.com without user name and password",
        "Where clients reach the service. The balancer asks it every ten seconds. Default: none. Applied by a reload.",
      ),
      dashboard: optional(
        {
          ...listener,
          url: textSetting(
            "^https?://[^\\s/@?#]+(/[^\\s@?#]*)?$",
            "a URL such as https://lb.example.com without user name and password",
            "Where people reach the dashboard, for links in alerts. Default: fleet.url. Applied by a reload.",
          ),
        },
        "Listener of the dashboard of `evenkeel up`.",
      ),
      pools: Type.Record(Type.String({ pattern: "^[A-Za-z][\\w.-]{0,62}$" }), poolWith(entry), {
        ...strict,
        minProperties: 1,
        description: `Pools by name. Default: one pool, "${defaults.pool.name}".`,
        errorMessage: "a map of at least one pool",
        propertyNames: {
          errorMessage: "a name: at most 63 letters, digits and . _ -, starting with a letter",
        },
      }),
      allowLinkLocal: flag(
        "Whether operators may add upstreams with link-local addresses, where clouds serve the machine's credentials.",
      ),
      ambiguousPaths: choice<AmbiguousPaths>(
        ambiguousPathsModes,
        "refuse: 400 for paths that servers read in different ways, where they lead to different routes; pass: they are matched in their written form.",
      ),
      ...routingKeys,
    },
    "Configuration of Evenkeel.",
  );

/** Schemas for the parser, which has expanded the short form of upstreams before: with one listener, and with a list of them. */
const fileSchemas = {
  one: fileWith(oneListener, entryFileSchema),
  list: fileWith(listenerList, entryFileSchema),
};

/** The schema for a configuration, by the form of its listeners: so that problems name the setting and not the form. */
export function fileSchemaFor(listen: unknown): TSchema {
  return Array.isArray(listen) ? fileSchemas.list : fileSchemas.one;
}

/** A valid configuration file. */
export type ConfigFile = Omit<Static<typeof fileSchemas.one>, "listen"> & {
  readonly listen?: ListenerFile | readonly ListenerFile[];
};
export type PoolFile = NonNullable<ConfigFile["pools"]>[string];

/** JSON Schema (draft 2020-12) for editors, without the formats that only this program supports. */
export function editorSchema(): Readonly<Record<string, unknown>> {
  const dialect = { $schema: "https://json-schema.org/draft/2020-12/schema", title: "Evenkeel" };
  const all = JSON.stringify(
    { ...dialect, ...fileWith(listenerForms, upstreamOrText) },
    (key, value: unknown) => (key === "format" || isSecretOfEnvironment(value) ? undefined : value),
  );
  return JSON.parse(all) as Record<string, unknown>;
}

export const backendSchema = optional(
  {
    name: textSetting("^\\S(.{0,62}\\S)?$", "a name of at most 64 characters", "Included in every response."),
    ...listener,
    latency: format("time-range", "Range of the delay of each response."),
    failRate: Type.Number({
      minimum: 0,
      maximum: 1,
      description: "Share of requests that get 500.",
      errorMessage: "a number from 0 to 1",
    }),
  },
  "One demo server.",
);

export const dashboardSchema = optional(
  {
    ...listener,
    balancerUrl: origin,
    adminUrl: origin,
    otherAdminUrls: Type.Array(origin, { errorMessage: "a list of URLs" }),
    adminToken: token,
    trustedProxies: Type.Array(format("range", "An IP address or CIDR range."), {
      errorMessage: "a list of addresses",
    }),
  },
  "The dashboard of another balancer.",
);
