/** The part of the admin API that plays faults on upstreams, so that ejection and recovery can be seen beforehand. */

import { Elysia } from "elysia";

import { reaches } from "../access/role.ts";
import { denial, json, problem } from "./answers.ts";
import { fieldsOf, whoOf } from "./asked.ts";
import { byHand } from "./bodies.ts";
import { callerOf } from "./callers.ts";
import type { Steered } from "./fleet-routes.ts";

export function rehearsalRoutes({ control, upstream }: Pick<Steered, "control" | "upstream">) {
  return (
    new Elysia({ handler: { standardHostname: false } })
      /** Begins one, or replaces the one that runs. */
      .put(
        "/api/upstreams/:id/rehearsal",
        async ({ request, params: { id } }) => {
          const fields = await fieldsOf(request);
          if (!fields) return notUnderstood('{"latencyMs": …, "errorShare": …, "error": …, "seconds": …}');
          const role = callerOf(request)?.role ?? "admin";
          if (fields["force"] === true && !reaches(role, "admin")) {
            const detail = `To force a rehearsal needs the role admin; this caller is ${role}.`;
            return problem(403, "role_insufficient", detail, { needed: "admin", role });
          }
          const { reason: _reason, ...given } = fields;
          const refused = control.rehearse(id, given, whoOf(request, fields));
          return refused ? denial(refused) : json(200, upstream(id) ?? null);
        },
        byHand,
      )
      .delete(
        "/api/upstreams/:id/rehearsal",
        async ({ request, params: { id } }) => {
          const fields = await fieldsOf(request);
          if (!fields) return notUnderstood('{"reason": …} or nothing');
          const refused = control.endRehearsal(id, whoOf(request, fields));
          return refused ? denial(refused) : json(200, upstream(id) ?? null);
        },
        byHand,
      )
  );
}

function notUnderstood(wanted: string): Response {
  return problem(400, "body_invalid", `Cannot understand the request: send ${wanted}`);
}
