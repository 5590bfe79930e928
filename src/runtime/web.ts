/** What both runtimes' web listeners decide alike: who is echoed to, in which subprotocol, and what a bug looks like. */

import type { WebOptions } from "./runtime.ts";

/**
 * The request as a handler may read it: with a whole address, of which nobody reads another path than the next one. A guard
 * that parses "/livez?/api/reload", as it comes without a Host, and a router that looks for the path behind the first slashes
 * would not mean the same. What the URL standard has one way of writing for ("/a/../b", "/a\b", bytes that need escapes) is
 * handed on in that one, since Bun knows no other. Undefined for one that cannot be read so (RFC 9112 section 3.2).
 */
export function readable(request: Request): Request | undefined {
  const { url, headers } = request;
  if (hasOnePath(url)) return request;
  // Clients of HTTP/1.0 need not name a host: health checks often do not.
  if (url.startsWith("/") && headers.get("host")) return undefined;
  const address = standardForm(url.startsWith("/") ? `http://localhost${url}` : url);
  return address === undefined ? undefined : new Request(address, request);
}

/** Undefined where the path is another one for those who look for it behind the first slashes, before or after. */
function standardForm(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { href, pathname } = new URL(url);
  const isSame = new URL(`http://localhost${foundPath(url)}`).pathname === pathname;
  return isSame && hasOnePath(href) ? href : undefined;
}

function hasOnePath(url: string): boolean {
  return URL.canParse(url) && foundPath(url) === new URL(url).pathname;
}

/** What stands between the first slash behind the host and the first question mark; empty without that slash. */
function foundPath(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const query = url.indexOf("?", start);
  return start < 0 ? "" : url.slice(start, query < 0 ? undefined : query);
}

/** What gets whoever sent another one. */
export function unreadable(): Response {
  return new Response("400 Bad Request: the Host field or the address cannot be read\n", {
    status: 400,
    headers: { "content-type": "text/plain; charset=utf-8" },
  });
}

/** Whether this request wants to become a WebSocket at the echo endpoint (RFC 6455 section 4.2.1). */
export function wantsEcho(request: Request, { echoPath }: WebOptions): boolean {
  const { headers } = request;
  if (echoPath === undefined || !headers.has("sec-websocket-key")) return false;
  if (headers.get("upgrade")?.toLowerCase() !== "websocket") return false;
  return new URL(request.url).pathname === echoPath;
}

/** The subprotocol that the client named first, which is the one it prefers; undefined if it named none. */
export function firstProtocol(request: Request): string | undefined {
  return request.headers.get("sec-websocket-protocol")?.split(",")[0]?.trim() || undefined;
}

/** Host name or address of a URL; an IPv6 address without its brackets. */
export function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
}

/** The close code of a server that shuts down (RFC 6455 section 7.4.1). */
export const goingAway = 1001;

/** Reports what a handler threw and answers 500, which says nothing of the inside. */
export function bugResponse(error: unknown, { bug }: WebOptions): Response {
  bug?.(error);
  return new Response("500 Internal Server Error\n", {
    status: 500,
    headers: { "content-type": "text/plain; charset=utf-8" },
  });
}
