/** Bodies of requests: read, bounded, and compared with the schema that the document shows for them. */

import type { Static, TSchema } from "@sinclair/typebox";
import { nameOf, quote, problemSentence } from "../config/problem.ts";
import { schemaErrors } from "../config/shape.ts";
import { problem } from "./responses.ts";

/** Bodies are read by hand: each is bounded first. */
export const withoutParser = { parse: "none" } as const;

/** A mode, a name and a reason: more than this is no order. */
const maxBodyBytes = 8_192;

/** The body's text, whether its length was said before or not; undefined if it is longer than allowed. */
export async function textOf(request: Request, maxBytes = maxBodyBytes): Promise<string | undefined> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) return undefined;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

export type Fields = Readonly<Record<string, unknown>>;

/** The body as a JSON map, an empty one if there is no body, or why it cannot be read. */
export async function bodyFields(request: Request): Promise<Fields | Response> {
  const text = await textOf(request);
  if (text === undefined) {
    return problem(413, "body_too_long", "Cannot read the body: it may have 8 KiB at most");
  }
  if (text.trim() === "") return {};
  // Forms of foreign pages can say text/plain and two more, but not this (Fetch standard, CORS-safelisted request headers).
  const type = request.headers.get("content-type") ?? "application/json";
  if (!/^application\/(?:[\w.+-]+\+)?json *(?:;|$)/i.test(type)) {
    const why = `it needs Content-Type: application/json, received ${quote(type)}`;
    return problem(415, "type_unsupported", `Cannot read the body: ${why}`);
  }
  const value = parsed(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  return problem(400, "body_invalid", "Cannot read the body: it needs a JSON map");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What the body says, or the answer that names everything that is wrong with it. No body is an empty map. */
export async function readJsonBody<Schema extends TSchema>(
  request: Request,
  schema: Schema,
): Promise<Static<Schema> | Response> {
  const fields = await bodyFields(request);
  if (fields instanceof Response) return fields;
  const faults = schemaErrors(schema, fields);
  const [first] = faults;
  if (!first) return fields as Static<Schema>;
  const problems = faults.map(({ path, why, value, isKey }) =>
    problemSentence({ action: `use ${nameOf(path)}`, why, ...(isKey ? {} : { received: quote(value) }) }),
  );
  const reason = first.isKey ? "body_invalid" : `${first.path[0] ?? "body"}_invalid`;
  return problem(400, reason, problems.join("; "), { problems });
}
