/** Applies the header rules to standard `Headers`, for requests and responses. */

import { forwardingHeaders, endsFor, hopByHop } from "../../proxy/forwarding.ts";
import {
  foldedName,
  type HeadEdit,
  isFraming,
  missingDefaults,
  type NameForm,
} from "../../proxy/head-edit.ts";
import { formatTraceparent } from "../../proxy/trace-context.ts";
import { fieldFraming, removeListed } from "./response-fields.ts";
import type { RequestContext, FetchEngineContext, RequestFields } from "./request-context.ts";

/** One pass: each costs as much as ten look-ups. */
export function readRequestFields(headers: Headers): RequestFields {
  let count = 0;
  let bytes = 0;
  let via: string | undefined;
  let announcesBody = false;
  let authenticatesConnection = false;
  let dropped: string[] | undefined;
  let untrusted: string[] | undefined;
  headers.forEach((value, name) => {
    count += 1;
    bytes += name.length + value.length + fieldFraming;
    if (name === "via") via = value;
    else if (name === "content-length") announcesBody ||= value !== "0";
    else if (name === "transfer-encoding") announcesBody = true;
    else if (name === "authorization") authenticatesConnection = connectionScheme.test(value);
    const rule = consumed.has(name) ? "all" : endsFor(name);
    if (rule === "all") (dropped ??= []).push(name);
    else if (rule) (untrusted ??= []).push(name);
  });
  return {
    count,
    bytes,
    via,
    announcesBody,
    authenticatesConnection,
    dropped: dropped ?? none,
    untrusted: untrusted ?? none,
  };
}

/**
 * Credentials that authenticate the connection that they are sent on (RFC 4559 section 6). This engine cannot choose the
 * connection of a request, so that no other request may follow on this one: it would be served as this client's. At the
 * start of any element: `Headers` joins repeated fields, and a server may read each of them.
 */
const connectionScheme = /(?:^|,)\s*(?:ntlm|negotiate)(?![^\s,])/i;

const none: readonly string[] = [];

/** Headers of this hop. Trailers, because this engine loses them; Expect, because the listener sent "100 Continue" already. */
const consumed: ReadonlySet<string> = new Set([...hopByHop, "trailer", "expect"]);

/**
 * The upstream's request headers: the client's end-to-end headers and the forwarding headers. Host stays the client's.
 * @param edit what the route changes
 */
export function upstreamHeaders(
  {
    isTrustedProxy,
    listenPort,
    viaName,
  }: Pick<FetchEngineContext, "isTrustedProxy" | "listenPort" | "viaName">,
  { request, head, fields, exchange, requestId }: RequestContext,
  edit: HeadEdit | undefined,
): Headers {
  const forwarding = forwardingHeaders(head, { isTrustedProxy, listenPort: listenPort(), viaName });
  const headers = new Headers(request.headers);
  if (fields.dropped.includes("connection")) removeListed(headers, headers.get("connection"));
  for (const name of fields.dropped) headers.delete(name);
  if (fields.untrusted.length > 0 && !isTrustedProxy(head.peerAddress))
    for (const name of fields.untrusted) headers.delete(name);
  // Over HTTP/2 and HTTP/3 the host is no header.
  if (!headers.has("host")) headers.set("Host", head.host);
  headers.set("X-Forwarded-For", forwarding["X-Forwarded-For"]);
  headers.set("X-Forwarded-Proto", forwarding["X-Forwarded-Proto"]);
  headers.set("X-Forwarded-Host", forwarding["X-Forwarded-Host"]);
  headers.set("X-Forwarded-Port", forwarding["X-Forwarded-Port"]);
  headers.set("Via", forwarding.Via);
  headers.set("X-Request-Id", requestId);
  if (exchange.trace) headers.set("traceparent", formatTraceparent(exchange.trace));
  if (edit) applyEdit(headers, edit, foldedName);
  if (edit?.host !== undefined) headers.set("Host", edit.host);
  return headers;
}

/** Changes the fields of a message as its route says. */
export function applyEdit(headers: Headers, { removed, defaults, added }: HeadEdit, form: NameForm): void {
  for (const name of [...headers.keys()]) if (!isFraming(name) && removed.has(name)) headers.delete(name);
  for (const [name, value] of missingDefaults(defaults, headers.keys(), form)) headers.set(name, value);
  for (const [name, value] of added) headers.append(name, value);
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
