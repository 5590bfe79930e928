/** What the document says of the routes that act on upstreams. */

import { Type } from "@sinclair/typebox";
import {
  drainReportSchema,
  modeBody,
  newUpstreamBody,
  reasonBody,
  faultBody,
  removalSchema,
  weightBody,
} from "../schemas/commands.ts";
import { textSchema } from "../schemas/parts.ts";
import { poolSchema, upstreamDetailSchema } from "../schemas/snapshot.ts";
import { jsonResponse, jsonBody, type Operation } from "./operation.ts";

/** Of every write. */
const actor = {
  "X-Evenkeel-Actor": textSchema(
    "Who acts: a name for the record, not a proof. At most 64 letters, digits, `_.@ -`.",
  ),
};

/** Of every write that is kept. */
const headers = {
  "If-Match": textSchema(
    "The ETag of what this was decided on. If that has changed since, nothing is done: 412.",
  ),
  ...actor,
};

const wait = textSchema(
  "How long to wait until it is empty, at most 1h: `30s`. Without it the answer comes at once.",
);
const deadline = textSchema(
  "By when it should be empty, without anybody waiting for it: `30s`; by default as long as `wait`.",
);
const changed = jsonResponse(upstreamDetailSchema, "As it is now.", { isTagged: true });
const tooLate = ["intent_changed"];

export const upstreamOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/api/upstreams/:id",
    tag: "Upstreams",
    summary: "Everything about one upstream",
    about:
      "The ETag names what operators set (mode, weight, backup place, membership, a rehearsal, and when), not what is measured: send it " +
      "back as `If-Match` with a write. Since traffic changes all the time, this is never answered with 304.",
    responses: {
      200: jsonResponse(upstreamDetailSchema, "With probes, latencies and answers.", { isTagged: true }),
    },
    problems: { 404: ["upstream_unknown"] },
  },
  {
    method: "PATCH",
    path: "/api/upstreams/:id",
    tag: "Upstreams",
    summary: "Sets its weight",
    fields: headers,
    body: jsonBody(weightBody),
    responses: { 200: changed },
    problems: {
      400: ["body_invalid", "weight_invalid", "reason_invalid"],
      404: ["upstream_unknown"],
      409: ["upstream_leaving"],
      412: tooLate,
    },
  },
  {
    method: "DELETE",
    path: "/api/upstreams/:id",
    tag: "Upstreams",
    summary: "Drains it, then takes it out of its pool",
    query: { wait },
    fields: headers,
    body: jsonBody(reasonBody),
    responses: {
      200: jsonResponse(removalSchema, "It is gone."),
      202: jsonResponse(removalSchema, "It gets nothing new, and goes when it is empty."),
    },
    problems: {
      400: ["body_invalid", "reason_invalid", "wait_invalid"],
      404: ["upstream_unknown"],
      409: ["upstream_leaving", "upstream_last"],
      412: tooLate,
    },
  },
  {
    method: "POST",
    path: "/api/upstreams/:id/mode",
    tag: "Upstreams",
    summary: "Sets its mode",
    about:
      "`draining` and `maintenance` get nothing new; what is under way finishes. `ready` for one that is ready already ends its ejection. It survives restarts.",
    fields: headers,
    body: jsonBody(modeBody),
    responses: { 200: changed },
    problems: {
      400: ["body_invalid", "mode_invalid", "reason_invalid"],
      404: ["upstream_unknown"],
      409: ["upstream_leaving"],
      412: tooLate,
    },
  },
  {
    method: "POST",
    path: "/api/upstreams/:id/drain",
    tag: "Upstreams",
    summary: "Drains it, and answers when it is empty",
    query: { wait, deadline, force: Type.Boolean({ description: "Cuts what is left when the time is up." }) },
    fields: headers,
    body: jsonBody(reasonBody),
    responses: {
      200: jsonResponse(drainReportSchema, "It is empty, the time is up, or it was undone.", {
        isTagged: true,
      }),
    },
    problems: {
      400: ["body_invalid", "reason_invalid", "wait_invalid"],
      404: ["upstream_unknown"],
      409: ["upstream_leaving"],
      412: tooLate,
      501: ["force_unsupported"],
    },
  },
  {
    method: "PUT",
    path: "/api/upstreams/:id/rehearsal",
    tag: "Upstreams",
    summary: "Plays a fault on it for a while",
    about: "It replaces the one that runs, ends by itself and survives no restart.",
    fields: headers,
    body: jsonBody(faultBody),
    responses: { 200: changed },
    problems: {
      400: ["body_invalid"],
      403: ["role_insufficient"],
      404: ["upstream_unknown"],
      409: ["rehearsal_unsafe"],
      412: tooLate,
      422: ["rehearsal_invalid"],
    },
  },
  {
    method: "DELETE",
    path: "/api/upstreams/:id/rehearsal",
    tag: "Upstreams",
    summary: "Ends the rehearsal that runs there",
    fields: headers,
    body: jsonBody(reasonBody),
    responses: { 200: changed },
    problems: {
      400: ["body_invalid", "reason_invalid"],
      404: ["upstream_unknown"],
      409: ["rehearsal_none"],
      412: tooLate,
    },
  },
  {
    method: "GET",
    path: "/api/pools/:pool",
    tag: "Upstreams",
    summary: "One pool of the snapshot",
    about: "The ETag names who belongs to it and what was set for each, for `If-Match` when one is added.",
    responses: { 200: jsonResponse(poolSchema, "With its upstreams.", { isTagged: true }) },
    problems: { 404: ["pool_unknown"] },
  },
  {
    method: "POST",
    path: "/api/pools/:pool/upstreams",
    tag: "Upstreams",
    summary: "Adds an upstream",
    about: "It is probed first, and serves if that is well. It survives restarts.",
    fields: headers,
    body: jsonBody(newUpstreamBody),
    responses: { 201: { ...changed, about: "It belongs to the pool." } },
    problems: {
      400: ["body_invalid"],
      404: ["pool_unknown"],
      409: ["upstream_exists"],
      412: tooLate,
      422: ["upstream_invalid"],
    },
  },
];
