/** The shapes in which the dashboard answers: pages, fragments, sentences, and the way back after a form. */

import { escapeHtml } from "@kitajs/html";
import type { AdminApiError } from "../wording/verdict.ts";

export const fresh = { "Cache-Control": "no-store" };

export function textResponse(status: number, sentence: string): Response {
  return new Response(`${sentence}\n`, {
    status,
    headers: { ...fresh, "Content-Type": "text/plain; charset=utf-8" },
  });
}

/** A whole page or a part of one. */
export function htmlResponse(markup: string, status = 200): Response {
  return new Response(markup, { status, headers: { ...fresh, "Content-Type": "text/html; charset=utf-8" } });
}

/** By hand: Elysia's own redirect fails on Deno. */
export function seeOther(location: string): Response {
  return new Response(null, { status: 303, headers: { ...fresh, Location: location } });
}

/** What the admin API refused is the caller's matter; that it cannot be asked is a gateway's. */
export function httpStatusOf({ reason }: AdminApiError): number {
  return reason === "refused" || reason === "missing" ? 422 : 502;
}

/** Whether htmx asks, which wants a part, or a browser of its own, which wants a page. */
export function isForPart(request: Request): boolean {
  return request.headers.get("hx-request") === "true";
}

/** Whether a person waits for it in a browser, who wants a way on, or a program, for which a sentence is enough. */
export function isForPage(request: Request): boolean {
  return !isForPart(request) && (request.headers.get("accept") ?? "").includes("text/html");
}

// Outside strings on their way into markup: the one place that escapes them.

/**
 * For attributes, of which the JSX runtime escapes no more than the quote. Text belongs into an element with `safe`.
 */
export function attribute(value: string): string {
  return escapeHtml(value);
}

/** An id for markup and URL fragments, different for different names, whatever they are made of. */
export function anchorOf(kind: string, name: string): string {
  const plain = name.replace(/[^A-Za-z0-9.-]/g, (sign) => `_${sign.charCodeAt(0).toString(16)}_`);
  return `${kind}-${plain}`;
}
