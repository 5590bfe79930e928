/** Applies the header rules to standard `Headers`, for requests and responses. */

import {
  forwardingHeaders,
  hopByHop,
  isClientCertificateField,
  isUnderscoreForwarded,
  connectionTokens,
} from "../../proxy/forwarding.ts";
import { type HeadEdit, isFraming } from "../../proxy/head-edit.ts";
import { formatTraceparent } from "../../proxy/trace-context.ts";
import type { RequestContext, FetchEngineContext } from "./request-context.ts";

/** The upstream's request headers: the client's end-to-end headers and the forwarding headers. Host stays the client's. */
export function upstreamHeaders(
  {
    isTrustedProxy,
    listenPort,
    viaName,
  }: Pick<FetchEngineContext, "isTrustedProxy" | "listenPort" | "viaName">,
  { request, head, exchange, requestId }: RequestContext,
): Headers {
  const forwarding = forwardingHeaders(head, { isTrustedProxy, listenPort: listenPort(), viaName });
  const headers = withoutHopByHop(request.headers);
  // Consumed at this hop: the listener sent "100 Continue" already.
  headers.delete("expect");
  if (!isTrustedProxy(head.peerAddress)) headers.delete("forwarded");
  for (const name of [...headers.keys()])
    if (isUnderscoreForwarded(name) || isClientCertificateField(name)) headers.delete(name);
  headers.set("Host", head.host);
  for (const [name, value] of Object.entries(forwarding)) headers.set(name, value);
  headers.set("X-Request-Id", requestId);
  if (exchange.trace) headers.set("traceparent", formatTraceparent(exchange.trace));
  const edit = exchange.requestEdit;
  if (edit) applyEdit(headers, edit);
  if (edit?.host !== undefined) headers.set("Host", edit.host);
  return headers;
}

/** Changes the fields of a message as its route says. */
export function applyEdit(headers: Headers, { removed, defaults, added }: HeadEdit): void {
  for (const name of [...headers.keys()]) if (!isFraming(name) && removed.has(name)) headers.delete(name);
  for (const [name, value] of defaults) if (!headers.has(name)) headers.set(name, value);
  for (const [name, value] of added) headers.append(name, value);
}

/** At the start of any element: `Headers` joins repeated fields, and a server may read each of them. */
const connectionScheme = /(?:^|,)\s*(?:ntlm|negotiate)(?![^\s,])/i;

/**
 * Whether the credentials authenticate the connection that they are sent on (RFC 4559 section 6). This engine cannot choose
 * the connection of a request, so that no other request may follow on this one: it would be served as this client's.
 */
export function authenticatesConnection(headers: Headers): boolean {
  const credentials = headers.get("authorization");
  if (credentials !== null && connectionScheme.test(credentials)) return true;
  const forProxy = headers.get("proxy-authorization");
  return forProxy !== null && connectionScheme.test(forProxy);
}

/** The client's response headers: the upstream's end-to-end headers. */
export function clientHeaders({ status, headers: given }: { status: number; headers: Headers }): Headers {
  const headers = withoutHopByHop(given);
  // RFC 9112 section 6.3: chunks count, not a length beside them. RFC 9110 section 8.6: equal lengths are one.
  const length = given.get("content-length");
  if (length !== null && given.has("transfer-encoding")) headers.delete("content-length");
  else if (length?.includes(",")) headers.set("content-length", length.slice(0, length.indexOf(",")));
  const upgrade = status === 426 ? given.get("upgrade") : null;
  if (upgrade !== null) {
    headers.set("Upgrade", upgrade);
    headers.set("Connection", "Upgrade");
  }
  return headers;
}

/** Adds the listener's own headers to any response, in place of the upstream's. */
export async function withListenerHeaders<Answer extends Response | undefined>(
  answer: Promise<Answer>,
  { hsts, altSvc }: { readonly hsts: string | undefined; readonly altSvc: string | undefined },
): Promise<Answer> {
  const response = await answer;
  if (!response || response.status === 101) return response;
  if (hsts !== undefined) response.headers.set("Strict-Transport-Security", hsts);
  if (altSvc !== undefined) response.headers.set("Alt-Svc", altSvc);
  return response;
}

function withoutHopByHop(given: Headers): Headers {
  const headers = new Headers(given);
  for (const name of connectionTokens(given.get("connection") ?? undefined)) removeNamed(headers, name);
  for (const name of hopByHop) headers.delete(name);
  // This engine loses trailers, so none are announced.
  headers.delete("trailer");
  return headers;
}

/** Connection may list anything: invalid names, and headers that this hop needs. */
function removeNamed(headers: Headers, name: string): void {
  if (name !== "host" && name !== "content-length" && /^[\w!#$%&'*+.^`|~-]+$/.test(name))
    headers.delete(name);
}
