/** The shape of the configuration file: what the program checks, and what editors check and complete. */

import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { type Role, roles } from "../access/accounts.ts";
import { type AccessLogFormat, accessLogFormats, defaults, type EngineName, engineNames } from "./config.ts";
import {
  duration,
  file,
  format,
  optional,
  origin,
  share,
  strict,
  textSetting,
  whole,
  word,
} from "./schema-kit.ts";
import { poolWith, upstreamFileSchema, upstreamOrText } from "./pool-schema.ts";

// The shape of the accounts on the admin side: people with passwords, programs with tokens, each with a role.

/** As the audit says it; nothing that would need to be escaped. */
const accountName = textSetting(
  "^[A-Za-z\\d][\\w.@-]{0,63}$",
  "a name: at most 64 letters, digits and . _ @ -, beginning with a letter or digit",
  "What the audit calls it.",
);
const role = word<Role>(roles, "A viewer reads, an operator acts on upstreams, an admin does everything.");

const user = Type.Object(
  { name: accountName, role, passwordHash: format("password-hash", "What `evenkeel password` prints.") },
  { ...strict, description: "Somebody who logs in.", errorMessage: "a map with name, role and passwordHash" },
);
const program = Type.Object(
  {
    name: accountName,
    role,
    tokenHash: textSetting(
      "^sha256:[\\da-f]{64}$",
      "the hash that `evenkeel token` prints, and never the token",
      "What `evenkeel token` prints beside the token.",
    ),
  },
  { ...strict, description: "A program with a token.", errorMessage: "a map with name, role and tokenHash" },
);

/** More people and programs than that do not look after one balancer. */
const maxAccounts = 256;

export const accounts = {
  users: Type.Array(user, {
    maxItems: maxAccounts,
    description: "Who may log in. Changed by a reload too.",
    errorMessage: `a list of at most ${maxAccounts} users`,
  }),
  tokens: Type.Array(program, {
    maxItems: maxAccounts,
    description: "Programs that may call the admin API. Changed by a reload too.",
    errorMessage: `a list of at most ${maxAccounts} tokens`,
  }),
};

// The part of the configuration file's shape that is about what leaves the house: access log and traces.

export const accessLog = optional(
  {
    to: file("stdout or a path", "stdout, or a file that is appended to and opened anew when it was moved."),
    format: word<AccessLogFormat>(
      accessLogFormats,
      "JSON lines, or the Common Log Format with times and upstream.",
    ),
    share: share("Share of requests that are written; those that failed always are."),
  },
  "One line for each request.",
);

export const tracing = Type.Object(
  {
    endpoint: textSetting(
      // Whoever may read the configuration sees it: secrets belong into OTEL_EXPORTER_OTLP_HEADERS.
      "^https?://[^\\s/@]+(/\\S*)?$",
      "a URL such as http://localhost:4318 without a user name or password",
      "Collector that speaks OTLP over HTTP.",
    ),
    share: Type.Optional(
      share("Share of requests that are traced where the client's traceparent does not say."),
    ),
    serviceName: Type.Optional(
      textSetting(
        "^\\S(.{0,253}\\S)?$",
        "a name of at most 255 characters",
        "How traces name this balancer.",
      ),
    ),
  },
  {
    ...strict,
    description: "Spans of requests and attempts go to a collector; without it nothing is traced.",
    errorMessage: "a map with endpoint",
  },
);

export const port = whole(0, 65_535, "0 takes any free port.");
const host = format("host", "An IP address or a host name; 0.0.0.0 and :: mean every address.");
export const listener = { host, port };

/** Printable ASCII: it travels in an Authorization field. */
export const token = textSetting("^[!-~]+$", "visible ASCII characters without spaces", "Asked of callers.");

/** More than any machine has use for, and few enough that a mistyped number does no harm. */
const maxWorkers = 64;
const tls = optional(
  {
    cert: file(
      "a path of a PEM file",
      "File with the certificate, and those between it and its authority, as PEM.",
    ),
    key: file(
      "a path of a PEM file",
      "File with the certificate's private key as PEM, without a passphrase.",
    ),
  },
  "Clients come over TLS. Both files are read at the start only.",
);
const maxClients = whole(1, 1_000_000, "Clients' connections at one time; more are answered with 503.");

const route = Type.Object(
  {
    host: Type.Optional(
      textSetting(
        "^(\\*\\.)?[A-Za-z\\d_-]+(\\.[A-Za-z\\d_-]+)*$",
        "a host name without port, or *.example.com",
        "Host of the request; *.example.com matches every name below.",
      ),
    ),
    path: Type.Optional(
      textSetting("^/[^\\s?#]*$", "a path that begins with /", "This path and all below it."),
    ),
    pool: Type.String({ description: "Where matching requests go.", errorMessage: "the name of a pool" }),
  },
  { ...strict, description: "Requests that match go to a pool.", errorMessage: "a map with pool" },
);

const fileWith = <Upstream extends TSchema>(entry: Upstream) =>
  optional(
    {
      $schema: Type.String({ description: "For editors.", errorMessage: "a URL" }),
      listen: optional({ ...listener, tls, maxClients }, "Where clients connect."),
      engine: word<EngineName>(engineNames, "Data-plane engine: wire or fetch. A change needs a restart."),
      workers: Type.Union([whole(1, maxWorkers, "Processes that serve clients."), Type.Literal("auto")], {
        description: "Processes that serve clients on the same port; auto is one for each core.",
        errorMessage: `a whole number from 1 to ${maxWorkers}, or auto`,
      }),
      admin: optional(
        { ...listener, token, ...accounts },
        "Health, metrics and control. Listens beyond this machine only with a token or users.",
      ),
      state: Type.String({
        minLength: 1,
        description: "File that keeps what operators set at run time, or :memory:.",
        errorMessage: "a path or :memory:",
      }),
      maxMemory: Type.Union([Type.Literal("auto"), format("size", "A size."), Type.Literal(0)], {
        description:
          "When all processes together take so much memory, new requests get 503; auto is 80 % of the control group's limit, 0 none.",
        errorMessage: "a size such as 512MiB, auto or 0",
      }),
      drainDelay: Type.Union(
        [
          format(
            "delay",
            "From the signal to exit, while readiness says 503, until no new requests are taken.",
          ),
          Type.Literal(0),
        ],
        {
          errorMessage: "a duration such as 250ms, 30s or 1h",
        },
      ),
      drainTimeout: Type.Union(
        [format("delay", "How long requests may take to finish at exit."), Type.Literal(0)],
        {
          errorMessage: "a duration such as 250ms, 30s or 1h",
        },
      ),
      clientTimeouts: optional(
        {
          head: duration(
            "From a request's first byte to the end of its head, and on a new connection until that byte.",
          ),
          bodyIdle: duration("Between two pieces of a request's body."),
          keepAlive: duration("Without a request on a kept connection."),
        },
        "Limits on clients.",
      ),
      trustedProxies: Type.Array(format("range", "An IP address or CIDR range."), {
        description: "Whose X-Forwarded fields are believed.",
        errorMessage: "a list of addresses",
      }),
      accessLog,
      tracing: Type.Optional(tracing),
      dashboard: optional(listener, "Where `evenkeel up` shows the dashboard."),
      pools: Type.Record(Type.String({ pattern: "^[A-Za-z][\\w.-]{0,62}$" }), poolWith(entry), {
        ...strict,
        minProperties: 1,
        description: `Pools by name; without any there is one, "${defaults.pool.name}".`,
        errorMessage: "a map of at least one pool",
        propertyNames: {
          errorMessage: "a name: at most 63 letters, digits and . _ -, beginning with a letter",
        },
      }),
      routes: Type.Array(route, {
        description: "The first that matches decides; what none matches goes to the first pool.",
        errorMessage: "a list of routes",
      }),
    },
    "Configuration of Evenkeel.",
  );

/** What the parser checks; upstreams are maps by then. */
export const fileSchema = fileWith(upstreamFileSchema);

/** A file that passed the check. */
export type ConfigFile = Static<typeof fileSchema>;
export type PoolFile = NonNullable<ConfigFile["pools"]>[string];
export type UpstreamFile = PoolFile["upstreams"][number];

/** What editors check, as JSON Schema (draft 2020-12); our own formats are left out, since nobody else knows them. */
export function editorSchema(): Readonly<Record<string, unknown>> {
  const dialect = { $schema: "https://json-schema.org/draft/2020-12/schema", title: "Evenkeel" };
  const all = JSON.stringify({ ...dialect, ...fileWith(upstreamOrText) }, (key, value: unknown) =>
    key === "format" ? undefined : value,
  );
  return JSON.parse(all) as Record<string, unknown>;
}

export const backendSchema = optional(
  {
    name: textSetting("^\\S(.{0,62}\\S)?$", "a name of at most 64 characters", "Stands in every answer."),
    ...listener,
    latency: format("time-range", "Each answer waits for a time in this range."),
    failRate: Type.Number({
      minimum: 0,
      maximum: 1,
      description: "Share of requests answered with 500.",
      errorMessage: "a number from 0 to 1",
    }),
  },
  "One demo server.",
);

export const dashboardSchema = optional(
  { ...listener, balancerUrl: origin, adminUrl: origin, adminToken: token },
  "The dashboard as a process of its own.",
);
