/** The shapes of requests as the admin API tells of them. */

import { Type } from "@sinclair/typebox";
import { policyNames, type PolicyName } from "../../policy/policies.ts";
import type { FailurePhase } from "../../pool/outcome.ts";
import type { AttemptRecord } from "../../proxy/record.ts";
import { strict } from "../../config/schema-kit.ts";
import {
  count,
  list,
  timestamp,
  nullable,
  numberSchema,
  oneOf,
  textSchema,
  boolean,
  enumOf,
} from "./parts.ts";

const milliseconds = (description: string) => nullable(Type.Number(), description);

const outcomes = enumOf<AttemptRecord["outcome"]>({ response: true, failure: true, cancelled: true });
const phases = enumOf<FailurePhase>({ connect: true, head: true, body: true });

const attemptSchema = Type.Object(
  {
    upstream: textSchema("Where it went."),
    startMs: Type.Number({ description: "Milliseconds since the request began." }),
    connectMs: milliseconds("Until a fresh connection was open; null on a kept one, or where nobody knows."),
    headMs: milliseconds("From its start to the answer's head; null without one."),
    endMs: Type.Number({ description: "From its start to its end." }),
    status: count("0 without an answer."),
    outcome: oneOf(outcomes, "How it ended; `cancelled` says nothing against the upstream."),
    phase: nullable(oneOf(phases, "How far it had come."), "Null unless it failed."),
    reason: nullable(Type.String(), "One of the reason words; null unless it failed."),
    rehearsed: boolean("A rehearsal held it back, made it fail or both."),
  },
  { title: "AttemptRecord" },
);

const candidateSchema = Type.Object(
  {
    upstream: textSchema("One of those that were fit."),
    inFlight: count("What it had under way."),
    weight: numberSchema("Less than the configured one during a slow start."),
    latencyMs: milliseconds("Peak-sensitive average; null while unmeasured."),
  },
  { title: "Candidate" },
);

const choiceSchema = Type.Object(
  {
    chosen: textSchema("Where the attempt went."),
    candidates: list(candidateSchema, "Those that were fit, at most 16."),
    fit: count("How many were fit in all."),
  },
  { title: "Choice" },
);

const traceSchema = Type.Object({
  traceId: textSchema("32 hex digits."),
  spanId: textSchema("Of this balancer's span."),
  parentId: Type.Optional(Type.String({ description: "Of the client's span." })),
});

const requestSchema = Type.Object(
  {
    seq: count("Grows from request to request; begins anew at each start."),
    requestId: textSchema("As in X-Request-Id, log and answer."),
    clientAddress: textSchema("The peer's."),
    scheme: oneOf(["http", "https"] as const, "What the client speaks."),
    status: count("What the client got; 0 for nothing."),
    bytesIn: count("Of the request; the fetch engine counts bodies alone."),
    bytesOut: count("Of the answer, counted alike."),
    isClientGone: boolean("The client left before it had its answer."),
    at: timestamp("When it began."),
    durationMs: Type.Number({ description: "All of it." }),
    method: textSchema("Empty, like target and host, where the head was not acceptable."),
    target: textSchema("Cut at 2,048 characters."),
    host: textSchema("Likewise."),
    pool: nullable(Type.String(), "Null where no route matched."),
    key: nullable(Type.String(), "What it was pinned by."),
    reason: nullable(Type.String(), "Why it was refused, or how its last attempt failed."),
    complaint: nullable(Type.String(), "Which rule it broke, where it was refused for what it says."),
    notRetried: nullable(Type.String(), "Why it was not tried again."),
    retried: list(Type.String(), "Why each further attempt was made."),
    queuedMs: Type.Number({ description: "How long it waited for a place." }),
    attempts: list(attemptSchema, "In the order of their ends."),
    choices: list(choiceSchema, "In order; of busy times only those of further attempts."),
    traceId: nullable(Type.String(), "Of W3C Trace Context."),
    trace: Type.Optional(traceSchema),
  },
  { title: "Request" },
);

export const requestsSchema = Type.Object(
  {
    requests: list(requestSchema, "Newest first; the slowest ones slowest first."),
    sampled: boolean("Whether more came than are kept."),
  },
  { title: "Requests" },
);

export const explainedSchema = Type.Object(
  { ...requestSchema.properties, account: list(Type.String(), "What happened, in sentences.") },
  { title: "ExplainedRequest" },
);

const maxText = 8_000;
const line = (description: string) =>
  Type.Optional(
    Type.String({ maxLength: maxText, description, errorMessage: "a text of at most 8,000 characters" }),
  );

export const dryRunBody = Type.Object(
  {
    method: line("GET without it."),
    host: line("The Host field."),
    target: line("Path and query; / without it."),
    clientAddress: line("An IP address; 127.0.0.1 without it."),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: "Fields that a pool's key may look at.",
        errorMessage: "a map of texts",
      }),
    ),
  },
  { ...strict, title: "ImaginedRequest", errorMessage: "a map" },
);

export const dryRunSchema = Type.Object(
  {
    route: nullable(
      Type.Object({
        host: nullable(Type.String(), "Null matches all."),
        path: nullable(Type.String(), "Null matches all."),
      }),
      "Null where none matches.",
    ),
    pool: nullable(Type.String(), "Where the route leads."),
    policy: nullable(oneOf<PolicyName>(policyNames, "How one is chosen."), "Null without a pool."),
    key: nullable(Type.String(), "What it would be pinned by."),
    chosen: nullable(
      Type.String(),
      "Where it would go; policies that throw dice may say another one next time.",
    ),
    candidates: list(candidateSchema, "Those that are fit, at most 16."),
    fit: Type.Number({ description: "How many are fit, in all." }),
    others: list(
      Type.Object({ upstream: textSchema("One that is not."), why: textSchema("Why not.") }),
      "Those that are not, at most 50.",
    ),
    out: Type.Number({ description: "How many are not, in all." }),
    refusal: nullable(Type.String(), "What it would be refused with."),
  },
  { title: "Foreseen" },
);
