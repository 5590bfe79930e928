/** What the document says of the routes about requests. */

import { Type } from "@sinclair/typebox";
import { count, oneOf, textSchema } from "../schemas/parts.ts";
import { explainedSchema, dryRunSchema, dryRunBody, requestsSchema } from "../schemas/request.ts";
import { jsonResponse, jsonBody, type Operation } from "./operation.ts";

const filter = {
  pool: textSchema("Only those of this pool."),
  upstream: textSchema("Only those that tried this upstream."),
  method: textSchema("Only those with this method."),
  status: textSchema("Only those answered so: `404`, or `5xx`."),
  path: textSchema("Only those whose target begins so."),
  reason: textSchema("Only those with this reason word, wherever it stands."),
};

export const requestOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/api/requests",
    tag: "Requests",
    summary: "The requests of late",
    about:
      "Kept are the last thousand, the last five hundred that failed or were tried again, and the hundred slowest of ten " +
      "minutes. Of more than 50 a second a sample is kept, and of more than 200 failed ones.",
    query: {
      which: oneOf(["recent", "slowest", "failed"], "Which list; by default recent."),
      ...filter,
      limit: count("At most so many, and never more than 500; by default 50."),
      before: count("Only those with a smaller number."),
    },
    responses: { 200: jsonResponse(requestsSchema, "Those that are kept.") },
    problems: { 400: ["query_invalid"] },
  },
  {
    method: "GET",
    path: "/api/requests/stream",
    tag: "Requests",
    summary: "Requests as they end, as server-sent events",
    about:
      "A message `request` has one of those that are kept as data and its number as id: whoever comes back with " +
      "`Last-Event-ID`, as browsers do, misses none of the last thousand. `missed` says how many a slow reader did not get.",
    query: {
      ...filter,
      after: count("Begins after the request with this number; for callers that cannot send Last-Event-ID."),
    },
    fields: { "Last-Event-ID": textSchema("Begins after the request with this number.") },
    responses: { 200: { about: "It does not end.", type: "text/event-stream", schema: Type.String() } },
    problems: { 400: ["query_invalid"], 503: ["listeners_full"] },
  },
  {
    method: "POST",
    path: "/api/requests/dry-run",
    tag: "Requests",
    summary: "Where a request would go now",
    about: "Nothing is sent, and no turn is taken.",
    body: jsonBody(dryRunBody),
    responses: { 200: jsonResponse(dryRunSchema, "What a real one would meet.") },
    problems: {
      400: [
        "body_invalid",
        "method_invalid",
        "host_invalid",
        "target_invalid",
        "clientAddress_invalid",
        "headers_invalid",
      ],
    },
  },
  {
    method: "GET",
    path: "/api/requests/:id",
    tag: "Requests",
    summary: "One request, explained",
    responses: {
      200: jsonResponse(explainedSchema, "Candidates, attempts, times, and all of it in sentences."),
    },
    problems: { 404: ["request_unknown"] },
  },
];
