/** Operations on upstreams and pools. */

import { Type } from "@sinclair/typebox";
import {
  drainReportSchema,
  faultBody,
  modeBody,
  newUpstreamBody,
  reasonBody,
  removalSchema,
  weightBody,
} from "../schemas/commands.ts";
import { textSchema } from "../schemas/parts.ts";
import { poolSchema, upstreamDetailSchema } from "../schemas/snapshot.ts";
import { jsonBody, jsonResponse, type Operation } from "./operation.ts";

/** Headers of every write. */
const headers = {
  "If-Match": textSchema("ETag of the state that you read. If it has changed since, nothing happens: 412."),
  "X-Evenkeel-Actor": textSchema(
    "Name for the event log, not a proof of identity. At most 64 letters, digits and `_.@ -`.",
  ),
};

const wait = textSchema(
  "How long to wait until the upstream is idle, at most 1h: `30s`. Without it the response comes at once.",
);
const deadline = textSchema(
  "Time until the upstream should be idle, without waiting for it: `30s`; default `wait`.",
);
const changed = jsonResponse(upstreamDetailSchema, "The upstream now.", { isTagged: true });
const preconditionFailed = ["intent_changed"];

export const upstreamOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/api/upstreams/:id",
    tag: "Upstreams",
    summary: "Shows one upstream in detail",
    description:
      "The ETag covers what operators set (mode, weight, backup, membership, fault injection, and when), not " +
      "measurements. Send it as `If-Match` with a write. Traffic changes all the time, so the response is never 304.",
    responses: {
      200: jsonResponse(upstreamDetailSchema, "With probes, latencies and status codes.", { isTagged: true }),
    },
    problems: { 404: ["upstream_unknown"], 409: ["upstream_ambiguous"] },
  },
  {
    method: "PATCH",
    path: "/api/upstreams/:id",
    tag: "Upstreams",
    summary: "Sets the weight of an upstream",
    headers,
    body: jsonBody(weightBody),
    responses: { 200: changed },
    problems: {
      400: ["body_invalid", "weight_invalid", "reason_invalid"],
      404: ["upstream_unknown"],
      409: ["upstream_leaving", "upstream_ambiguous"],
      412: preconditionFailed,
    },
  },
  {
    method: "DELETE",
    path: "/api/upstreams/:id",
    tag: "Upstreams",
    summary: "Drains an upstream, then removes it from its pool",
    query: { wait },
    headers,
    body: jsonBody(reasonBody),
    responses: {
      200: jsonResponse(removalSchema, "The upstream is removed."),
      202: jsonResponse(removalSchema, "The upstream is draining and will be removed when idle."),
    },
    problems: {
      400: ["body_invalid", "reason_invalid", "wait_invalid"],
      404: ["upstream_unknown"],
      409: ["upstream_leaving", "upstream_last", "upstream_ambiguous"],
      412: preconditionFailed,
    },
  },
  {
    method: "POST",
    path: "/api/upstreams/:id/mode",
    tag: "Upstreams",
    summary: "Sets the mode of an upstream",
    description:
      "In `draining` and `maintenance` the upstream takes no new requests; in-flight requests finish. `ready` on an " +
      "upstream that is already ready ends its ejection. The mode survives restarts.",
    headers,
    body: jsonBody(modeBody),
    responses: { 200: changed },
    problems: {
      400: ["body_invalid", "mode_invalid", "reason_invalid"],
      404: ["upstream_unknown"],
      409: ["upstream_leaving", "upstream_ambiguous"],
      412: preconditionFailed,
    },
  },
  {
    method: "POST",
    path: "/api/upstreams/:id/drain",
    tag: "Upstreams",
    summary: "Drains an upstream and responds when it is idle",
    query: {
      wait,
      deadline,
      force: Type.Boolean({ description: "Abort remaining requests when the timeout expires." }),
    },
    headers,
    body: jsonBody(reasonBody),
    responses: {
      200: jsonResponse(
        drainReportSchema,
        "The upstream is idle, the wait expired, or the mode was changed.",
        {
          isTagged: true,
        },
      ),
    },
    problems: {
      400: ["body_invalid", "reason_invalid", "wait_invalid"],
      404: ["upstream_unknown"],
      409: ["upstream_leaving", "upstream_ambiguous"],
      412: preconditionFailed,
      501: ["force_unsupported"],
    },
  },
  {
    method: "PUT",
    path: "/api/upstreams/:id/rehearsal",
    tag: "Upstreams",
    summary: "Injects a fault on an upstream for a limited time",
    description: "Replaces an active fault. The fault ends by itself and does not survive a restart.",
    headers,
    body: jsonBody(faultBody),
    responses: { 200: changed },
    problems: {
      400: ["body_invalid"],
      403: ["role_insufficient"],
      404: ["upstream_unknown"],
      409: ["rehearsal_unsafe", "upstream_ambiguous"],
      412: preconditionFailed,
      422: ["rehearsal_invalid"],
    },
  },
  {
    method: "DELETE",
    path: "/api/upstreams/:id/rehearsal",
    tag: "Upstreams",
    summary: "Stops the fault injection on an upstream",
    headers,
    body: jsonBody(reasonBody),
    responses: { 200: changed },
    problems: {
      400: ["body_invalid", "reason_invalid"],
      404: ["upstream_unknown"],
      409: ["rehearsal_none", "upstream_ambiguous"],
      412: preconditionFailed,
    },
  },
  {
    method: "GET",
    path: "/api/pools/:pool",
    tag: "Upstreams",
    summary: "Shows one pool",
    description:
      "The ETag covers the upstreams of the pool and what operators set on each. Send it as `If-Match` to add an upstream.",
    responses: { 200: jsonResponse(poolSchema, "The pool with its upstreams.", { isTagged: true }) },
    problems: { 404: ["pool_unknown"] },
  },
  {
    method: "POST",
    path: "/api/pools/:pool/upstreams",
    tag: "Upstreams",
    summary: "Adds an upstream to a pool",
    description: "The upstream is probed first and serves if the probe passes. It survives restarts.",
    headers,
    body: jsonBody(newUpstreamBody),
    responses: { 201: { ...changed, description: "The upstream was added." } },
    problems: {
      400: ["body_invalid"],
      404: ["pool_unknown"],
      409: ["upstream_exists"],
      412: preconditionFailed,
      422: ["upstream_invalid"],
    },
  },
];
