/** The part of the admin API that is about the whole: events, intents, and taking the configuration anew. */

import { Elysia } from "elysia";
import style from "../../public/api-docs.css" with { type: "text" };
import { jsonTag, taggedJson, taggedText, withIfMatch } from "./etags.ts";
import { documentOf, operations } from "./openapi/document.ts";
import { renderDocument } from "./openapi/page.tsx";
import {
  actorOf,
  eventQueryOf,
  isSet,
  lineOf,
  queryParameters,
  textOf,
  withoutParser,
} from "./request-input.ts";
import { denial, json, problem } from "./responses.ts";
import type { Setting } from "../config/effective.ts";
import { commandError, type Control, isCommandError } from "../control/control.ts";
import { describeStep } from "../control/plan.ts";

/** As much as anyone writes by hand, and a thousand pools that a program wrote. */
const maxFileChars = 1024 * 1024;
const maxName = 200;

const changedSince = commandError(
  412,
  "configuration_changed",
  "Cannot do that: somebody has taken the configuration anew since you looked",
);

/** @param settings the effective configuration, whose tag a reload may have to name */
export function systemRoutes(control: Control, settings: () => readonly Setting[]) {
  const tagNow = () => jsonTag({ settings: settings() });
  return (
    new Elysia({ handler: { standardHostname: false } })
      .get("/api/events", ({ request }) => {
        const query = eventQueryOf(queryParameters(request));
        if (query) return json(200, { events: control.events(query) });
        const message = "Cannot read events: limit, after and before need whole numbers";
        return problem(400, "query_invalid", message);
      })

      .get("/api/state", ({ request }) => taggedJson(request, { intents: control.intents() }))
      .get("/api/state/export", ({ request }) =>
        taggedText(request, control.exportYaml(), "application/yaml; charset=utf-8"),
      )

      /** With `If-Match` only if that is still the configuration. `dry=1` only says what would change, also for a file that is sent along: `name` says what to call it. */
      .post(
        "/api/reload",
        async ({ request }) => {
          const query = queryParameters(request);
          const dry = isSet(query, "dry");
          const text = await textOf(request, maxFileChars);
          if (text === undefined)
            return problem(413, "file_too_long", "Cannot read a file of more than 1 MiB");
          if (text !== "" && !dry) {
            return problem(
              400,
              "file_unexpected",
              "Cannot take a file from here, only look at it: send dry=1",
            );
          }
          const file =
            text === ""
              ? {}
              : { file: { name: lineOf(query.get("name") ?? "", maxName) || "the file", text } };
          const { by, condition } = withIfMatch(actorOf(request), request, tagNow, changedSince);
          const report = await control.reload({ dry, ...file, ...(condition && { condition }) }, by);
          const response = isCommandError(report)
            ? denial(report)
            : json(200, { ...report, diff: report.steps.map(describeStep) });
          response.headers.set("ETag", tagNow());
          return response;
        },
        withoutParser,
      )
  );
}

// The admin API's own description: as OpenAPI for programs, as a page for people.

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
