/** Bodies of requests: read, bounded, and compared with the schema that the document shows for them. */

import type { Static, TSchema } from "@sinclair/typebox";
import { nameOf, quote, sentenceOf } from "../config/problem.ts";
import { faultsIn } from "../config/shape.ts";
import { problem } from "./answers.ts";
import { fieldsOf } from "./asked.ts";

/** Bodies are read by hand: each is bounded first. */
export const byHand = { parse: "none" } as const;

/** What the body says, or the answer that names everything that is wrong with it. No body is an empty map. */
export async function bodyOf<Schema extends TSchema>(
  request: Request,
  schema: Schema,
): Promise<Static<Schema> | Response> {
  const fields = await fieldsOf(request);
  if (!fields) {
    const message = "Cannot read the body: it needs a JSON map of at most 8 KiB, with its Content-Length";
    return problem(400, "body_invalid", message);
  }
  const faults = faultsIn(schema, fields);
  const [first] = faults;
  if (!first) return fields as Static<Schema>;
  const problems = faults.map(({ path, why, value, isKey }) =>
    sentenceOf({ action: `use ${nameOf(path)}`, why, ...(isKey ? {} : { received: quote(value) }) }),
  );
  const reason = first.isKey ? "body_invalid" : `${first.path[0] ?? "body"}_invalid`;
  return problem(400, reason, problems.join("; "), { problems });
}
