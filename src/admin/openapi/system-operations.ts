/** What the document says of the routes that only tell: health, metrics, snapshot, history, and the document itself. */

import { Type } from "@sinclair/typebox";
import type { Caller } from "../../access/access.ts";
import { roles } from "../../access/accounts.ts";
import { jsonBody, jsonResponse, type Operation } from "./operation.ts";
import { healthSchema } from "../schemas/commands.ts";
import { boolean, count, enumOf, nullable, oneOf, textSchema, timestamp } from "../schemas/parts.ts";
import {
  eventsSchema,
  historySchema,
  reloadReportSchema,
  settingsSchema,
  stateSchema,
} from "../schemas/record.ts";
import { snapshotSchema } from "../schemas/snapshot.ts";
import { windowNames } from "../../history/store.ts";
import { expositionType } from "../../metrics/prometheus.ts";

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

// What the document says of the routes about the whole: events, the stream, intents, and reloading.

const notModified = { about: "Nothing has changed since `If-None-Match`." };
const etagHeader = { "If-None-Match": textSchema("The ETag of an earlier answer.") };
const only = {
  upstream: textSchema("Only those of this upstream."),
  pool: textSchema("Only those of this pool."),
};

export const systemOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/api/events",
    tag: "Record",
    summary: "What changed, who did it and why",
    query: {
      ...only,
      kind: textSchema("Only those of this kind; several with commas."),
      by: textSchema("Only those of this name."),
      text: textSchema("Only those that have this somewhere in them, in whatever case."),
      "by-operators": textSchema(
        "`1` for what somebody did, without what the balancer found out or did itself.",
      ),
      after: count("Only later ones than this number; then the first of them."),
      before: count("Only earlier ones than this number, the last of them."),
      limit: count("At most so many, and never more than 2000; by default 100."),
    },
    responses: { 200: jsonResponse(eventsSchema, "The last ones, oldest first.") },
    problems: { 400: ["query_invalid"] },
  },
  {
    method: "GET",
    path: "/api/stream",
    tag: "Record",
    summary: "Events as they happen, and snapshots, as server-sent events",
    about:
      "A message `event` has an event of the record as data and its number as id: whoever comes back with " +
      "`Last-Event-ID`, as browsers do, misses nothing of the last 2,000 events. A message `snapshot` has what " +
      "`/api/snapshot` answers. A comment comes every 15 s. Whoever reads too slowly misses snapshots; whoever does " +
      "not read at all is cut.",
    query: {
      ...only,
      snapshots: textSchema("How often a snapshot comes, from 1s to 1m; none without it."),
      after: count("Begins after the event with this number; for callers that cannot send Last-Event-ID."),
    },
    fields: { "Last-Event-ID": textSchema("Begins after the event with this number.") },
    responses: { 200: { about: "It does not end.", type: "text/event-stream", schema: Type.String() } },
    problems: { 400: ["query_invalid", "snapshots_invalid"], 503: ["listeners_full"] },
  },
  {
    method: "GET",
    path: "/api/config",
    tag: "Configuration",
    summary: "Every value that counts, with its source and without secrets",
    fields: etagHeader,
    responses: { 200: jsonResponse(settingsSchema, "A list.", { isTagged: true }), 304: notModified },
  },
  {
    method: "GET",
    path: "/api/state",
    tag: "Configuration",
    summary: "What operators set at run time",
    fields: etagHeader,
    responses: { 200: jsonResponse(stateSchema, "Oldest first.", { isTagged: true }), 304: notModified },
  },
  {
    method: "GET",
    path: "/api/state/export",
    tag: "Configuration",
    summary: "The same as a configuration file",
    fields: etagHeader,
    responses: {
      200: {
        about: "The pools that differ from the configuration.",
        type: "application/yaml; charset=utf-8",
        schema: Type.String(),
        isTagged: true,
      },
      304: notModified,
    },
  },
  {
    method: "POST",
    path: "/api/reload",
    tag: "Configuration",
    summary: "Takes the configuration file anew",
    about: "Refused as a whole if anything is wrong with it: the old one goes on.",
    query: {
      dry: Type.Boolean({ description: "Only says what would change." }),
      name: textSchema("What to call a file that is sent along."),
    },
    fields: {
      "X-Evenkeel-Actor": textSchema("Who acts: a name for the record, not a proof."),
      "If-Match": textSchema(
        "The ETag of the configuration, from GET /api/config or a dry run: 412 if it has changed since.",
      ),
    },
    body: {
      type: "application/yaml",
      schema: Type.String({ description: "Another file to look at, at most 1 MiB; only with `dry`." }),
    },
    responses: { 200: jsonResponse(reloadReportSchema, "What changed, or would.", { isTagged: true }) },
    problems: {
      400: ["file_unexpected"],
      412: ["configuration_changed"],
      413: ["file_too_long"],
      422: ["configuration_invalid"],
    },
  },
];

// What the document says of the routes that know people.

const role = oneOf(roles, "viewer reads, operator also acts on upstreams, admin does everything.");

const callerKinds = enumOf<Caller["kind"]>({ anybody: true, bearer: true, program: true, user: true });

const loginBody = Type.Object(
  { name: textSchema("At most 64 characters."), password: textSchema("At most 1,024 characters.") },
  { title: "Login", additionalProperties: false },
);

const sessionSchema = Type.Object(
  {
    name: textSchema("Under which everything done with the session is recorded."),
    role,
    session: textSchema("To be sent as `Authorization: Bearer …`, like a token."),
  },
  { title: "Session" },
);

const callerSchema = Type.Object(
  {
    kind: oneOf(callerKinds, "How the caller is known."),
    name: nullable(Type.String(), "Null for whoever has none."),
    role,
    login: boolean("Whether there are users, so that people log in."),
  },
  { title: "Caller" },
);

export const loginOperations: readonly Operation[] = [
  {
    method: "POST",
    path: "/api/login",
    tag: "Access",
    summary: "Begins a session",
    about: "It ends at `/api/logout`, after 30 minutes without a request, or 12 hours after the login.",
    isOpen: true,
    body: jsonBody(loginBody),
    responses: { 200: jsonResponse(sessionSchema, "The session.") },
    problems: {
      400: ["login_invalid"],
      401: ["login_refused"],
      403: ["foreign_host", "foreign_origin"],
      404: ["no_users"],
      429: ["login_paused"],
    },
  },
  {
    method: "POST",
    path: "/api/logout",
    tag: "Access",
    summary: "Ends the caller's session",
    responses: {
      200: jsonResponse(Type.Object({ ended: boolean("Always true.") }, { title: "Logout" }), "It is over."),
    },
    problems: { 409: ["no_session"] },
  },
  {
    method: "GET",
    path: "/api/me",
    tag: "Access",
    summary: "Who the caller is",
    responses: { 200: jsonResponse(callerSchema, "As far as it is known.") },
  },
];
