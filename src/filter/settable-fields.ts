/** Which header fields a route may change, and what to use instead of changing the others. */

import { foldedName, isFraming } from "../proxy/head-edit.ts";

export type FieldSide = "request" | "response";
export type FieldAction = "remove" | "set" | "default" | "add";

const ofConnection = "it frames the message or belongs to one connection, and Evenkeel writes it";
const ofTrust = "Evenkeel writes it; trustedProxies says whose value is kept";

/** By name in lower case: why a route may not change the field of a request or a response. */
const reserved: Readonly<Record<string, string>> = {
  host: "use rewrite.host",
  forwarded: ofTrust,
  via: ofTrust,
  "x-request-id": "Evenkeel writes it; ${requestId} has it for a field of another name",
  traceparent: "Evenkeel writes it; use tracing",
};

/**
 * Why a route may not do this with a field; undefined if it may.
 * @param name of the field; for `remove` also the beginning of one, with `*` at its end
 * @param hasTls whether a listener of the configuration has TLS
 */
export function fieldProblem(
  name: string,
  {
    side,
    action,
    hasTls,
  }: { readonly side: FieldSide; readonly action: FieldAction; readonly hasTls: boolean },
): string | undefined {
  const isPattern = name.endsWith("*");
  if (isPattern && action !== "remove") return "a * is possible only in remove";
  if (isPattern && name.length < minPatternLength) return "expected at least three characters before the *";
  // A pattern leaves out the names that it may not remove.
  if (isPattern) return undefined;
  // Servers read every spelling of a request's field as one.
  const lower = side === "request" ? foldedName(name) : name.toLowerCase();
  const why = reservedReason(lower);
  if (side === "request") return why;
  if (action === "remove") return isFraming(lower) || lower.startsWith("proxy-") ? why : undefined;
  if (lower === "set-cookie" && action !== "add") return "a response may have several; use add";
  if (lower === "strict-transport-security" && hasTls) return "use tls.hsts of the listener";
  if (lower === "alt-svc") return "Evenkeel writes it; use http3 of the listener";
  return why;
}

/** Three characters and the `*`. */
const minPatternLength = 4;

function reservedReason(lower: string): string | undefined {
  if (Object.hasOwn(reserved, lower)) return reserved[lower];
  if (lower === "x-forwarded-prefix") return "use stripPrefix";
  if (lower.startsWith("x-forwarded-")) return ofTrust;
  return isFraming(lower) || lower.startsWith("proxy-") ? ofConnection : undefined;
}

/** Whether a pattern of `remove` may mean this field of a request. @param name as the client wrote it */
export function isRemovableFromRequest(name: string): boolean {
  return reservedReason(foldedName(name)) === undefined;
}
