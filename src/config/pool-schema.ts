/** The schema of a pool in the configuration file. */

import { type TSchema, Type } from "@sinclair/typebox";

import { type BuiltInPolicy, type PolicyName, policyNames } from "../policy/policies.ts";
import { type ProxyVersion, proxyVersions } from "../net/proxy-protocol.ts";
import type { StickySettings } from "../filter/sticky-cookie.ts";
import { type SameSite, sameSiteModes } from "../proxy/cookies.ts";
import { type HashBy, hashByPattern } from "../proxy/hash-key.ts";
import { sourceKeys } from "./discovery.ts";
import {
  duration,
  flag,
  format,
  optional,
  origin,
  share,
  strict,
  textSetting,
  integer,
  choice,
} from "./schema-kit.ts";
import { upstreamKeys, upstreamTls } from "./upstream-schema.ts";

/** An upstream, or a source of upstreams. */
export const entryFileSchema = Type.Object(
  { ...upstreamKeys, url: Type.Optional(origin), ...sourceKeys },
  {
    ...strict,
    description: "One upstream, or a source of upstreams.",
    errorMessage: "a URL or a map with url",
  },
);

/** For editors. The parser expands the short form before the check. */
export const upstreamOrText = Type.Union([
  Type.String({
    pattern: "^[hH][tT][tT][pP][sS]?://[^\\s,]+$",
    description: "http://10.0.0.1:8080;weight=3;backup;name=api-1",
  }),
  entryFileSchema,
]);

const durationOrNone = (description: string) =>
  Type.Union([duration("A duration."), Type.Literal(0)], {
    description,
    errorMessage: "a duration such as 250ms, 30s or 1h, or 0",
  });

const probe = optional(
  {
    path: textSetting(
      "^/[^\\s#]*$",
      "a path that starts with /",
      "Path of an HTTP probe; without it the probe is a TCP connect.",
    ),
    grpc: Type.Union(
      [
        flag("true asks for the whole server, which has the empty name."),
        textSetting("^[^\\s]+$", "the name of a service", "The service to ask for."),
      ],
      {
        description: "A probe by the standard health service of gRPC, grpc.health.v1.Health/Check.",
        errorMessage: "true, or the name of a service",
      },
    ),
    interval: duration("Interval between two probes."),
    changingInterval: duration(
      "Longest interval between two probes while the verdict may change, or while an upstream has not come up yet.",
    ),
    jitter: Type.Number({
      minimum: 0,
      maximum: 1,
      description: "Each interval is random in interval × (1 ± jitter).",
      errorMessage: "a number from 0 to 1",
    }),
    timeout: duration("A probe without a response after this time fails."),
    rise: integer(1, 100, "Consecutive successes until an upstream passes."),
    fall: integer(1, 100, "Consecutive failures until an upstream fails."),
  },
  "Active health checks.",
);

const sticky = Type.Union(
  [
    Type.Boolean(),
    optional(
      {
        cookie: textSetting(
          "^[!#$%&'*+.^_`|~\\dA-Za-z-]{1,64}$",
          "the name of a cookie",
          "Name of the cookie; by default evenkeel_ and the name of the pool.",
        ),
        maxAge: Type.Union([format("age", "A time."), Type.Literal(0)], {
          description: "How long clients keep the cookie; 0, the default, is until the browser ends.",
          errorMessage: "a time such as 30d or 1h, or 0",
        }),
        sameSite: choice<SameSite>(sameSiteModes, "Whether other sites' requests have the cookie."),
        secure: choice<StickySettings["secure"]>(
          ["auto", "always", "never"],
          "Whether the cookie is for https only; auto: if the client uses https.",
        ),
        path: textSetting("^/[!-:<-~]*$", "a path that starts with /", "Path of the cookie."),
        domain: textSetting(
          "^[A-Za-z\\d-]+(\\.[A-Za-z\\d-]+)*$",
          "a domain",
          "Domain of the cookie; by default the request's host alone.",
        ),
        whileDraining: choice<StickySettings["whileDraining"]>(
          ["keep", "move"],
          "keep: clients of a draining upstream stay until shortly before its deadline; move: they leave at once.",
        ),
      },
      "Attributes of the cookie.",
    ),
  ],
  {
    description: "Keeps each client with the upstream that served it, by a cookie; off by default.",
    errorMessage: "true, false or a map",
  },
);

const outlier = optional(
  {
    consecutiveFailures: integer(1, 1_000_000, "Consecutive failures that eject an upstream."),
    failureRatio: share("Failure ratio of the attempts in the window that ejects an upstream."),
    minimumVolume: integer(1, 1_000_000, "Minimum number of attempts in the window for the ratio to apply."),
    window: duration("Time window of the ratio."),
    ejection: duration("Duration of the first ejection; the n-th lasts n times as long."),
    maxEjection: duration("Maximum duration of an ejection."),
    maxEjected: share("Share of the pool that may be ejected at the same time; 0 disables ejections."),
  },
  "Outlier detection: failed attempts (refused, reset, timed out, 502–504) eject an upstream.",
);

export const poolWith = <Upstream extends TSchema>(entry: Upstream) =>
  Type.Object(
    {
      policy: Type.Optional(
        Type.Unsafe<PolicyName>(
          Type.Union(
            [
              choice<BuiltInPolicy>(policyNames, "A policy."),
              Type.String({
                pattern: "^extension:[A-Za-z]\\w{0,62}$",
                description: "A policy of an extension.",
              }),
            ],
            {
              description: "How the pool selects one of the available upstreams.",
              errorMessage: `one of ${policyNames.join(", ")}, or extension:NAME`,
            },
          ),
        ),
      ),
      hashBy: Type.Optional(
        Type.Unsafe<HashBy>(
          textSetting(
            hashByPattern,
            "client-address, uri, header:Name or cookie:name",
            "Key of the hash policy.",
          ),
        ),
      ),
      retries: Type.Optional(integer(0, 2, "Attempts on another upstream after the first one failed.")),
      retryStatuses: Type.Optional(
        Type.Array(integer(502, 504, "A response status."), {
          description: "Response statuses that are retried like failures if the method is idempotent.",
          errorMessage: "a list of statuses among 502, 503 and 504",
        }),
      ),
      retryBudget: Type.Optional(
        optional(
          {
            share: share("Retries as a share of the requests of the last ten seconds."),
            perSecond: integer(0, 1_000_000, "Retries per second that are always allowed."),
          },
          "Limit on retries. Retries of attempts that sent nothing do not count.",
        ),
      ),
      hedge: Type.Optional(
        Type.Union([Type.Literal("p99"), duration("A delay."), Type.Literal(0)], {
          description:
            "Delay after which an idempotent request gets a second, concurrent attempt; p99 is the pool's 99th percentile, 0 is off.",
          errorMessage: "p99, a duration such as 250ms, or 0",
        }),
      ),
      maxInFlight: Type.Optional(
        integer(1, 1_000_000, "Concurrent requests per upstream; no limit by default."),
      ),
      queue: Type.Optional(
        optional(
          {
            maxWaiting: integer(0, 1_000_000, "Requests that may wait; 0 refuses at once."),
            timeout: duration("A request that has waited this long is refused."),
            whenNoneFit: flag("Whether requests also wait while no upstream is available."),
          },
          "Queue for requests when every available upstream is at maxInFlight.",
        ),
      ),
      proxyProtocol: Type.Optional(
        choice<ProxyVersion>(
          proxyVersions,
          "Begins upstream connections with a PROXY header; each then serves one client's connection.",
        ),
      ),
      maxRequestBody: Type.Optional(format("size", "Maximum size of a request body; no limit by default.")),
      sticky: Type.Optional(sticky),
      slowStart: Type.Optional(
        Type.Union(
          [format("delay", "Time from a tenth to full weight after a recovery; 0 is off."), Type.Literal(0)],
          { errorMessage: "a duration such as 250ms, 30s or 1h, or 0" },
        ),
      ),
      outlier: Type.Optional(outlier),
      probe: Type.Optional(probe),
      timeouts: Type.Optional(
        optional(
          {
            connect: duration("Time to open a connection to an upstream."),
            head: duration("Time from the last byte of the request to the response headers, per attempt."),
            total: durationOrNone(
              "Time from the request headers to the response headers, including all attempts and waits; 0 is no limit.",
            ),
            bodyIdle: duration("Time between two chunks of a response body."),
            tunnelIdle: duration("Time without a byte on an upgraded connection."),
            connectionAge: durationOrNone(
              "Maximum age of a reused upstream connection, reduced at random by up to a tenth; 0 is no limit.",
            ),
          },
          "Time limits on upstreams.",
        ),
      ),
      http2: Type.Optional(
        flag(
          "Whether requests go to the upstreams over HTTP/2: https as the TLS handshake selects, http with prior knowledge.",
        ),
      ),
      upstreamTls: Type.Optional(upstreamTls("TLS settings of the https upstreams of this pool.")),
      upstreams: Type.Array(entry, {
        minItems: 1,
        description: "Upstreams of this pool.",
        errorMessage: "a list of at least one upstream",
      }),
    },
    {
      ...strict,
      description: "Upstreams with the policy that selects among them.",
      errorMessage: "a map with upstreams",
    },
  );
