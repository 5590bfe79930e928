/** The part of the admin API that is about the whole: events, intents, and taking the configuration anew. */

import { Elysia } from "elysia";

import { type Control, isDenied } from "../control/control.ts";
import { describeStep } from "../control/plan.ts";
import { denial, json, problem } from "./answers.ts";
import { isSet, lineOf, queryOf, textOf, whoOf } from "./asked.ts";
import { byHand } from "./bodies.ts";
import { eventQueryOf } from "./event-query.ts";
import { taggedJson, taggedText } from "./tags.ts";

/** As much as anyone writes by hand, and a thousand pools that a program wrote. */
const longestFile = 1024 * 1024;
const longestName = 200;

export function courseRoutes(control: Control) {
  return (
    new Elysia({ handler: { standardHostname: false } })
      .get("/api/events", ({ request }) => {
        const query = eventQueryOf(queryOf(request));
        if (query) return json(200, { events: control.events(query) });
        const message = "Cannot read events: limit, after and before need whole numbers";
        return problem(400, "query_invalid", message);
      })

      .get("/api/state", ({ request }) => taggedJson(request, { intents: control.intents() }))
      .get("/api/state/export", ({ request }) =>
        taggedText(request, control.exportYaml(), "application/yaml; charset=utf-8"),
      )

      /** `dry=1` only says what would change, also for a file that is sent along: `name` says what to call it. */
      .post(
        "/api/reload",
        async ({ request }) => {
          const query = queryOf(request);
          const dry = isSet(query, "dry");
          const text = await textOf(request, longestFile);
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
              : { file: { name: lineOf(query.get("name") ?? "", longestName) || "the file", text } };
          const report = await control.reload({ dry, ...file }, whoOf(request).by);
          if (isDenied(report)) return denial(report);
          return json(200, { ...report, diff: report.steps.map(describeStep) });
        },
        byHand,
      )
  );
}
