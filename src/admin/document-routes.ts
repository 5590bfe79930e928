/** The admin API's own description: as OpenAPI for programs, as a page for people. */

import { Elysia } from "elysia";
import style from "../../public/api-docs.css" with { type: "text" };
import { documentOf } from "./openapi/document.ts";
import { operations } from "./openapi/operations.ts";
import { renderDocument } from "./openapi/page.tsx";
import { taggedText } from "./etags.ts";

/** Nothing runs there, and nothing comes from elsewhere. */
const policy =
  "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export function documentRoutes() {
  // Made when somebody asks first: most processes never show it.
  let made: { readonly json: string; readonly page: string } | undefined;
  const make = () => {
    const document = documentOf(operations);
    return { json: JSON.stringify(document), page: renderDocument(operations, document) };
  };
  return new Elysia({ handler: { standardHostname: false } })
    .get("/api/openapi.json", ({ request }) =>
      taggedText(request, (made ??= make()).json, "application/json"),
    )
    .get("/api/docs", ({ request }) => {
      const response = taggedText(request, (made ??= make()).page, "text/html; charset=utf-8");
      response.headers.set("Content-Security-Policy", policy);
      response.headers.set("Referrer-Policy", "same-origin");
      return response;
    })
    .get("/api/docs/style.css", ({ request }) => taggedText(request, style, "text/css; charset=utf-8"));
}
