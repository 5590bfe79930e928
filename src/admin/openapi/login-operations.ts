/** What the document says of the routes that know people. */

import { Type } from "@sinclair/typebox";
import type { Caller } from "../../access/access.ts";
import { roles } from "../../access/role.ts";
import { nullable, oneOf, textSchema, boolean, enumOf } from "../schemas/parts.ts";
import { jsonResponse, jsonBody, type Operation } from "./operation.ts";

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
