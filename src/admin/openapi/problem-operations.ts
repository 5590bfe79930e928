/** Operations on the list of problems, and on the routes that they hit. */

import { problemLevels } from "../../problems/problem.ts";
import { reasonBody } from "../schemas/commands.ts";
import { oneOf, textSchema } from "../schemas/parts.ts";
import { problemsSchema, serviceProblemSchema } from "../schemas/problem.ts";
import { routesSchema } from "../schemas/route.ts";
import { jsonBody, jsonResponse, type Operation } from "./operation.ts";

export const problemOperations: readonly Operation[] = [
  {
    method: "GET",
    path: "/api/problems",
    tag: "State",
    summary: "Lists what is wrong, worst first",
    query: {
      state: oneOf(
        ["open", "closed", "all"],
        "Default open. Of the closed ones the last 500 since the start are known.",
      ),
      level: oneOf(problemLevels.slice(), "Only problems of this level."),
      pool: textSchema("Only problems of this pool and its upstreams."),
      from: textSchema("Only problems that had not ended before this time: RFC 3339, `-1h` or `now`."),
      to: textSchema("Only problems that had begun by this time."),
    },
    responses: {
      200: jsonResponse(
        problemsSchema,
        "The open ones, worst first; then the closed ones, the latest first.",
      ),
    },
    problems: { 400: ["query_invalid"], 404: ["pool_unknown"] },
  },
  {
    method: "POST",
    path: "/api/problems/:id/dismiss",
    tag: "State",
    summary: "Calls a problem over",
    description:
      "For a refused reload only: all others end when their cause does. It closes within a second, and an event names the actor.",
    headers: {
      "X-Evenkeel-Actor": textSchema(
        "Name for the event log, not a proof of identity. At most 64 letters, digits and `_.@ -`.",
      ),
    },
    body: jsonBody(reasonBody),
    responses: { 200: jsonResponse(serviceProblemSchema, "The problem, which is about to close.") },
    problems: {
      400: ["body_invalid", "reason_invalid"],
      404: ["problem_unknown"],
      409: ["problem_lasting"],
    },
  },
  {
    method: "GET",
    path: "/api/routes",
    tag: "State",
    summary: "Lists the routes with their traffic, worst first",
    responses: {
      200: jsonResponse(
        routesSchema,
        "Traffic of about the last minute and since the start, and where each leads.",
      ),
    },
  },
];
