/** The part of the admin API that acts on upstreams: modes, weights, draining, adding and removing. */

import { Elysia } from "elysia";
import { reaches } from "../access/accounts.ts";
import { callerOf } from "./authorization.ts";
import { poolEtag, upstreamEtag, withIfMatch } from "./etags.ts";
import {
  actorOf,
  bodyFields,
  isSet,
  queryParameters,
  readJsonBody,
  waitOf,
  withoutParser,
} from "./request-input.ts";
import { denial, json, problem } from "./responses.ts";
import { modeBody, reasonBody, weightBody } from "./schemas/commands.ts";
import { type Actor, type CommandError, type Control, isCommandError } from "../control/control.ts";
import type { PoolSnapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";

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

// The part of the admin API that plays faults on upstreams, so that ejection and recovery can be seen beforehand.

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
          const refused = control.injectFault(id, given, whoMay(request, id, fields));
          return refused ? refusal(id, refused) : shown(id);
        },
        withoutParser,
      )
      .delete(
        "/api/upstreams/:id/rehearsal",
        async ({ request, params: { id } }) => {
          const fields = await readJsonBody(request, reasonBody);
          if (fields instanceof Response) return fields;
          const refused = control.endFault(id, whoMay(request, id, fields));
          return refused ? refusal(id, refused) : shown(id);
        },
        withoutParser,
      )
  );
}

// How every write to one upstream is bound to what its caller saw, and answered with what is there now.

export function upstreamResponses(upstream: (id: string) => UpstreamSnapshot | undefined) {
  return {
    /** With what is there now, and under which tag; so too where a write came too late. */
    shown(id: string, status = 200, more?: object): Response {
      const found = upstream(id);
      const response = json(status, more ? { ...more, upstream: found ?? null } : (found ?? null));
      if (found) response.headers.set("ETag", upstreamEtag(found));
      return response;
    },

    refusal(id: string, refused: CommandError): Response {
      const current = refused.status === 412 ? upstream(id) : undefined;
      return current ? preconditionFailed(refused, current, upstreamEtag(current)) : denial(refused);
    },

    whoMay: (request: Request, id: string, fields: Parameters<typeof actorOf>[1]): Actor =>
      withIfMatch(actorOf(request, fields), request, () => {
        const found = upstream(id);
        return found && upstreamEtag(found);
      }),
  };
}

export function preconditionFailed(
  { status, reason, message }: CommandError,
  current: object,
  tag: string,
): Response {
  const response = problem(status, reason, message, { current });
  response.headers.set("ETag", tag);
  return response;
}
