/** Operations on the balancer as a whole: events, configuration, sessions, and this description. */

import { Type } from "@sinclair/typebox";
import type { Caller } from "../../access/access.ts";
import { roles } from "../../access/accounts.ts";
import { reasonBody } from "../schemas/commands.ts";
import { boolean, count, enumOf, nullable, oneOf, textSchema } from "../schemas/parts.ts";
import {
  eventsSchema,
  reloadReportSchema,
  rotationReportSchema,
  settingsSchema,
  stateSchema,
} from "../schemas/record.ts";
import { upgradeReportSchema } from "../schemas/upgrade.ts";
import { jsonBody, jsonResponse, type Operation } from "./operation.ts";

const notModified = { description: "Unchanged since `If-None-Match`." };
const ifNoneMatch = { "If-None-Match": textSchema("The ETag of an earlier response.") };

/** Problems of public operations: the host and the origin are still checked. */
const publicProblems = { 403: ["foreign_host", "foreign_origin"] };

const only = {
  upstream: textSchema("Only events of this upstream."),
  pool: textSchema("Only events of this pool."),
};

export const systemOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/api/events",
    tag: "Events",
    summary: "Lists events: what changed, who did it and why",
    query: {
      ...only,
      kind: textSchema("Only events of this kind; several with commas."),
      by: textSchema("Only events of this actor."),
      text: textSchema("Only events that contain this text, ignoring case."),
      "by-operators": textSchema("`1`: only operator actions, without events of the balancer itself."),
      after: count("Only events with a higher number; returns the first of them."),
      before: count("Only events with a lower number; returns the last of them."),
      from: textSchema("Only events at this time or later: RFC 3339, or relative such as `-1h`."),
      to: textSchema("Only events before this time, likewise; or `now`."),
      limit: count("Maximum number of events; default 100, at most 2000."),
    },
    responses: { 200: jsonResponse(eventsSchema, "The last events, oldest first.") },
    problems: {
      400: ["query_invalid"],
      404: ["upstream_unknown", "pool_unknown"],
      409: ["upstream_ambiguous"],
    },
  },
  {
    method: "GET",
    path: "/api/stream",
    tag: "Events",
    summary: "Streams events when they happen, and snapshots, as server-sent events",
    description:
      "An `event` message has an event as data and its number as id. A client that reconnects with `Last-Event-ID`, " +
      "as browsers do, misses none of the last 2,000 events. A `snapshot` message has the response of `/api/snapshot`. " +
      "A `problem` message has a problem that opened, got worse or closed: `{change, from, problem}`. " +
      "A comment is sent every 15 s. A client that reads too slowly misses snapshots and problems; a client that reads nothing is " +
      "disconnected.",
    query: {
      ...only,
      snapshots: textSchema("Interval of snapshots, from 1s to 1m; none without it."),
      after: count("Start after the event with this number; for clients that cannot send Last-Event-ID."),
    },
    headers: { "Last-Event-ID": textSchema("Start after the event with this number.") },
    responses: {
      200: { description: "A stream without an end.", type: "text/event-stream", schema: Type.String() },
    },
    problems: {
      400: ["query_invalid", "snapshots_invalid"],
      404: ["upstream_unknown", "pool_unknown"],
      409: ["upstream_ambiguous"],
      429: ["streams_full"],
      503: ["listeners_full"],
    },
  },
  {
    method: "GET",
    path: "/api/config",
    tag: "Configuration",
    summary: "Returns every effective setting with its source, without secrets",
    headers: ifNoneMatch,
    responses: {
      200: jsonResponse(settingsSchema, "The settings.", { isTagged: true }),
      304: notModified,
    },
  },
  {
    method: "GET",
    path: "/api/state",
    tag: "Configuration",
    summary: "Returns what operators set at run time",
    headers: ifNoneMatch,
    responses: {
      200: jsonResponse(stateSchema, "The intents, oldest first.", { isTagged: true }),
      304: notModified,
    },
  },
  {
    method: "GET",
    path: "/api/state/export",
    tag: "Configuration",
    summary: "Exports what operators set at run time as a configuration file",
    headers: ifNoneMatch,
    responses: {
      200: {
        description: "The pools that differ from the configuration.",
        type: "application/yaml; charset=utf-8",
        schema: Type.String(),
        isTagged: true,
      },
      304: notModified,
    },
  },
  {
    method: "POST",
    path: "/api/certificates/reload",
    tag: "Configuration",
    summary: "Reads the files of the certificates again",
    description:
      "A file that cannot be used leaves the present certificate in place. The balancer also looks every minute.",
    headers: { "X-Evenkeel-Actor": textSchema("Name for the event log, not a proof of identity.") },
    responses: { 200: jsonResponse(rotationReportSchema, "What has changed, and what was refused.") },
  },
  {
    method: "POST",
    path: "/api/upgrade",
    tag: "Configuration",
    summary: "Starts a new process that takes over",
    description:
      "The new process has the executable that is on disk now, and reads the configuration. Replies when it serves, or has failed; then the present process goes on. It may take half a minute.",
    headers: { "X-Evenkeel-Actor": textSchema("Name for the event log, not a proof of identity.") },
    body: jsonBody(reasonBody),
    responses: { 200: jsonResponse(upgradeReportSchema, "Whether another process serves now.") },
    problems: {
      400: ["body_invalid"],
      409: ["upgrade_running"],
      501: ["upgrade_unsupported"],
      503: ["upgrading"],
    },
  },
  {
    method: "POST",
    path: "/api/reload",
    tag: "Configuration",
    summary: "Reloads the configuration file",
    description: "An invalid configuration is rejected as a whole, and the current one stays active.",
    query: {
      dry: Type.Boolean({ description: "Only report what would change." }),
      name: textSchema("Name of the file in the body, for messages."),
    },
    headers: {
      "X-Evenkeel-Actor": textSchema("Name for the event log, not a proof of identity."),
      "If-Match": textSchema(
        "The ETag of the configuration, from GET /api/config or a dry run: 412 if it has changed since.",
      ),
    },
    body: {
      type: "application/yaml",
      schema: Type.String({
        description:
          "Another file to check, at most 1 MiB and 50,000 marks around values (quotes, commas, line ends …); only with `dry`.",
      }),
    },
    responses: {
      200: jsonResponse(reloadReportSchema, "The changes; with `dry` what would change.", {
        isTagged: true,
      }),
    },
    problems: {
      400: ["file_unexpected"],
      412: ["configuration_changed"],
      413: ["file_too_long"],
      422: ["configuration_invalid"],
    },
  },
];

const role = oneOf(roles, "viewer reads, operator also acts on upstreams, admin does everything.");

const callerKinds = enumOf<Caller["kind"]>({ anybody: true, bearer: true, program: true, user: true });

const loginBody = Type.Object(
  {
    name: textSchema("At most 64 characters."),
    password: textSchema("At most 1,024 characters."),
    device: Type.Optional(
      Type.String({ description: "Of an earlier login with this browser: it is counted on its own." }),
    ),
  },
  { title: "Login", additionalProperties: false },
);

const sessionSchema = Type.Object(
  {
    name: textSchema("Actor name of everything done with the session."),
    role,
    session: textSchema("Send it as `Authorization: Bearer …`, like a token."),
    device: textSchema("To keep in this browser and to send with its next login. It ends with the password."),
  },
  { title: "Session" },
);

const callerSchema = Type.Object(
  {
    kind: oneOf(
      callerKinds,
      "`anybody` without configured accounts, `bearer` of the nameless token, `program` with a named token, `user` with a session.",
    ),
    name: nullable(Type.String(), "Null for callers without a name."),
    role,
    login: boolean("Whether users are configured, so that people can log in."),
  },
  { title: "Caller" },
);

export const loginOperations: readonly Operation[] = [
  {
    method: "POST",
    path: "/api/login",
    tag: "Access",
    summary: "Starts a session",
    description:
      "The session ends at `/api/logout`, after 30 minutes without a request, or 12 hours after the login.",
    isPublic: true,
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
      200: jsonResponse(
        Type.Object({ ended: boolean("Always true.") }, { title: "Logout" }),
        "The session has ended.",
      ),
    },
    problems: { 409: ["no_session"] },
  },
  {
    method: "GET",
    path: "/api/me",
    tag: "Access",
    summary: "Shows who the caller is",
    responses: { 200: jsonResponse(callerSchema, "Kind, name and role of the caller.") },
  },
];

/** Last in the document, because they describe only itself. */
export const documentOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/api/openapi.json",
    tag: "This document",
    isPublic: true,
    problems: publicProblems,
    summary: "Returns this document as OpenAPI",
    headers: ifNoneMatch,
    responses: {
      200: jsonResponse(
        Type.Object({ openapi: Type.Literal("3.1.1") }, { additionalProperties: true }),
        "OpenAPI 3.1.",
        { isTagged: true },
      ),
      304: notModified,
    },
  },
  {
    method: "GET",
    path: "/api/docs",
    tag: "This document",
    isPublic: true,
    problems: publicProblems,
    summary: "Shows this document as a page",
    headers: ifNoneMatch,
    responses: {
      200: {
        description: "An HTML page.",
        type: "text/html; charset=utf-8",
        schema: Type.String(),
        isTagged: true,
      },
      304: notModified,
    },
  },
  {
    method: "GET",
    path: "/api/docs/style.css",
    tag: "This document",
    isPublic: true,
    problems: publicProblems,
    summary: "Returns the style sheet of the page",
    headers: ifNoneMatch,
    responses: {
      200: {
        description: "A style sheet.",
        type: "text/css; charset=utf-8",
        schema: Type.String(),
        isTagged: true,
      },
      304: notModified,
    },
  },
];
