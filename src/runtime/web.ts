/** What both runtimes' web listeners decide alike: who is echoed to, in which subprotocol, and what a bug looks like. */

import type { WebSetting } from "./runtime.ts";

/** Whether this request wants to become a WebSocket at the echo endpoint (RFC 6455 section 4.2.1). */
export function wantsEcho(request: Request, { echoPath }: WebSetting): boolean {
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
export function answerBug(error: unknown, { bug }: WebSetting): Response {
  bug?.(error);
  return new Response("500 Internal Server Error\n", {
    status: 500,
    headers: { "content-type": "text/plain; charset=utf-8" },
  });
}
