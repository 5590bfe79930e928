/** Schemas of commands and their results. Request bodies are validated against these. */

import { elsewhereSchema, sharedSchema } from "./fleet.ts";
import { Type } from "@sinclair/typebox";
import { upstreamFileSchema } from "../../config/upstream-schema.ts";
import { strict, integer } from "../../config/schema-kit.ts";
import { maxFaultLatencyMs, maxFaultMs, injectedErrors } from "../../fault/fault.ts";
import { modes } from "../../pool/upstream.ts";
import { count, oneOf, textSchema, boolean } from "./parts.ts";
import { upstreamDetailSchema } from "./snapshot.ts";

const reason = Type.Optional(
  Type.String({
    description: "Why you make this change; stored with it. Cut at 500 characters.",
    errorMessage: "a string",
  }),
);

/** Body of a command without further parameters. */
export const reasonBody = Type.Object({ reason }, { ...strict, title: "Reason", errorMessage: "a map" });

export const modeBody = Type.Object(
  {
    mode: { ...oneOf(modes, "The new mode."), errorMessage: `one of ${modes.join(", ")}` },
    reason,
  },
  { ...strict, title: "ModeChange", errorMessage: "a map with mode" },
);

export const weightBody = Type.Object(
  {
    weight: Type.Union(
      [integer(0, 256, "Relative share of the pool's traffic; 0 disables the upstream."), Type.Null()],
      {
        description: "Null restores the configured weight.",
        errorMessage: "a whole number from 0 to 256, or null",
      },
    ),
    reason,
  },
  { ...strict, title: "WeightChange", errorMessage: "a map with weight" },
);

/** Only for the OpenAPI document: the control plane validates the body and reports every problem at once. */
export const faultBody = Type.Object(
  {
    latencyMs: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: maxFaultLatencyMs,
        description: "Milliseconds added to each attempt.",
      }),
    ),
    errorShare: Type.Optional(
      Type.Number({ minimum: 0, maximum: 1, description: "Share of attempts that fail." }),
    ),
    error: Type.Optional(oneOf(injectedErrors, "How attempts fail; default `connect_refused`.")),
    seconds: Type.Optional(
      Type.Number({ minimum: 1, maximum: maxFaultMs / 1_000, description: "Duration; default 30." }),
    ),
    probes: Type.Optional(boolean("Probes fail too.")),
    force: Type.Optional(boolean("Inject even if too few upstreams would remain; needs the role admin.")),
    reason,
  },
  { ...strict, title: "FaultRequest", errorMessage: "a map" },
);

/** As in the configuration file, without `tls.ca`, which names a file. The control plane validates the body. */
export const newUpstreamBody = Type.Object(
  { ...upstreamFileSchema.properties, reason },
  { ...strict, title: "NewUpstream", errorMessage: "a map with url" },
);

export const drainReportSchema = Type.Object(
  {
    id: textSchema("Id of the upstream."),
    drained: boolean("No request is in flight any more."),
    inFlight: count("Requests still in flight."),
    undone: boolean("The mode was changed while draining."),
    cut: count("Number of requests aborted by force."),
    elsewhere: Type.Optional(elsewhereSchema),
    upstream: Type.Union([upstreamDetailSchema, Type.Null()], {
      description: "Null if the upstream was removed.",
    }),
  },
  { title: "DrainReport" },
);

export const removalSchema = Type.Object(
  {
    id: textSchema("Id of the upstream."),
    removed: boolean(
      "Whether the upstream is removed. If not, it is removed when idle, at the latest after 30 s.",
    ),
    drained: boolean("No request is in flight any more."),
    inFlight: count("Requests still in flight."),
    shared: Type.Optional(sharedSchema),
  },
  { title: "Removal" },
);

export const healthSchema = Type.Object(
  { status: textSchema("One word, or the cause.") },
  { title: "Health" },
);

export const problemSchema = Type.Object(
  {
    type: textSchema("`about:blank`: the status identifies the kind of error."),
    title: textSchema("Status phrase."),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    detail: textSchema("What failed, and why; a sentence for people."),
    reason: textSchema("One word for programs."),
    problems: Type.Optional(
      Type.Array(Type.String(), { description: "One sentence per problem, when there are several." }),
    ),
    current: Type.Optional(Type.Unknown({ description: "With 412: the current state." })),
  },
  { title: "Problem", description: "An error (RFC 9457)." },
);
