/** Pages of the operator in place of the text of the balancer's own errors, for clients that show HTML. */

import type { ErrorPages } from "../proxy/route.ts";

/** @param files contents by status ("404") or class of statuses ("5xx") */
export function createErrorPages(files: Readonly<Record<string, string>>): ErrorPages {
  return {
    pageFor({ status, reason }, { accept, requestId }) {
      const page = files[status] ?? files[`${Math.floor(status / 100)}xx`];
      if (page === undefined || !prefersHtml(accept)) return undefined;
      const values: Readonly<Record<string, string>> = { status: String(status), reason, requestId };
      return page.replace(/\$\{(status|reason|requestId)\}/g, (_, name: string) =>
        escapeHtml(values[name] ?? ""),
      );
    },
  };
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}

/** Whether the client names HTML, and not JSON before it. A wildcard is what scripts and tools send. */
function prefersHtml(accept: string | undefined): boolean {
  const html = weightOf(accept, "text/html");
  return html > 0 && html >= weightOf(accept, "application/json");
}

/** The weight of a media type that an Accept field names (RFC 9110 section 12.4.2); 0 if it does not. */
function weightOf(accept: string | undefined, type: string): number {
  for (const range of accept?.toLowerCase().split(",") ?? []) {
    const [name = "", ...parameters] = range.split(";").map((part) => part.trim());
    if (name !== type) continue;
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    return weight === undefined ? 1 : Number(weight.slice(2)) || 0;
  }
  return 0;
}
