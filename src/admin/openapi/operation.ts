/** Describes one operation of the API: a table entry per route, apart from the route so that routes stay short. */

import type { TSchema } from "@sinclair/typebox";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface OperationResponse {
  readonly description: string;
  /** Undefined for a response without a body. */
  readonly type?: string;
  readonly schema?: TSchema;
  /** The response has an ETag. */
  readonly isTagged?: true;
}

export interface Operation {
  readonly method: Method;
  /** In the router's form: "/api/upstreams/:id". */
  readonly path: string;
  /** Heading of its group. */
  readonly tag:
    | "Health"
    | "State"
    | "Alerts"
    | "Upstreams"
    | "Events"
    | "Requests"
    | "Configuration"
    | "Access"
    | "This document";
  readonly summary: string;
  readonly description?: string;
  /** Query parameters, all optional; each schema has a description. */
  readonly query?: Readonly<Record<string, TSchema>>;
  /** Request headers, likewise. */
  readonly headers?: Readonly<Record<string, TSchema>>;
  readonly body?: { readonly type: string; readonly schema: TSchema };
  readonly responses: Readonly<Record<number, OperationResponse>>;
  /** Reason words of its problems by status, without those of the authorization. */
  readonly problems?: Readonly<Record<number, readonly string[]>>;
  /** Needs no authentication. */
  readonly isPublic?: true;
}

export function jsonResponse(
  schema: TSchema,
  description: string,
  more: Pick<OperationResponse, "isTagged"> = {},
): OperationResponse {
  return { description, type: "application/json", schema, ...more };
}

export function jsonBody(schema: TSchema): NonNullable<Operation["body"]> {
  return { type: "application/json", schema };
}

/** Reason words of its problems by status, including those of every JSON body. */
export function statusReasons({ body, problems = {} }: Operation): NonNullable<Operation["problems"]> {
  if (body?.type !== "application/json") return problems;
  return { 413: ["body_too_long"], 415: ["type_unsupported"], ...problems };
}
