/** The fields of an upstream's response head: what the engine reads of them, and which of them end here. */

import { connectionTokens, hopByHop } from "../../proxy/forwarding.ts";

/** The colon, a space and the line break. */
export const fieldFraming = 4;

/** Read in one pass, which costs as much as ten look-ups. */
export interface ResponseFields {
  readonly count: number;
  /** Names and values, about as they were sent. */
  readonly bytes: number;
  /** The value of Content-Length where it counts; several equal ones are joined. */
  readonly length: string | undefined;
  /** Lower-case names of the ones that end here. */
  readonly dropped: readonly string[];
}

export function readResponseFields(headers: Headers): ResponseFields {
  let count = 0;
  let bytes = 0;
  let length: string | undefined;
  let isChunked = false;
  let dropped: string[] | undefined;
  headers.forEach((value, name) => {
    count += 1;
    bytes += name.length + value.length + fieldFraming;
    if (name === "content-length") length = value;
    else if (endingHere.has(name)) {
      if (name === "transfer-encoding") isChunked = true;
      (dropped ??= []).push(name);
    }
  });
  // RFC 9112 section 6.3: chunks count, not a length beside them.
  if (isChunked && length !== undefined) dropped?.push("content-length");
  return { count, bytes, length: isChunked ? undefined : length, dropped: dropped ?? none };
}

/** Headers of this hop. Trailers, because this engine loses them. */
const endingHere: ReadonlySet<string> = new Set([...hopByHop, "trailer"]);

const none: readonly string[] = [];

/** The client's response headers: the upstream's end-to-end headers. Changes the given ones. */
export function clientHeaders(
  status: number,
  headers: Headers,
  { length, dropped }: ResponseFields,
): Headers {
  // RFC 9110 section 8.6: equal lengths are one.
  if (length?.includes(",")) headers.set("content-length", length.slice(0, length.indexOf(",")));
  if (dropped.length === 0) return headers;
  const upgrade = status === 426 ? headers.get("upgrade") : null;
  if (dropped.includes("connection")) removeListed(headers, headers.get("connection"));
  for (const name of dropped) headers.delete(name);
  if (upgrade !== null) {
    headers.set("Upgrade", upgrade);
    headers.set("Connection", "Upgrade");
  }
  return headers;
}

/** Removes what the Connection header of the message lists. */
export function removeListed(headers: Headers, connection: string | null): void {
  // Nearly all list nothing else.
  if (connection === "keep-alive" || connection === "close") return;
  for (const name of connectionTokens(connection ?? undefined)) removeNamed(headers, name);
}

/** Connection may list anything: invalid names, and headers that this hop needs. */
function removeNamed(headers: Headers, name: string): void {
  if (name !== "host" && name !== "content-length" && /^[\w!#$%&'*+.^`|~-]+$/.test(name))
    headers.delete(name);
}
