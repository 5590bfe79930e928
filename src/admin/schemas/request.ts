/** Schemas of request records, explanations and dry runs. */

import { Type } from "@sinclair/typebox";
import type { FailurePhase } from "../../pool/outcome.ts";
import type { AttemptRecord } from "../../proxy/record.ts";
import { strict } from "../../config/schema-kit.ts";
import { requestOutcomes } from "../../requests/request-filter.ts";
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
  policySchema,
} from "./parts.ts";

const milliseconds = (description: string) => nullable(Type.Number(), description);

const outcomes = enumOf<AttemptRecord["outcome"]>({ response: true, failure: true, cancelled: true });
const phases = enumOf<FailurePhase>({ connect: true, head: true, body: true });

const attemptSchema = Type.Object(
  {
    upstream: textSchema("Id of the upstream."),
    startMs: Type.Number({ description: "Milliseconds from the start of the request." }),
    connectMs: milliseconds(
      "Milliseconds until a new connection was open; null for a reused one, or if not measured.",
    ),
    headMs: milliseconds(
      "Milliseconds from the start of the attempt to the response headers; null without a response.",
    ),
    endMs: Type.Number({ description: "Milliseconds from the start of the attempt to its end." }),
    status: count("0 without a response."),
    outcome: oneOf(outcomes, "How the attempt ended; `cancelled` does not count against the upstream."),
    phase: nullable(oneOf(phases, "Phase of the failure."), "Null unless it failed."),
    reason: nullable(Type.String(), "Reason word of the failure; null unless it failed."),
    rehearsed: boolean("An injected fault delayed the attempt or made it fail."),
  },
  { title: "AttemptRecord" },
);

const candidateSchema = Type.Object(
  {
    upstream: textSchema("Id of an available upstream."),
    inFlight: count("Its requests in flight at that time."),
    weight: numberSchema("Weight in use; less than the configured one during a slow start."),
    latencyMs: milliseconds("Peak-sensitive moving average of its latency; null while unmeasured."),
  },
  { title: "Candidate" },
);

const choiceSchema = Type.Object(
  {
    chosen: textSchema("Id of the selected upstream."),
    candidates: list(candidateSchema, "Available upstreams, at most 16."),
    fit: count("Number of available upstreams."),
  },
  { title: "Selection" },
);

const traceSchema = Type.Object({
  traceId: textSchema("32 hex digits."),
  spanId: textSchema("Id of this balancer's span."),
  parentId: Type.Optional(Type.String({ description: "Id of the client's span." })),
});

const splitFields = {
  pool: textSchema("The pool that the split of the route chose."),
  by: textSchema("What it was chosen by: client, header:Name, cookie:name, cookie or none."),
  point: Type.Number({ description: "Hash of the client's key, 0–1." }),
  isFallback: boolean("The pool that was chosen first had no available upstream."),
};

const requestSchema = Type.Object(
  {
    seq: count("Request number; increases also across restarts."),
    requestId: textSchema("As in X-Request-Id, the log and the response."),
    clientAddress: textSchema("IP address of the client: the peer's, or what trusted proxies say."),
    peerAddress: textSchema("IP address of the peer: behind a proxy the proxy's."),
    scheme: oneOf(["http", "https"] as const, "Protocol of the client."),
    listener: textSchema("Name of the listener."),
    protocol: nullable(
      oneOf(["http/1.0", "http/1.1", "h2", "h3"] as const, "HTTP version of the client."),
      "Null with the fetch engine, except for h3.",
    ),
    status: count("Status sent to the client; 0 if none was sent."),
    bytesIn: count("Bytes of the request; the fetch engine counts only the body."),
    bytesOut: count("Bytes of the response, counted in the same way."),
    isClientGone: boolean("The client disconnected before the response was complete."),
    at: timestamp("Start of the request."),
    durationMs: Type.Number({ description: "From the start of the request to the end of the response." }),
    method: textSchema("Empty, like target and host, if the request line or headers were rejected."),
    target: textSchema("Cut at 2,048 characters."),
    host: textSchema("Cut at 2,048 characters."),
    pool: nullable(Type.String(), "Null if no route matched."),
    key: nullable(Type.String(), "Hash key; null without one."),
    matchedPath: nullable(
      Type.String(),
      "The path as routes matched it; null where it arrived like that, or where no route has a path.",
    ),
    route: nullable(
      Type.String(),
      "Name of the route, or its place in the configuration: `routes[3]`; null without one.",
    ),
    routeConditions: nullable(
      Type.String(),
      "Host and path of the route; null without a route, and for one of every host and path.",
    ),
    filter: nullable(Type.String(), "Name of the filter that answered; null where none did."),
    user: nullable(Type.String(), "Who was authenticated by a filter."),
    reason: nullable(Type.String(), "Why the request was refused, or how its last attempt failed."),
    complaint: nullable(Type.String(), "The protocol violation, if the request was refused for one."),
    notRetried: nullable(Type.String(), "Why it was not retried."),
    split: Type.Optional(Type.Object(splitFields, { title: "Split" })),
    sticky: Type.Optional(
      oneOf(
        ["kept", "new", "moved", "full"] as const,
        "What became of it in a sticky pool: its upstream kept it, it had no cookie, it moved, its upstream was full.",
      ),
    ),
    retried: list(Type.String(), "Reason of each further attempt."),
    queuedMs: Type.Number({ description: "Time in the queue, milliseconds." }),
    attempts: list(attemptSchema, "Ordered by their ends."),
    choices: list(choiceSchema, "Selections in order; under load only those of further attempts."),
    traceId: nullable(Type.String(), "Trace id (W3C Trace Context); null without one."),
    trace: Type.Optional(traceSchema),
  },
  { title: "Request" },
);

export const requestsSchema = Type.Object(
  {
    requests: list(requestSchema, "Newest first; the list `slowest` slowest first."),
    sampled: boolean("Whether this is a sample: more requests arrived than are stored."),
    next: Type.Optional(
      nullable(Type.String(), "The cursor of the next page; null on the last one. For the list `kept`."),
    ),
  },
  { title: "Requests" },
);

const outcome = oneOf(
  requestOutcomes,
  "failed: 5xx, a part of a response, or none; refused: 4xx by the balancer; retried: answered by another attempt; slow; sampled: none of these.",
);

const groupSchema = Type.Object(
  {
    outcome,
    status: count("Status sent to the client; 0 if none was sent, and for the sample."),
    reason: nullable(Type.String(), "Reason word; null without one."),
    upstreams: list(Type.String(), "Upstreams that responded or were tried last, at most 8."),
    upstreamCount: count("Number of these upstreams."),
    routes: list(Type.String(), "Routes, at most 8."),
    routeCount: count("Number of these routes."),
    count: count("Kept requests of the group."),
    firstAt: timestamp("When the first of them ended."),
    lastAt: timestamp("When the last of them ended."),
  },
  { title: "RequestGroup" },
);

const countsSchema = Type.Object(
  {
    failed: count("The client got 5xx, a part of a response, or nothing."),
    refused: count("The balancer answered with 4xx."),
    retried: count("Answered by another attempt."),
    slow: count("Took longer than the setting `requests.slowAfter`."),
    sampled: count("A sample of the others."),
  },
  { title: "OutcomeCounts" },
);

export const requestSummarySchema = Type.Object(
  {
    counts: countsSchema,
    routes: list(
      Type.Object(
        { route: nullable(Type.String(), "Null for requests that no route matched."), counts: countsSchema },
        { title: "KeptRoute" },
      ),
      "The routes with most kept requests first, at most 8.",
    ),
    routeCount: count("How many routes there are."),
    groups: list(groupSchema, "The largest first."),
    slowMs: count("From so many milliseconds on a request counts as slow."),
  },
  { title: "RequestSummary" },
);

export const explainedSchema = Type.Object(
  { ...requestSchema.properties, account: list(Type.String(), "The request explained in sentences.") },
  { title: "ExplainedRequest" },
);

const maxText = 8_000;
const line = (description: string) =>
  Type.Optional(
    Type.String({ maxLength: maxText, description, errorMessage: "a string of at most 8,000 characters" }),
  );

export const dryRunBody = Type.Object(
  {
    method: line("Default GET."),
    host: line("The Host header."),
    target: line("Path and query; default /."),
    clientAddress: line("An IP address; default 127.0.0.1."),
    listener: line(
      "Name of the listener that it comes to; default the first one, or the first of the scheme.",
    ),
    scheme: Type.Optional(
      oneOf(["http", "https"] as const, "Protocol of the client; default that of the listener."),
    ),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: "Request headers; routes and a pool's hash key may read them.",
        errorMessage: "a map of strings",
      }),
    ),
  },
  { ...strict, title: "DryRunRequest", errorMessage: "a map" },
);

const otherRouteSchema = Type.Object({
  route: textSchema("Place in the configuration: `routes[3]`."),
  why: textSchema("Why the request does not take it, as a clause."),
});

export const dryRunSchema = Type.Object(
  {
    listener: textSchema("Name of the listener that it would come to."),
    scheme: oneOf(["http", "https"] as const, "Protocol of the client."),
    route: nullable(
      Type.Object({
        place: textSchema("Place in the configuration: `routes[3]`."),
        name: nullable(Type.String(), "Its name, if it has one."),
        host: nullable(Type.String(), "Null matches everything."),
        path: nullable(Type.String(), "Null matches everything."),
      }),
      "The matching route; null without one.",
    ),
    matchedPath: nullable(
      Type.String(),
      "The path as routes matched it; null where it arrived like that, or where no route has a path.",
    ),
    over: list(otherRouteSchema, "Routes that match too but are less specific, at most 5."),
    not: list(
      otherRouteSchema,
      "The nearest routes that do not match, and the conditions that fail, at most 5.",
    ),
    readings: list(
      Type.Object({
        path: textSchema("The path as some servers read it."),
        route: nullable(Type.String(), "Place of its route; null without one."),
      }),
      "Readings of a path that servers read in different ways, at most 16.",
    ),
    filters: list(
      Type.Object({
        name: textSchema("Key of its setting."),
        verdict: oneOf(["passes", "answers", "unknown"] as const, "What it would do."),
        why: textSchema("Why, as a clause."),
      }),
      "Filters of the route, in their order.",
    ),
    answeredBy: nullable(Type.String(), "The first filter that would answer the request; null for none."),
    split: nullable(Type.Object(splitFields), "What the split of the route chose; null without one."),
    pool: nullable(Type.String(), "Pool of the route."),
    policy: nullable(policySchema, "Policy of the pool; null without a pool."),
    key: nullable(Type.String(), "Hash key; null without one."),
    chosen: nullable(
      Type.String(),
      "The upstream that would be selected; random policies may select another one next time.",
    ),
    candidates: list(candidateSchema, "Available upstreams, at most 16."),
    fit: Type.Number({ description: "Number of available upstreams." }),
    others: list(
      Type.Object({
        upstream: textSchema("Id of the upstream."),
        why: textSchema("Why it is not available."),
      }),
      "Upstreams that are not available, at most 50.",
    ),
    out: Type.Number({ description: "Number of upstreams that are not available." }),
    refusal: nullable(
      Type.String(),
      "Reason of the refusal, by a filter too; null if it would be forwarded or answered.",
    ),
    complaint: nullable(Type.String(), "The rule that the request breaks; null without one."),
  },
  { title: "DryRunResult" },
);
