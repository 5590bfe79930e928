/** Operations on request records. */

import { Type } from "@sinclair/typebox";
import { count, oneOf, textSchema } from "../schemas/parts.ts";
import {
  dryRunBody,
  dryRunSchema,
  explainedSchema,
  requestsSchema,
  requestSummarySchema,
} from "../schemas/request.ts";
import { jsonBody, jsonResponse, type Operation } from "./operation.ts";

const filter = {
  pool: textSchema("Only requests of this pool."),
  upstream: textSchema("Only requests with an attempt on this upstream."),
  method: textSchema("Only requests with this method."),
  status: textSchema(
    "Only requests with this status: `404`, a class such as `5xx`, `0` for no response, or several with commas.",
  ),
  path: textSchema(
    "Only requests whose target starts with this text; without a `/` at its start, whose host and target do.",
  ),
  route: textSchema("Only requests of this route: its name, or its place such as `routes[3]`."),
  client: textSchema("Only requests of the client with this IP address."),
  id: textSchema("Only requests with this id."),
  outcome: textSchema(
    "Only requests with this outcome, or one of several with commas: `failed`, `refused`, `retried`, `slow`, `sampled`.",
  ),
  from: textSchema("Only requests that ended at this time or later: RFC 3339, or relative such as `-1h`."),
  to: textSchema("Only requests that ended before this time, likewise; or `now`."),
  reason: textSchema(
    "Only requests with this reason word: of the refusal, of an attempt, of a retry, or why there was no retry.",
  ),
};

export const requestOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/api/requests",
    tag: "Requests",
    summary: "Lists recent requests, or searches those of the last day",
    description:
      "In memory are the last 1,000 requests, the last 500 that failed or were retried, and the 100 slowest of ten minutes. " +
      "Above 50 requests per second a sample is stored; above 200 per second also of the failed ones. " +
      "The list `kept` is on disk, for the time and up to the number of the setting `requests`: failed, refused, retried and slow " +
      "requests and a sample of the others, fewer of minutes that have many. A request counts for the time at which it ended.",
    query: {
      which: oneOf(
        ["recent", "slowest", "failed", "kept"],
        "The list; default recent, or kept with `from`, `to`, `outcome` or `cursor`.",
      ),
      ...filter,
      limit: count("Maximum number of requests; default 50, at most 500."),
      before: count("Only requests with a smaller number; not for the list `kept`."),
      cursor: textSchema("`next` of the page before; for the list `kept`."),
    },
    responses: { 200: jsonResponse(requestsSchema, "The stored requests.") },
    problems: { 400: ["query_invalid"], 404: ["requests_not_kept"], 409: ["upstream_ambiguous"] },
  },
  {
    method: "GET",
    path: "/api/requests/summary",
    tag: "Requests",
    summary: "Counts kept requests by outcome and route, and groups what ended alike",
    query: filter,
    responses: { 200: jsonResponse(requestSummarySchema, "Counts and groups of the kept requests.") },
    problems: { 400: ["query_invalid"], 404: ["requests_not_kept"], 409: ["upstream_ambiguous"] },
  },
  {
    method: "GET",
    path: "/api/requests/stream",
    tag: "Requests",
    summary: "Streams requests when they end, as server-sent events",
    description:
      "A `request` message has a stored request as data and its number as id. A client that reconnects with " +
      "`Last-Event-ID`, as browsers do, misses none of the last 1,000. A `missed` message has the number of requests " +
      "that were not sent because the client read too slowly.",
    query: {
      ...filter,
      after: count("Start after the request with this number; for clients that cannot send Last-Event-ID."),
    },
    headers: { "Last-Event-ID": textSchema("Start after the request with this number.") },
    responses: {
      200: { description: "A stream without an end.", type: "text/event-stream", schema: Type.String() },
    },
    problems: {
      400: ["query_invalid"],
      409: ["upstream_ambiguous"],
      429: ["streams_full"],
      503: ["listeners_full"],
    },
  },
  {
    method: "POST",
    path: "/api/requests/dry-run",
    tag: "Requests",
    summary: "Shows where a request would go now",
    description: "Sends nothing and does not change the state of the policy.",
    body: jsonBody(dryRunBody),
    responses: { 200: jsonResponse(dryRunSchema, "The result for a real request.") },
    problems: {
      400: [
        "body_invalid",
        "method_invalid",
        "host_invalid",
        "target_invalid",
        "clientAddress_invalid",
        "listener_invalid",
        "scheme_invalid",
        "headers_invalid",
      ],
    },
  },
  {
    method: "GET",
    path: "/api/requests/:id",
    tag: "Requests",
    summary: "Explains one request",
    responses: {
      200: jsonResponse(explainedSchema, "Candidates, attempts and times, also in sentences."),
    },
    problems: { 404: ["request_unknown"] },
  },
];
