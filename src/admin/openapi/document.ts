/** Builds the OpenAPI document from the table of operations: JSON Schema is what TypeBox schemas are already. */

import type { TSchema } from "@sinclair/typebox";
import { STATUS_CODES } from "node:http";
import { type Operation, type OperationResponse, statusReasons } from "./operation.ts";
import { requestOperations } from "./request-operations.ts";
import {
  documentOperations,
  loginOperations,
  readingOperations,
  systemOperations,
} from "./system-operations.ts";
import { upstreamOperations } from "./upstream-operations.ts";
import { problemSchema } from "../schemas/commands.ts";
import { version } from "../../config/config.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

type Components = Map<string, { readonly source: unknown; value: Json }>;

export interface OpenApiDocument {
  readonly openapi: "3.1.1";
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Json>>;
    readonly securitySchemes: Json;
  };
  readonly [key: string]: Json;
}

/** Throws if two different schemas have one title. */
export function documentOf(operations: readonly Operation[]): OpenApiDocument {
  const components: Components = new Map();
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of operations) {
    const path = operation.path.replace(/:(\w+)/g, "{$1}");
    (paths[path] ??= {})[operation.method.toLowerCase()] = described(operation, components);
  }
  const tags = [...new Set(operations.map(({ tag }) => tag))].map((name) => ({ name }));
  return {
    openapi: "3.1.1",
    info: {
      title: "Evenkeel admin API",
      version,
      description:
        "Reads and steers a running balancer. Errors are problems (RFC 9457): `detail` for people, `reason` for programs.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{}, { token: [] }],
    tags,
    paths,
    components: {
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          description: "ADMIN_TOKEN, a token of the configuration, or a session; where any of them is set.",
        },
      },
      schemas: Object.fromEntries([...components].map(([name, { value }]) => [name, value])),
    },
  };
}

function described(operation: Operation, components: Components): Json {
  const { method, path, tag, summary, about, query = {}, fields: headers = {}, body, isOpen } = operation;
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => name);
  const parameters = [
    ...inPath.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })),
    ...Object.entries(query).map(([name, schema]) => parameterOf(name, "query", schema)),
    ...Object.entries(headers).map(([name, schema]) => parameterOf(name, "header", schema)),
  ];
  return {
    operationId: operationId(method, path),
    tags: [tag],
    summary,
    ...(about !== undefined && { description: about }),
    ...(isOpen && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        // An order without a reason needs no body.
        required: "required" in body.schema,
        content: { [body.type]: { schema: published(body.schema, components) } },
      },
    }),
    responses: { ...responsesOf(operation, components), ...problemsOf(operation, components) },
  };
}

/** "postApiUpstreamsIdMode" */
function operationId(method: string, path: string): string {
  const words = path.split(/[^A-Za-z]+/).filter((word) => word !== "");
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function parameterOf(name: string, place: "query" | "header", schema: TSchema): Json {
  const { description = "", ...rest } = plain(schema) as { readonly [key: string]: Json };
  return { name, in: place, description, schema: rest };
}

function responsesOf({ responses }: Operation, components: Components): { readonly [status: string]: Json } {
  return Object.fromEntries(
    Object.entries(responses).map(([status, response]) => [status, responseOf(response, components)]),
  );
}

function responseOf({ about, type, schema, isTagged }: OperationResponse, components: Components): Json {
  const tag = { ETag: { description: "Names this state.", schema: { type: "string" } } };
  return {
    description: about,
    ...(isTagged && { headers: tag }),
    ...(type !== undefined && schema && { content: { [type]: { schema: published(schema, components) } } }),
  };
}

function problemsOf(operation: Operation, components: Components): { [status: string]: Json } {
  const guard: Operation["problems"] = operation.isOpen
    ? {}
    : { 401: ["unauthorized"], 403: ["foreign_host", "foreign_origin", "role_insufficient"] };
  return Object.fromEntries(
    Object.entries({ ...statusReasons(operation), ...guard }).map(([status, reasons]) => [
      status,
      {
        description: `${STATUS_CODES[status] ?? status}: ${reasons.map((reason) => `\`${reason}\``).join(", ")}`,
        content: { "application/problem+json": { schema: published(problemSchema, components) } },
      },
    ]),
  );
}

/** The schema as others read it; what has a title stands once, among the components. */
function published(schema: unknown, components: Components): Json {
  if (Array.isArray(schema)) return schema.map((item) => published(item, components));
  if (typeof schema !== "object" || schema === null) return schema as Json;
  const title: unknown = "title" in schema ? schema.title : undefined;
  if (typeof title !== "string") return keysOf(schema, components);
  const known = components.get(title);
  if (known && known.source !== schema) throw new Error(`Cannot publish two schemas as ${title}`);
  if (!known) {
    const component: { readonly source: unknown; value: Json } = { source: schema, value: null };
    components.set(title, component);
    component.value = keysOf(schema, components);
  }
  return { $ref: `#/components/schemas/${title}` };
}

/** Without our own formats and wordings, which mean nothing to others. */
function keysOf(schema: object, components: Components): Json {
  const isOurs = ([key, value]: [string, unknown]) =>
    key === "errorMessage" || (key === "format" && String(value).startsWith("evenkeel-"));
  return Object.fromEntries(
    Object.entries(schema)
      .filter((entry) => !isOurs(entry))
      .map(([key, value]) => [key, published(value, components)]),
  );
}

function plain(schema: TSchema): Json {
  return published(schema, new Map());
}

// Everything that the document tells of. A route that is missing here fails a test, and so does the reverse.

export const operations: readonly Operation[] = [
  ...readingOperations,
  ...upstreamOperations,
  ...systemOperations,
  ...requestOperations,
  ...loginOperations,
  ...documentOperations,
];
