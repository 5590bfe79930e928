/** A published schema for people: a row for each key, and types in words, with links to named ones. */
/** @jsxImportSource @kitajs/html */

import type { Json } from "./document.ts";

type Map = Readonly<Record<string, Json>>;

export function SchemaTable({ schema }: { readonly schema: Json }) {
  const { properties, required = [], description } = mapOf(schema);
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
            {Object.entries(mapOf(properties)).map(([name, property]) => (
              <tr>
                <th scope="row">
                  <code safe>{name}</code>
                  {!needed.has(name) && " (optional)"}
                </th>
                <td>
                  <TypeOf schema={property} />
                </td>
                <td safe>{aboutOf(property)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

export function TypeOf({ schema }: { readonly schema: Json }): JSX.Element {
  const {
    $ref,
    type,
    anyOf,
    items,
    patternProperties,
    properties,
    const: constant,
    enum: words,
  } = mapOf(schema);
  if (typeof $ref === "string") {
    const name = $ref.replace(/^.*\//, "");
    return (
      <a href={`#schema-${name}`}>
        <code safe>{name}</code>
      </a>
    );
  }
  if (constant !== undefined) return <code safe>{JSON.stringify(constant)}</code>;
  if (Array.isArray(words)) return <code safe>{words.join(" | ")}</code>;
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
    const [value = {}] = Object.values(mapOf(patternProperties));
    return (
      <>
        map of <TypeOf schema={value} />
      </>
    );
  }
  if (properties !== undefined) return <code safe>{`{ ${Object.keys(mapOf(properties)).join(", ")} }`}</code>;
  return <code safe>{typeof type === "string" ? type : "anything"}</code>;
}

function aboutOf(schema: Json): string {
  const { description } = mapOf(schema);
  return typeof description === "string" ? description.replaceAll("`", "") : "";
}

function mapOf(value: Json): Map {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Map) : {};
}
