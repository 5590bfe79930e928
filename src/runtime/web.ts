/** Shared by the web listeners of both runtimes: request validation, WebSocket echo, and the response to a bug. */

import type { WebOptions } from "./runtime.ts";

/**
 * The request with an absolute URL that all readers parse to the same path. A URL parser and a router that searches for the
 * first slashes disagree on "/livez?/api/reload" without a Host, and a client could bypass a guard with it. Some URLs are
 * rewritten by the URL standard ("/a/../b", "/a\b", bytes that must be escaped). They are passed on in their standard form,
 * because Bun has no other. Undefined if there is no such URL (RFC 9112 section 3.2).
 */
export function readable(request: Request): Request | undefined {
  const { url, headers } = request;
  if (hasOnePath(url)) return request;
  // HTTP/1.0 does not require a Host header, and health checks often omit it.
  if (url.startsWith("/") && headers.get("host")) return undefined;
  const address = standardForm(url.startsWith("/") ? `http://localhost${url}` : url);
  return address === undefined ? undefined : new Request(address, request);
}

/** The standard form of a URL. Undefined if {@link textualPath} and the parsed path differ, before or after conversion. */
export function standardForm(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { href, pathname } = new URL(url);
  const isSame = new URL(`http://localhost${textualPath(url)}`).pathname === pathname;
  return isSame && hasOnePath(href) ? href : undefined;
}

function hasOnePath(url: string): boolean {
  return URL.canParse(url) && textualPath(url) === new URL(url).pathname;
}

/** The text from the first slash after the host to the first question mark; empty without that slash. */
function textualPath(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const query = url.indexOf("?", start);
  return start < 0 ? "" : url.slice(start, query < 0 ? undefined : query);
}

/** The response to a request that {@link readable} rejects. */
export function unreadable(): Response {
  return new Response("400 Bad Request: invalid Host header or request target\n", {
    status: 400,
    headers: { "content-type": "text/plain; charset=utf-8" },
  });
}

/** Whether this request is a WebSocket handshake for the echo endpoint (RFC 6455 section 4.2.1). */
export function wantsEcho(request: Request, { echoPath }: WebOptions): boolean {
  const { headers } = request;
  if (echoPath === undefined || !headers.has("sec-websocket-key")) return false;
  if (headers.get("upgrade")?.toLowerCase() !== "websocket") return false;
  return new URL(request.url).pathname === echoPath;
}

/** The first subprotocol of the client's list, which it prefers; undefined without a list. */
export function firstProtocol(request: Request): string | undefined {
  return request.headers.get("sec-websocket-protocol")?.split(",")[0]?.trim() || undefined;
}

/** Host name or address of a URL; an IPv6 address without its brackets. */
export function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
}

/** The close code of a server that shuts down (RFC 6455 section 7.4.1). */
export const goingAway = 1001;

/** Reports the error of a handler. Returns a 500 response that does not reveal it. */
export function bugResponse(error: unknown, { bug }: WebOptions): Response {
  bug?.(error);
  return new Response("500 Internal Server Error\n", {
    status: 500,
    headers: { "content-type": "text/plain; charset=utf-8" },
  });
}
