/** Builds the OpenAPI document from the table of operations; TypeBox schemas already are JSON Schema. */

import { STATUS_CODES } from "node:http";
import type { TSchema } from "@sinclair/typebox";
import { version } from "../../config/config.ts";
import { problemSchema } from "../schemas/commands.ts";
import { type Operation, type OperationResponse, statusReasons } from "./operation.ts";
import { alertOperations } from "./alert-operations.ts";
import { problemOperations } from "./problem-operations.ts";
import { requestOperations } from "./request-operations.ts";
import { stateOperations } from "./state-operations.ts";
import { documentOperations, loginOperations, systemOperations } from "./system-operations.ts";
import { upstreamOperations } from "./upstream-operations.ts";

/** All operations. A test compares them with the routes, in both directions. */
export const operations: readonly Operation[] = [
  ...stateOperations,
  ...problemOperations,
  ...alertOperations,
  ...upstreamOperations,
  ...systemOperations,
  ...requestOperations,
  ...loginOperations,
  ...documentOperations,
];

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

/** Throws if two different schemas have the same title. */
export function documentOf(operations: readonly Operation[]): OpenApiDocument {
  const components: Components = new Map();
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of operations) {
    const path = operation.path.replace(/:(\w+)/g, "{$1}");
    (paths[path] ??= {})[operation.method.toLowerCase()] = operationObject(operation, components);
  }
  const tags = [...new Set(operations.map(({ tag }) => tag))].map((name) => ({ name }));
  return {
    openapi: "3.1.1",
    info: {
      title: "Evenkeel admin API",
      version,
      description:
        "Reads and controls a running balancer. Errors are problems (RFC 9457): `detail` for people, `reason` for programs.",
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
          description:
            "ADMIN_TOKEN, a configured token, or a session. Required if a token or users are configured.",
        },
      },
      schemas: Object.fromEntries([...components].map(([name, { value }]) => [name, value])),
    },
  };
}

function operationObject(operation: Operation, components: Components): Json {
  const { method, path, tag, summary, description, query = {}, headers = {}, body, isPublic } = operation;
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
    ...(description !== undefined && { description }),
    ...(isPublic && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        // A command without a reason needs no body.
        required: "required" in body.schema,
        content: { [body.type]: { schema: publicSchema(body.schema, components) } },
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

function parameterOf(name: string, location: "query" | "header", schema: TSchema): Json {
  const { description = "", ...rest } = inlineSchema(schema) as { readonly [key: string]: Json };
  return { name, in: location, description, schema: rest };
}

function responsesOf({ responses }: Operation, components: Components): { readonly [status: string]: Json } {
  return Object.fromEntries(
    Object.entries(responses).map(([status, response]) => [status, responseOf(response, components)]),
  );
}

function responseOf(
  { description, type, schema, isTagged }: OperationResponse,
  components: Components,
): Json {
  const etag = { ETag: { description: "Tag of the current state.", schema: { type: "string" } } };
  return {
    description,
    ...(isTagged && { headers: etag }),
    ...(type !== undefined &&
      schema && { content: { [type]: { schema: publicSchema(schema, components) } } }),
  };
}

function problemsOf(operation: Operation, components: Components): { [status: string]: Json } {
  const guard: Operation["problems"] = operation.isPublic
    ? {}
    : { 401: ["unauthorized"], 403: ["foreign_host", "foreign_origin", "role_insufficient"] };
  return Object.fromEntries(
    Object.entries({ ...statusReasons(operation), ...guard }).map(([status, reasons]) => [
      status,
      {
        description: `${STATUS_CODES[status] ?? status}: ${reasons.map((reason) => `\`${reason}\``).join(", ")}`,
        content: { "application/problem+json": { schema: publicSchema(problemSchema, components) } },
      },
    ]),
  );
}

/** The schema for the document; a schema with a title becomes a component and a reference to it. */
function publicSchema(schema: unknown, components: Components): Json {
  if (Array.isArray(schema)) return schema.map((item) => publicSchema(item, components));
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

/** Without Evenkeel's own formats and error messages, which other tools do not understand. */
function keysOf(schema: object, components: Components): Json {
  const isInternal = ([key, value]: [string, unknown]) =>
    key === "errorMessage" || (key === "format" && String(value).startsWith("evenkeel-"));
  return Object.fromEntries(
    Object.entries(schema)
      .filter((entry) => !isInternal(entry))
      .map(([key, value]) => [key, publicSchema(value, components)]),
  );
}

function inlineSchema(schema: TSchema): Json {
  return publicSchema(schema, new Map());
}
