/** A request's head as the proxy sees it, answered from a standard `Request`. */

import { methodNotServed, duplicateHost } from "../../proxy/complaint.ts";
import { refusalForViolation, type Refusal } from "../../proxy/refusal.ts";
import { type RequestHead, plainAddress } from "../../proxy/request-head.ts";

/** @param clientAddress the peer's IP address as the listener reports it */
export function headOfRequest(request: Request, clientAddress: string): RequestHead {
  const { url } = request;
  const isSecure = url.startsWith("https:");
  const pathStart = url.startsWith("/") ? 0 : url.indexOf("/", url.indexOf("://") + 3);
  return {
    method: request.method,
    target: pathStart < 0 ? "/" : url.slice(pathStart),
    host: request.headers.get("host") ?? (isSecure ? authorityIn(url) : ""),
    clientAddress: plainAddress(clientAddress),
    scheme: isSecure ? "https" : "http",
    header: (name) => request.headers.get(name) ?? undefined,
  };
}

/** Deno's listener speaks HTTP/2 with clients that come over TLS: their host is no field there (RFC 9113 section 8.3.1). */
function authorityIn(url: string): string {
  return /^https:\/\/([^/?#]*)/.exec(url)?.[1] ?? "";
}

const refusedMethods: ReadonlySet<string> = new Set(["CONNECT", "TRACE"]);

/**
 * What a head is refused with, if it is. Listeners with a fetch handler join repeated Host fields with a comma, which no
 * host name contains; two hosts are a request-smuggling tool (RFC 9112 section 3.2).
 */
export function refusalForHead(head: RequestHead): Refusal | undefined {
  if (refusedMethods.has(head.method)) return refusalForViolation(methodNotServed);
  return head.host.includes(",") ? refusalForViolation(duplicateHost) : undefined;
}
