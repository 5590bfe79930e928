/** Builds the dashboard's responses: pages, fragments, plain text and redirects; escapes text for markup. */

import { escapeHtml } from "@kitajs/html";
import { type AdminApiError, adminApiErrorSentence, type DashboardState } from "../wording/verdict.ts";

export const fresh = { "Cache-Control": "no-store" };

export function textResponse(status: number, sentence: string): Response {
  return new Response(`${sentence}\n`, {
    status,
    headers: { ...fresh, "Content-Type": "text/plain; charset=utf-8" },
  });
}

/** A page or a fragment. */
export function htmlResponse(markup: string, status = 200): Response {
  return new Response(markup, { status, headers: { ...fresh, "Content-Type": "text/html; charset=utf-8" } });
}

/** An endless stream of server-sent events, which a proxy in front must not buffer. */
export function eventStreamResponse(stream: ReadableStream<Uint8Array>): Response {
  return new Response(stream, {
    headers: { ...fresh, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no" },
  });
}

/** A redirect after a form. Not Elysia's redirect, which fails on Deno. */
export function seeOther(location: string): Response {
  return new Response(null, { status: 303, headers: { ...fresh, Location: location } });
}

/** A refusal by the admin API is the caller's error (422); an unreachable admin API is a gateway error (502). */
export function httpStatusOf({ reason }: AdminApiError): number {
  return reason === "refused" || reason === "missing" ? 422 : 502;
}

/** For a file or another response that cannot be rendered without what the admin API refused. */
export function errorResponse(error: AdminApiError): Response {
  return textResponse(httpStatusOf(error), adminApiErrorSentence(error));
}

/** For a file of what the last snapshot has, before the first one was read. */
export function stateErrorResponse({ outage }: Pick<DashboardState, "outage">): Response {
  return outage ? errorResponse(outage) : textResponse(502, "The balancer has not been read yet.");
}

/** Whether htmx sent the request, which expects a fragment; otherwise the response is a page. */
export function isForPart(request: Request): boolean {
  return request.headers.get("hx-request") === "true";
}

/** Whether a browser navigates, so that an error needs a page with links; plain text is enough for programs. */
export function isForPage(request: Request): boolean {
  return !isForPart(request) && (request.headers.get("accept") ?? "").includes("text/html");
}

/** Escapes an attribute's value: the JSX runtime escapes only the quote. For text, use an element with `safe`. */
export function attribute(value: string): string {
  return escapeHtml(value);
}

/** The address whose file has the rows of a page: "/routes?pool=main" becomes "/routes.csv?pool=main". */
export function fileAddress(address: string, ending: "csv" | "json"): string {
  const [path = "", query] = address.split("?", 2);
  return `${path}.${ending}${query === undefined ? "" : `?${query}`}`;
}

/** An id for markup and URL fragments. Different names give different ids, whatever characters they contain. */
export function anchorOf(kind: string, name: string): string {
  const plain = name.replace(/[^A-Za-z0-9.-]/g, (sign) => `_${sign.charCodeAt(0).toString(16)}_`);
  return `${kind}-${plain}`;
}
