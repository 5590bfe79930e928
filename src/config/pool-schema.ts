/** The shape of a pool in the configuration file. Apart from the rest, because it is the largest part. */

import { type TSchema, Type } from "@sinclair/typebox";
import { type PolicyName, policyNames } from "../policy/policies.ts";
import { type HashBy, hashByPattern } from "../proxy/route.ts";
import {
  duration,
  file,
  flag,
  format,
  name,
  optional,
  origin,
  share,
  strict,
  textSetting,
  whole,
  word,
} from "./schema-kit.ts";

const tls = (description: string) =>
  optional(
    {
      ca: file(
        "a path of a PEM file",
        "File with the authorities, as PEM, that are believed instead of the system's.",
      ),
      serverName: format("name", "Asked for and checked instead of the URL's host."),
      verify: flag("False believes any certificate, and so whoever stands in between."),
    },
    description,
  );

export const upstreamFileSchema = Type.Object(
  {
    url: origin,
    name: Type.Optional(name),
    weight: Type.Optional(whole(0, 256, "Share of traffic relative to its siblings; 0 gets none.")),
    backup: Type.Optional(flag("Serves only when no other is fit.")),
    tls: Type.Optional(
      tls("How this https upstream proves who it is; what is left out is as in upstreamTls."),
    ),
  },
  { ...strict, description: "One server.", errorMessage: "a URL or a map with url" },
);

/** For editors: the parser turns the short form into the long one before it checks. */
export const upstreamOrText = Type.Union([
  Type.String({
    pattern: "^[hH][tT][tT][pP][sS]?://[^\\s,]+$",
    description: "http://10.0.0.1:8080;weight=3;backup;name=api-1",
  }),
  upstreamFileSchema,
]);

const durationOrNone = (description: string) =>
  Type.Union([duration("A time."), Type.Literal(0)], {
    description,
    errorMessage: "a duration such as 250ms, 30s or 1h, or 0",
  });

const probe = optional(
  {
    path: textSetting(
      "^/[^\\s#]*$",
      "a path that begins with /",
      "HTTP check of this path; without it a TCP check.",
    ),
    interval: duration("Between two checks."),
    changingInterval: duration("Between two checks while the verdict is about to change."),
    jitter: Type.Number({
      minimum: 0,
      maximum: 1,
      description: "Each wait is drawn from interval × (1 ± jitter).",
      errorMessage: "a number from 0 to 1",
    }),
    timeout: duration("A check without an answer after this long has failed."),
    rise: whole(1, 100, "Successes in a row that bring an upstream back."),
    fall: whole(1, 100, "Failures in a row that take an upstream out."),
  },
  "How upstreams are checked.",
);

const outlier = optional(
  {
    consecutiveFailures: whole(1, 1_000_000, "Failures in a row that take an upstream out."),
    failureRatio: share("Failures among the attempts of the window that take it out."),
    minimumVolume: whole(1, 1_000_000, "The ratio counts for nothing with fewer attempts than this."),
    window: duration("What the ratio looks back on."),
    ejection: duration("How long the first ejection lasts; the n-th lasts n times as long."),
    maxEjection: duration("No ejection lasts longer."),
    maxEjected: share("Share of the pool that may be out at the same time; 0 ejects nobody."),
  },
  "How failed requests (refused, reset, timed out, 502–504) take an upstream out.",
);

export const poolWith = <Upstream extends TSchema>(entry: Upstream) =>
  Type.Object(
    {
      policy: Type.Optional(word<PolicyName>(policyNames, "How one of the fit upstreams is chosen.")),
      hashBy: Type.Optional(
        Type.Unsafe<HashBy>(
          textSetting(
            hashByPattern,
            "client-address, uri, header:Name or cookie:name",
            "What the hash policy pins requests by.",
          ),
        ),
      ),
      retries: Type.Optional(whole(0, 2, "Further attempts elsewhere after the first failed one.")),
      retryStatuses: Type.Optional(
        Type.Array(whole(502, 504, "A status."), {
          description: "Answers that are tried elsewhere like failures, if the method is idempotent.",
          errorMessage: "a list of statuses among 502, 503 and 504",
        }),
      ),
      retryBudget: Type.Optional(
        optional(
          {
            share: share("Retries for each request of the last ten seconds."),
            perSecond: whole(0, 1_000_000, "Retries a second that are always allowed."),
          },
          "How many retries there may be. Where nothing was sent yet, retries are free.",
        ),
      ),
      hedge: Type.Optional(
        Type.Union([Type.Literal("p99"), duration("Since when."), Type.Literal(0)], {
          description:
            "An idempotent request that waits for so long, or for longer than 99 of 100, gets a second attempt beside the first; 0 for none.",
          errorMessage: "p99, a duration such as 250ms, or 0",
        }),
      ),
      maxInFlight: Type.Optional(whole(1, 1_000_000, "Requests at the same time for each upstream.")),
      queue: Type.Optional(
        optional(
          {
            maxWaiting: whole(0, 1_000_000, "Requests that may wait; 0 refuses them at once."),
            timeout: duration("A request that waited for so long is refused."),
            whenNoneFit: flag("Whether requests also wait while no upstream is fit at all."),
          },
          "Where requests wait while every fit upstream has as much in flight as it may have.",
        ),
      ),
      maxRequestBody: Type.Optional(format("size", "Longest request body; without it any is passed on.")),
      slowStart: Type.Optional(
        Type.Union(
          [
            format("delay", "From a tenth to the whole weight after a recovery; 0 for none."),
            Type.Literal(0),
          ],
          { errorMessage: "a duration such as 250ms, 30s or 1h" },
        ),
      ),
      outlier: Type.Optional(outlier),
      probe: Type.Optional(probe),
      timeouts: Type.Optional(
        optional(
          {
            connect: duration("To open a connection to an upstream."),
            head: duration("From the request's last byte to the answer's head, for each attempt."),
            total: durationOrNone(
              "From the request's head to the answer's, over all attempts and waits; 0 for no limit.",
            ),
            bodyIdle: duration("Between two pieces of an answer's body."),
            tunnelIdle: duration("Without a byte on an upgraded connection."),
            connectionAge: durationOrNone(
              "A kept connection that was opened so long ago, or up to a tenth less, serves no further request; 0 for no limit.",
            ),
          },
          "Limits on upstreams.",
        ),
      ),
      upstreamTls: Type.Optional(tls("How https upstreams of this pool prove who they are.")),
      upstreams: Type.Array(entry, {
        minItems: 1,
        description: "The servers of this pool.",
        errorMessage: "a list of at least one upstream",
      }),
    },
    {
      ...strict,
      description: "Upstreams and how to choose among them.",
      errorMessage: "a map with upstreams",
    },
  );
