/** The shapes of what callers send and of what an order is answered with. Bodies are checked against these. */

import { Type } from "@sinclair/typebox";
import { upstreamFileSchema as newcomerSchema } from "../../config/pool-schema.ts";
import { strict, integer } from "../../config/schema-kit.ts";
import { maxFaultLatencyMs, maxFaultMs, injectedErrors } from "../../fault/fault.ts";
import { modes } from "../../pool/upstream.ts";
import { count, oneOf, textSchema, boolean } from "./parts.ts";
import { upstreamDetailSchema } from "./snapshot.ts";

const reason = Type.Optional(
  Type.String({
    description: "Why, in your words: kept with the change. More than 500 characters are cut.",
    errorMessage: "a text",
  }),
);

/** What an order without further content may say. */
export const reasonBody = Type.Object({ reason }, { ...strict, title: "Reason", errorMessage: "a map" });

export const modeBody = Type.Object(
  {
    mode: { ...oneOf(modes, "What is wanted."), errorMessage: `one of ${modes.join(", ")}` },
    reason,
  },
  { ...strict, title: "ModeOrder", errorMessage: "a map with mode" },
);

export const weightBody = Type.Object(
  {
    weight: Type.Union([integer(0, 256, "Share relative to its siblings; 0 gets none."), Type.Null()], {
      description: "Null goes back to the configured one.",
      errorMessage: "a whole number from 0 to 256, or null",
    }),
    reason,
  },
  { ...strict, title: "WeightOrder", errorMessage: "a map with weight" },
);

/** Only for the document: what is wrong in it is found where it is carried out, with every problem at once. */
export const faultBody = Type.Object(
  {
    latencyMs: Type.Optional(
      Type.Number({ minimum: 0, maximum: maxFaultLatencyMs, description: "Added to each attempt." }),
    ),
    errorShare: Type.Optional(
      Type.Number({ minimum: 0, maximum: 1, description: "Of the attempts that fail." }),
    ),
    error: Type.Optional(oneOf(injectedErrors, "How they fail; by default `connect_refused`.")),
    seconds: Type.Optional(
      Type.Number({ minimum: 1, maximum: maxFaultMs / 1_000, description: "By default 30." }),
    ),
    probes: Type.Optional(boolean("Active checks fail too.")),
    force: Type.Optional(boolean("Also where the pool would be left with too few; needs the role admin.")),
    reason,
  },
  { ...strict, title: "RehearsalOrder", errorMessage: "a map" },
);

/** As in the configuration file, but for `tls.ca`: files are named there alone. Checked where upstreams are added. */
export const newUpstreamBody = Type.Object(
  { ...newcomerSchema.properties, reason },
  { ...strict, title: "Newcomer", errorMessage: "a map with url" },
);

export const drainReportSchema = Type.Object(
  {
    id: textSchema("Of the upstream."),
    drained: boolean("Nothing is under way there any more."),
    inFlight: count("How many requests are left."),
    undone: boolean("Somebody set another mode meanwhile."),
    cut: count("How many were cut by force."),
    upstream: Type.Union([upstreamDetailSchema, Type.Null()], { description: "Null if it is gone." }),
  },
  { title: "DrainReport" },
);

export const removalSchema = Type.Object(
  {
    id: textSchema("Of the upstream."),
    removed: boolean("Whether it is gone; if not, it goes as soon as it is empty, after 30 s in any case."),
    drained: boolean("Nothing is under way there any more."),
    inFlight: count("How many requests are left."),
  },
  { title: "Removal" },
);

export const healthSchema = Type.Object({ status: textSchema("One word, or why not.") }, { title: "Health" });

export const problemSchema = Type.Object(
  {
    type: textSchema("`about:blank`: the status says what kind it is."),
    title: textSchema("The status in words."),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    detail: textSchema("What cannot be done, and why."),
    reason: textSchema("One word, for programs."),
    problems: Type.Optional(Type.Array(Type.String(), { description: "Where several things are wrong." })),
    current: Type.Optional(Type.Unknown({ description: "With 412: what is there now." })),
  },
  { title: "Problem", description: "RFC 9457." },
);
