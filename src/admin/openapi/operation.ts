/** What the document says of one address and method: a table entry beside each route, so that routes stay short. */

import type { TSchema } from "@sinclair/typebox";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface OperationResponse {
  readonly about: string;
  /** Without one there is no body. */
  readonly type?: string;
  readonly schema?: TSchema;
  /** It carries an ETag. */
  readonly isTagged?: true;
}

export interface Operation {
  readonly method: Method;
  /** As the router has it: "/api/upstreams/:id". */
  readonly path: string;
  /** A heading that it stands under. */
  readonly tag:
    | "Health"
    | "State"
    | "Upstreams"
    | "Record"
    | "Configuration"
    | "Access"
    | "This document"
    | (string & {});
  readonly summary: string;
  readonly about?: string;
  /** Its query, each parameter with a schema that has a description. None has to be given. */
  readonly query?: Readonly<Record<string, TSchema>>;
  /** Request fields, likewise. */
  readonly fields?: Readonly<Record<string, TSchema>>;
  readonly body?: { readonly type: string; readonly schema: TSchema };
  readonly responses: Readonly<Record<number, OperationResponse>>;
  /** Reason words of its problems, by status, besides those of the guard. */
  readonly problems?: Readonly<Record<number, readonly string[]>>;
  /** Answered to everybody. */
  readonly isOpen?: true;
}

export function jsonResponse(
  schema: TSchema,
  about: string,
  more: Pick<OperationResponse, "isTagged"> = {},
): OperationResponse {
  return { about, type: "application/json", schema, ...more };
}

export function jsonBody(schema: TSchema): NonNullable<Operation["body"]> {
  return { type: "application/json", schema };
}

/** Reason words of its problems by status, those that every JSON body can have among them. */
export function statusReasons({ body, problems = {} }: Operation): NonNullable<Operation["problems"]> {
  if (body?.type !== "application/json") return problems;
  return { 413: ["body_too_long"], 415: ["type_unsupported"], ...problems };
}
