/** What the document says of the routes that only tell: health, metrics, snapshot, history, and the document itself. */

import { Type } from "@sinclair/typebox";
import { windowNames } from "../../history/levels.ts";
import { expositionType } from "../../metrics/prometheus.ts";
import { healthSchema } from "../schemas/commands.ts";
import { timestamp, oneOf, textSchema } from "../schemas/parts.ts";
import { historySchema } from "../schemas/record.ts";
import { snapshotSchema } from "../schemas/snapshot.ts";
import { jsonResponse, type Operation } from "./operation.ts";

const unchanged = { about: "Nothing has changed since `If-None-Match`." };
/** Open to everybody, but not to foreign pages. */
const foreign = { 403: ["foreign_host", "foreign_origin"] };
const knownField = { "If-None-Match": textSchema("The ETag of an earlier answer.") };

export const readingOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/livez",
    tag: "Health",
    summary: "Whether the process runs",
    responses: { 200: jsonResponse(healthSchema, "It runs and answers.") },
    isOpen: true,
  },
  {
    method: "GET",
    path: "/readyz",
    tag: "Health",
    summary: "Whether it may get traffic",
    responses: {
      200: jsonResponse(healthSchema, "It listens, and is not shutting down."),
      503: jsonResponse(healthSchema, "It starts, drains or has stopped."),
    },
    isOpen: true,
  },
  {
    method: "GET",
    path: "/healthz",
    tag: "Health",
    summary: "Whether it serves",
    responses: {
      200: jsonResponse(healthSchema, "It is ready, and in every pool at least one upstream is fit."),
      503: jsonResponse(healthSchema, "It is not; the status says why."),
    },
    isOpen: true,
  },
  {
    method: "GET",
    path: "/metrics",
    tag: "State",
    summary: "All metrics for Prometheus",
    responses: {
      200: { about: "The text format, version 0.0.4.", type: expositionType, schema: Type.String() },
    },
  },
  {
    method: "GET",
    path: "/api/snapshot",
    tag: "State",
    summary: "The whole picture of now",
    responses: { 200: jsonResponse(snapshotSchema, "Pools, upstreams, traffic, the last events.") },
  },
  {
    method: "GET",
    path: "/api/history",
    tag: "State",
    summary: "The past as columns, for charts",
    query: {
      pool: textSchema("Only this pool; all pools without it."),
      upstream: textSchema("Only this upstream, instead of pools."),
      window: oneOf(windowNames, "How far to look back; by default 5m."),
      since: timestamp("Only what ended after this."),
    },
    responses: {
      200: jsonResponse(historySchema, "One series for each pool, or the one that was asked for."),
    },
    problems: { 400: ["window_invalid", "since_invalid"], 404: ["series_unknown"] },
  },
];

/** The last ones of the list, since nobody comes for them. */
export const documentOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/api/openapi.json",
    tag: "This document",
    isOpen: true,
    problems: foreign,
    summary: "This document",
    fields: knownField,
    responses: {
      200: jsonResponse(
        Type.Object({ openapi: Type.Literal("3.1.1") }, { additionalProperties: true }),
        "OpenAPI 3.1.",
        { isTagged: true },
      ),
      304: unchanged,
    },
  },
  {
    method: "GET",
    path: "/api/docs",
    tag: "This document",
    isOpen: true,
    problems: foreign,
    summary: "This document for people",
    fields: knownField,
    responses: {
      200: { about: "A page.", type: "text/html; charset=utf-8", schema: Type.String(), isTagged: true },
      304: unchanged,
    },
  },
  {
    method: "GET",
    path: "/api/docs/style.css",
    tag: "This document",
    isOpen: true,
    problems: foreign,
    summary: "How that page looks",
    fields: knownField,
    responses: {
      200: {
        about: "A style sheet.",
        type: "text/css; charset=utf-8",
        schema: Type.String(),
        isTagged: true,
      },
      304: unchanged,
    },
  },
];
