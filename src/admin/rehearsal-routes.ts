/** The part of the admin API that plays faults on upstreams, so that ejection and recovery can be seen beforehand. */

import { Elysia } from "elysia";

import { denial, json, problem, wrongMethod } from "./answers.ts";
import { fieldsOf, whoOf } from "./asked.ts";
import type { Steered } from "./fleet-routes.ts";

/** Bodies are read by hand: each is bounded first. */
const byHand = { parse: "none" } as const;

export function rehearsalRoutes({ control, upstream }: Steered) {
  return (
    new Elysia({ handler: { standardHostname: false } })
      /** Begins one, or replaces the one that runs. */
      .put(
        "/api/upstreams/:id/rehearsal",
        async ({ request, params: { id } }) => {
          const fields = await fieldsOf(request);
          if (!fields) return notUnderstood('{"latencyMs": …, "errorShare": …, "error": …, "seconds": …}');
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
      .get("/api/upstreams/:id/rehearsal", () => wrongMethod("PUT, DELETE"))
  );
}

function notUnderstood(wanted: string): Response {
  return problem(400, "body_invalid", `Cannot understand the request: send ${wanted}`);
}
