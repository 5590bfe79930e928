/** The part of the admin API that plays faults on upstreams, so that ejection and recovery can be seen beforehand. */

import { Elysia } from "elysia";

import { reaches } from "../access/role.ts";
import { problem } from "./answers.ts";
import { bodyOf, byHand, fieldsOf } from "./bodies.ts";
import { callerOf } from "./callers.ts";
import type { Steered } from "./fleet-routes.ts";
import { reasonBody } from "./schemas/orders.ts";
import { upstreamAnswers } from "./upstream-answers.ts";

export function rehearsalRoutes({ control, upstream }: Pick<Steered, "control" | "upstream">) {
  const { shown, refusal, whoMay } = upstreamAnswers(upstream);
  return (
    new Elysia({ handler: { standardHostname: false } })
      /** Begins one, or replaces the one that runs. */
      .put(
        "/api/upstreams/:id/rehearsal",
        async ({ request, params: { id } }) => {
          const fields = await fieldsOf(request);
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
        byHand,
      )
      .delete(
        "/api/upstreams/:id/rehearsal",
        async ({ request, params: { id } }) => {
          const fields = await bodyOf(request, reasonBody);
          if (fields instanceof Response) return fields;
          const refused = control.endRehearsal(id, whoMay(request, id, fields));
          return refused ? refusal(id, refused) : shown(id);
        },
        byHand,
      )
  );
}
