/** The part of the admin API that plays faults on upstreams, so that ejection and recovery can be seen beforehand. */

import { Elysia } from "elysia";

import { reaches } from "../access/role.ts";
import { problem } from "./responses.ts";
import { readJsonBody, withoutParser, bodyFields } from "./bodies.ts";
import { callerOf } from "./callers.ts";
import type { ControlAccess } from "./upstream-routes.ts";
import { reasonBody } from "./schemas/commands.ts";
import { upstreamResponses } from "./upstream-answers.ts";

export function faultRoutes({ control, upstream }: Pick<ControlAccess, "control" | "upstream">) {
  const { shown, refusal, whoMay } = upstreamResponses(upstream);
  return (
    new Elysia({ handler: { standardHostname: false } })
      /** Begins one, or replaces the one that runs. */
      .put(
        "/api/upstreams/:id/rehearsal",
        async ({ request, params: { id } }) => {
          const fields = await bodyFields(request);
          if (fields instanceof Response) return fields;
          const role = callerOf(request)?.role ?? "admin";
          if (fields["force"] === true && !reaches(role, "admin")) {
            const detail = `To force a rehearsal needs the role admin; this caller is ${role}.`;
            return problem(403, "role_insufficient", detail, { needed: "admin", role });
          }
          const { reason: _reason, ...given } = fields;
          const refused = control.rehearse(id, given, whoMay(request, id, fields));
          return refused ? refusal(id, refused) : shown(id);
        },
        withoutParser,
      )
      .delete(
        "/api/upstreams/:id/rehearsal",
        async ({ request, params: { id } }) => {
          const fields = await readJsonBody(request, reasonBody);
          if (fields instanceof Response) return fields;
          const refused = control.endRehearsal(id, whoMay(request, id, fields));
          return refused ? refusal(id, refused) : shown(id);
        },
        withoutParser,
      )
  );
}
