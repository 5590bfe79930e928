/** The part of the admin API that acts on upstreams: modes, weights, draining, adding and removing. */

import { Elysia } from "elysia";

import { type Control, isCommandError } from "../control/control.ts";
import type { PoolSnapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { denial, json, problem } from "./responses.ts";
import { isSet, queryParameters, waitOf, actorOf } from "./request-input.ts";
import { readJsonBody, withoutParser, bodyFields } from "./bodies.ts";
import { modeBody, reasonBody, weightBody } from "./schemas/commands.ts";
import { withIfMatch, poolEtag } from "./etags.ts";
import { preconditionFailed, upstreamResponses } from "./upstream-answers.ts";

/** What these routes need of the balancer. */
export interface ControlAccess {
  readonly control: Control;
  upstream(id: string): UpstreamSnapshot | undefined;
  pool(name: string): PoolSnapshot | undefined;
}

export function upstreamRoutes({ control, upstream, pool }: ControlAccess) {
  const { shown, refusal, whoMay } = upstreamResponses(upstream);
  return (
    new Elysia({ handler: { standardHostname: false } })
      .post(
        "/api/upstreams/:id/mode",
        async ({ request, params: { id } }) => {
          const body = await readJsonBody(request, modeBody);
          if (body instanceof Response) return body;
          const refused = control.setMode(id, body.mode, whoMay(request, id, body));
          return refused ? refusal(id, refused) : shown(id);
        },
        withoutParser,
      )

      /**
       * Answers when it is empty, or when `wait` is over with how many are left. Without `wait` it answers at once;
       * `deadline` then says by when it should be empty.
       */
      .post(
        "/api/upstreams/:id/drain",
        async ({ request, params: { id } }) => {
          const body = await readJsonBody(request, reasonBody);
          if (body instanceof Response) return body;
          const query = queryParameters(request);
          const waitMs = waitOf(query, 0);
          const deadlineMs = waitOf(query, waitMs ?? 0, "deadline");
          if (waitMs === undefined || deadlineMs === undefined) return badWait();
          const order = { waitMs, deadlineMs, force: isSet(query, "force") };
          const report = await control.drain(id, order, whoMay(request, id, body));
          return isCommandError(report) ? refusal(id, report) : shown(id, 200, { id, ...report });
        },
        withoutParser,
      )

      .get("/api/upstreams/:id", ({ params: { id } }) =>
        upstream(id) ? shown(id) : problem(404, "upstream_unknown", `No upstream is called ${id}.`),
      )
      /** `{"weight": null}` goes back to the configured one. */
      .patch(
        "/api/upstreams/:id",
        async ({ request, params: { id } }) => {
          const body = await readJsonBody(request, weightBody);
          if (body instanceof Response) return body;
          const refused = await control.setWeight(id, body.weight, whoMay(request, id, body));
          return refused ? refusal(id, refused) : shown(id);
        },
        withoutParser,
      )
      .delete(
        "/api/upstreams/:id",
        async ({ request, params: { id } }) => {
          const body = await readJsonBody(request, reasonBody);
          if (body instanceof Response) return body;
          const waitMs = waitOf(queryParameters(request), 0);
          if (waitMs === undefined) return badWait();
          const report = await control.remove(id, waitMs, whoMay(request, id, body));
          if (isCommandError(report)) return refusal(id, report);
          const { drained, inFlight } = report;
          // Whoever does not wait is told that it will go, also where it is gone by chance before the answer.
          const removed = waitMs > 0 && upstream(id) === undefined;
          return json(removed ? 200 : 202, { id, removed, drained, inFlight });
        },
        withoutParser,
      )

      .get("/api/pools/:pool", ({ params }) => {
        const found = pool(params.pool);
        if (!found) return problem(404, "pool_unknown", `No pool is called ${params.pool}.`);
        const response = json(200, found);
        response.headers.set("ETag", poolEtag(found));
        return response;
      })
      .post(
        "/api/pools/:pool/upstreams",
        async ({ request, params }) => {
          const fields = await bodyFields(request);
          if (fields instanceof Response) return fields;
          const { reason: _reason, ...given } = fields;
          const actor = withIfMatch(actorOf(request, fields), request, () => {
            const found = pool(params.pool);
            return found && poolEtag(found);
          });
          const response = await control.add(params.pool, given, actor);
          if (!isCommandError(response)) return shown(response, 201);
          const current = response.status === 412 ? pool(params.pool) : undefined;
          return current ? preconditionFailed(response, current, poolEtag(current)) : denial(response);
        },
        withoutParser,
      )
  );
}

function badWait(): Response {
  return problem(
    400,
    "wait_invalid",
    "Cannot wait for that long: send a duration of at most 1h, such as wait=30s",
  );
}
