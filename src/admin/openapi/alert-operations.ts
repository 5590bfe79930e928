/** Operations on receivers of alerts and silences. */

import {
  alertListSchema,
  alertTestBody,
  alertTestSchema,
  silenceBody,
  silenceSchema,
} from "../schemas/alert.ts";
import { textSchema } from "../schemas/parts.ts";
import { jsonBody, jsonResponse, type Operation } from "./operation.ts";

const headers = {
  "X-Evenkeel-Actor": textSchema(
    "Name for the event log, not a proof of identity. At most 64 letters, digits and `_.@ -`.",
  ),
};

export const alertOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/api/alerts",
    tag: "Alerts",
    summary: "Shows receivers of alerts, what was sent, and silences",
    responses: { 200: jsonResponse(alertListSchema, "Receivers without their secrets.") },
  },
  {
    method: "POST",
    path: "/api/alerts/test",
    tag: "Alerts",
    summary: "Sends a test to a receiver",
    description:
      "Responds when the receiver has answered, or after 10 s. A test does not wait behind other alerts.",
    headers,
    body: jsonBody(alertTestBody),
    responses: {
      200: jsonResponse(alertTestSchema, "What the receiver answered; also if that was an error."),
    },
    problems: {
      400: ["body_invalid", "receiver_invalid"],
      404: ["receiver_unknown"],
      409: ["test_running"],
    },
  },
  {
    method: "POST",
    path: "/api/silences",
    tag: "Alerts",
    summary: "Keeps problems from receivers for a time",
    description:
      "A silence never hides a problem from the list: there it is marked. Receivers get what is still open at its end.",
    headers,
    body: jsonBody(silenceBody),
    responses: { 201: jsonResponse(silenceSchema, "The silence.") },
    problems: {
      400: [
        ...["body_invalid", "silence_invalid", "kind_invalid", "pool_invalid", "upstream_invalid"],
        ...["for_invalid", "until_invalid", "reason_invalid"],
      ],
      404: ["pool_unknown", "upstream_unknown"],
      409: ["silences_full", "upstream_ambiguous"],
    },
  },
  {
    method: "DELETE",
    path: "/api/silences/:id",
    tag: "Alerts",
    summary: "Ends a silence",
    headers,
    responses: { 200: jsonResponse(silenceSchema, "The silence that has ended.") },
    problems: { 404: ["silence_unknown"] },
  },
];
