/** Renders the OpenAPI document as one HTML page without scripts; the usual libraries have megabytes and inline styles. */
/** @jsxImportSource @kitajs/html */

import { STATUS_CODES } from "node:http";
import type { TSchema } from "@sinclair/typebox";
import { type RequiredRole, roleFor } from "../authorization.ts";
import type { Json, OpenApiDocument } from "./document.ts";
import { type Operation, type OperationResponse, statusReasons } from "./operation.ts";

type JsonMap = Readonly<Record<string, Json>>;

/** @param document built from these operations */
export function renderDocument(operations: readonly Operation[], document: OpenApiDocument): string {
  const tags = [...new Set(operations.map(({ tag }) => tag))];
  const page = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>Evenkeel admin API</title>
        <link rel="stylesheet" href="/api/docs/style.css" />
      </head>
      <body>
        <header>
          <h1>Evenkeel admin API</h1>
          <p>
            For programs: <a href="/api/openapi.json">openapi.json</a>. Errors are problems (RFC 9457):{" "}
            <code>detail</code> for people, <code>reason</code> for programs. If a token or users are
            configured, send <code>Authorization: Bearer …</code>.
          </p>
          <nav aria-label="Sections">
            {tags.map((tag) => (
              <a href={`#${anchor(tag)}`} safe>
                {tag}
              </a>
            ))}
            <a href="#schemas">Schemas</a>
          </nav>
        </header>
        <main>
          {tags.map((tag) => (
            <section aria-labelledby={anchor(tag)}>
              <h2 id={anchor(tag)} safe>
                {tag}
              </h2>
              {operations
                .filter((operation) => operation.tag === tag)
                .map((operation) => (
                  <OperationEntry operation={operation} document={document} />
                ))}
            </section>
          ))}
          <section aria-labelledby="schemas">
            <h2 id="schemas">Schemas</h2>
            {Object.entries(document.components.schemas).map(([name, schema]) => (
              <details>
                <summary>
                  <code safe>{name}</code>
                </summary>
                {/* The id is inside: a link to it opens the surrounding details. */}
                <div id={`schema-${name}`}>
                  <SchemaTable schema={schema} />
                </div>
              </details>
            ))}
          </section>
        </main>
      </body>
    </html>
  );
  return `<!doctype html>${String(page)}`;
}

function OperationEntry(props: { readonly operation: Operation; readonly document: OpenApiDocument }) {
  const { method, path, summary, description, query = {}, headers = {}, body, responses } = props.operation;
  const operationObject = props.document.paths[path.replace(/:(\w+)/g, "{$1}")]?.[method.toLowerCase()];
  const id = String(valueIn(operationObject, "operationId"));
  return (
    <details>
      <summary>
        <code class={`method ${method.toLowerCase()}`} safe>
          {method}
        </code>{" "}
        <code safe>{path}</code> <span safe>{summary}</span>
      </summary>
      <div id={id}>
        {description !== undefined && <p safe>{description.replaceAll("`", "")}</p>}
        <p safe>{roleText(roleFor(method, path))}</p>
        <Parameters caption="Query" entries={query} />
        <Parameters caption="Headers" entries={headers} />
        {body && (
          <p>
            Body: <code safe>{body.type}</code>, <TypeOf schema={bodySchema(operationObject)} />
          </p>
        )}
        <table>
          <caption>Responses</caption>
          <tbody>
            {Object.entries(responses).map(([status, response]) => (
              <ResponseRow
                status={status}
                response={response}
                schema={responseSchema(operationObject, status)}
              />
            ))}
            {Object.entries(statusReasons(props.operation)).map(([status, reasons]) => (
              <tr>
                <th scope="row" safe>
                  {status}
                </th>
                <td>
                  <span safe>{STATUS_CODES[status] ?? ""}</span>: <code safe>{reasons.join(", ")}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        <pre>
          <code safe>{curlOf(props.operation)}</code>
        </pre>
      </div>
    </details>
  );
}

function roleText(needed: RequiredRole): string {
  return needed === "public"
    ? "Needs no authentication."
    : `Needs the role ${needed}, if accounts are configured.`;
}

function Parameters(props: {
  readonly caption: string;
  readonly entries: Readonly<Record<string, TSchema>>;
}) {
  const entries = Object.entries(props.entries);
  if (entries.length === 0) return "";
  return (
    <table>
      <caption safe>{props.caption}</caption>
      <tbody>
        {entries.map(([name, { description = "" }]) => (
          <tr>
            <th scope="row">
              <code safe>{name}</code>
            </th>
            <td safe>{description.replaceAll("`", "")}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ResponseRow(props: {
  readonly status: string;
  readonly response: OperationResponse;
  readonly schema: Json;
}) {
  const { description, type, isTagged } = props.response;
  return (
    <tr>
      <th scope="row" safe>
        {props.status}
      </th>
      <td>
        <span safe>{description.replaceAll("`", "")}</span>{" "}
        {type !== undefined && (
          <span>
            <code safe>{type}</code>, <TypeOf schema={props.schema} />
            {isTagged && ", with an ETag"}
          </span>
        )}
      </td>
    </tr>
  );
}

function curlOf({ method, path, body }: Operation): string {
  const verb = method === "GET" ? "" : ` -X ${method}`;
  const data = body?.type === "application/json" ? " --json '{…}'" : "";
  return `curl${verb} http://localhost:8091${path}${data}`;
}

function responseSchema(operationObject: Json | undefined, status: string): Json {
  return contentSchema(valueIn(valueIn(operationObject, "responses"), status));
}

function bodySchema(operationObject: Json | undefined): Json {
  return contentSchema(valueIn(operationObject, "requestBody"));
}

function contentSchema(holder: Json | undefined): Json {
  const [first] = Object.values(valueIn(holder, "content") ?? {});
  return valueIn(first as Json | undefined, "schema") ?? {};
}

function valueIn(holder: Json | undefined, key: string): Json | undefined {
  return holder === undefined ? undefined : asMap(holder)[key];
}

function anchor(tag: string): string {
  return tag.toLowerCase().replace(/\W+/g, "-");
}

/** A schema as a table: one row per key with its type; links lead to named schemas. */
function SchemaTable({ schema }: { readonly schema: Json }) {
  const { properties, required = [], description } = asMap(schema);
  const needed = new Set(Array.isArray(required) ? required : []);
  return (
    <>
      {typeof description === "string" && <p safe>{description.replaceAll("`", "")}</p>}
      {properties === undefined ? (
        <p>
          <TypeOf schema={schema} />
        </p>
      ) : (
        <table>
          <tbody>
            {Object.entries(asMap(properties)).map(([name, property]) => (
              <tr>
                <th scope="row">
                  <code safe>{name}</code>
                  {!needed.has(name) && " (optional)"}
                </th>
                <td>
                  <TypeOf schema={property} />
                </td>
                <td safe>{descriptionOf(property)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function TypeOf({ schema }: { readonly schema: Json }): JSX.Element {
  const {
    $ref,
    type,
    anyOf,
    items,
    patternProperties,
    properties,
    const: constant,
    enum: members,
  } = asMap(schema);
  if (typeof $ref === "string") {
    const name = $ref.replace(/^.*\//, "");
    return (
      <a href={`#schema-${name}`}>
        <code safe>{name}</code>
      </a>
    );
  }
  if (constant !== undefined) return <code safe>{JSON.stringify(constant)}</code>;
  if (Array.isArray(members)) return <code safe>{members.join(" | ")}</code>;
  if (Array.isArray(anyOf)) {
    return (
      <>
        {anyOf.map((variant, index) => (
          <>
            {index > 0 && " or "}
            <TypeOf schema={variant} />
          </>
        ))}
      </>
    );
  }
  if (type === "array") {
    return (
      <>
        list of <TypeOf schema={items ?? {}} />
      </>
    );
  }
  if (patternProperties !== undefined) {
    const [value = {}] = Object.values(asMap(patternProperties));
    return (
      <>
        map of <TypeOf schema={value} />
      </>
    );
  }
  if (properties !== undefined) return <code safe>{`{ ${Object.keys(asMap(properties)).join(", ")} }`}</code>;
  return <code safe>{typeof type === "string" ? type : "anything"}</code>;
}

function descriptionOf(schema: Json): string {
  const { description } = asMap(schema);
  return typeof description === "string" ? description.replaceAll("`", "") : "";
}

/** An empty map if the value is not one. */
function asMap(value: Json): JsonMap {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonMap) : {};
}
