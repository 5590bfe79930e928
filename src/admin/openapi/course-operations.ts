/** What the document says of the routes about the whole: events, the stream, intents, and reloading. */

import { Type } from "@sinclair/typebox";
import { count, textSchema } from "../schemas/parts.ts";
import { eventsSchema, reloadReportSchema, settingsSchema, stateSchema } from "../schemas/record.ts";
import { jsonResponse, type Operation } from "./operation.ts";

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
