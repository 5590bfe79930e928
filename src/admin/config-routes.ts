/** Routes of the balancer as a whole: events, operator intents, reload, and the API's own description. */

import { Elysia } from "elysia";
import style from "../../public/api-docs.css" with { type: "text" };
import type { Setting } from "../config/effective.ts";
import { hasMoreMarks } from "../config/yaml-file.ts";
import { commandError, type Control, isCommandError, type Upgrade } from "../control/control.ts";
import { describeStep } from "../control/step.ts";
import { systemWallClock } from "../lib/clock.ts";
import { jsonTag, taggedJson, taggedText, withIfMatch } from "./etags.ts";
import { documentOf, operations } from "./openapi/document.ts";
import { renderDocument } from "./openapi/page.tsx";
import {
  actorOf,
  eventQueryOf,
  isSet,
  lineOf,
  queryParameters,
  readBodyText,
  readJsonBody,
  withoutParser,
} from "./request-input.ts";
import type { References } from "./references.ts";
import { reasonBody } from "./schemas/commands.ts";
import { denial, json, problem } from "./responses.ts";

/** Enough for any file written by hand, and for a thousand generated pools. */
const maxFileBytes = 1024 * 1024;

/** Thousands of upstreams. Clients wait while a file is checked: some tenths of a second for so many values. */
const maxFileMarks = 50_000;
const maxName = 200;

const changedSince = commandError(
  412,
  "configuration_changed",
  "Cannot reload the configuration: another reload came first. Read the current configuration and try again.",
);

/** @param settings the effective configuration; `If-Match` of a reload is compared with its tag */
export function systemRoutes(
  control: Control,
  settings: () => readonly Setting[],
  { eventFilter }: Pick<References, "eventFilter">,
) {
  const currentTag = () => jsonTag({ settings: settings() });
  return (
    new Elysia({ handler: { standardHostname: false } })
      .get("/api/events", ({ request }) => {
        const parameters = queryParameters(request);
        const query = eventQueryOf(parameters, systemWallClock());
        if (typeof query === "string") return problem(400, "query_invalid", query);
        const filter = eventFilter(query);
        return filter instanceof Response ? filter : json(200, { events: control.events(filter) });
      })

      .get("/api/config", ({ request }) => taggedJson(request, { settings: settings() }))
      .get("/api/state", ({ request }) => taggedJson(request, { intents: control.intents() }))
      .get("/api/state/export", ({ request }) =>
        taggedText(request, control.exportYaml(), "application/yaml; charset=utf-8"),
      )

      .post("/api/certificates/reload", ({ request }) =>
        json(200, { ...control.reloadCertificates(actorOf(request).by) }),
      )

      // With `If-Match`, reloads only if the tag is that of the current configuration. `dry=1` only reports what would
      // change, also for a file in the body; `name` is what messages call that file.
      .post(
        "/api/reload",
        async ({ request }) => {
          const query = queryParameters(request);
          const dry = isSet(query, "dry");
          const text = await readBodyText(request, maxFileBytes);
          if (text === undefined) {
            return problem(413, "file_too_long", "Cannot read the file: it is longer than 1 MiB.");
          }
          if (hasMoreMarks(text, maxFileMarks)) {
            const why = "it has more values than a request may check";
            return problem(
              413,
              "file_too_long",
              `Cannot read the file: ${why}. Run \`evenkeel check\` instead.`,
            );
          }
          if (text !== "" && !dry) {
            const detail = "Cannot load a file from the request body: only a dry run accepts one (dry=1).";
            return problem(400, "file_unexpected", detail);
          }
          const file =
            text === ""
              ? {}
              : { file: { name: lineOf(query.get("name") ?? "", maxName) || "the file", text } };
          const { by, condition } = withIfMatch(actorOf(request), request, currentTag, changedSince);
          const report = await control.reload({ dry, ...file, ...(condition && { condition }) }, by);
          const response = isCommandError(report)
            ? denial(report)
            : json(200, { ...report, diff: report.steps.map(describeStep) });
          response.headers.set("ETag", currentTag());
          return response;
        },
        withoutParser,
      )
  );
}

/** @param upgrade missing where no process can take over */
export function upgradeRoutes(upgrade: Upgrade | undefined) {
  return (
    new Elysia({ handler: { standardHostname: false } })
      // Replies when the new process serves, or has failed.
      .post(
        "/api/upgrade",
        async ({ request }) => {
          const fields = await readJsonBody(request, reasonBody);
          if (fields instanceof Response) return fields;
          const report = await upgrade?.(actorOf(request, fields));
          if (report === undefined) return denial(cannotUpgrade);
          return isCommandError(report) ? denial(report) : json(200, report);
        },
        withoutParser,
      )
  );
}

const cannotUpgrade = commandError(
  501,
  "upgrade_unsupported",
  "Cannot upgrade: this process cannot start a new one.",
);

/** The page runs no scripts and loads nothing from elsewhere. */
const contentSecurityPolicy =
  "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The API's description: OpenAPI for programs, a page for people. */
export function documentRoutes() {
  // Rendered on first use: most processes never serve it.
  let rendered: { readonly json: string; readonly page: string } | undefined;
  const render = () => {
    const document = documentOf(operations);
    return { json: JSON.stringify(document), page: renderDocument(operations, document) };
  };
  return new Elysia({ handler: { standardHostname: false } })
    .get("/api/openapi.json", ({ request }) =>
      taggedText(request, (rendered ??= render()).json, "application/json"),
    )
    .get("/api/docs", ({ request }) => {
      const response = taggedText(request, (rendered ??= render()).page, "text/html; charset=utf-8");
      response.headers.set("Content-Security-Policy", contentSecurityPolicy);
      response.headers.set("Referrer-Policy", "same-origin");
      return response;
    })
    .get("/api/docs/style.css", ({ request }) => taggedText(request, style, "text/css; charset=utf-8"));
}
