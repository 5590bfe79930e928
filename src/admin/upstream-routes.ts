/** Routes that act on upstreams and pools: modes, weights, draining, adding, removing, fault injection. */

import { Elysia } from "elysia";
import { reaches } from "../access/accounts.ts";
import { problemSentence, quote } from "../config/problem.ts";
import { type Actor, type CommandError, type Control, isCommandError } from "../control/control.ts";
import type { PoolSnapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { callerOf } from "./authorization.ts";
import { poolEtag, upstreamEtag, withIfMatch } from "./etags.ts";
import type { References } from "./references.ts";
import {
  actorOf,
  bodyFields,
  type Fields,
  isSet,
  queryParameters,
  readJsonBody,
  waitOf,
  withoutParser,
} from "./request-input.ts";
import { denial, json, problem } from "./responses.ts";
import { modeBody, reasonBody, weightBody } from "./schemas/commands.ts";

/** The part of the balancer that these routes use. */
export interface ControlAccess {
  readonly control: Control;
  /** Undefined if there is no such upstream. */
  upstream(id: string): UpstreamSnapshot | undefined;
  /** Undefined if there is no such pool. */
  pool(name: string): PoolSnapshot | undefined;
  readonly references: Pick<References, "idOf">;
}

export function upstreamRoutes({ control, upstream, pool, references }: ControlAccess) {
  const { shown, rejected, actorFor } = upstreamResponses(upstream);
  return (
    new Elysia({ handler: { standardHostname: false } })
      .onBeforeHandle(({ params }) => replaceReference(params, references))
      .post(
        "/api/upstreams/:id/mode",
        async ({ request, params: { id } }) => {
          const body = await readJsonBody(request, modeBody);
          if (body instanceof Response) return body;
          const error = control.setMode(id, body.mode, actorFor(request, id, body));
          if (error) return rejected(id, error);
          await control.shared();
          return shown(id);
        },
        withoutParser,
      )

      // Responds when the upstream is idle, or when `wait` expires, with the number of requests left. Without `wait` it
      // responds at once; `deadline` then says by when the upstream should be idle.
      .post(
        "/api/upstreams/:id/drain",
        async ({ request, params: { id } }) => {
          const body = await readJsonBody(request, reasonBody);
          if (body instanceof Response) return body;
          const query = queryParameters(request);
          const waitMs = waitOf(query, 0);
          if (waitMs === undefined) return invalidWait("drain", query, "wait");
          const deadlineMs = waitOf(query, waitMs, "deadline");
          if (deadlineMs === undefined) return invalidWait("drain", query, "deadline");
          const options = { waitMs, deadlineMs, force: isSet(query, "force") };
          const report = await control.drain(id, options, actorFor(request, id, body));
          if (isCommandError(report)) return rejected(id, report);
          await control.shared();
          return shown(id, 200, { id, ...report });
        },
        withoutParser,
      )

      .get("/api/upstreams/:id", ({ params: { id } }) =>
        upstream(id) ? shown(id) : problem(404, "upstream_unknown", `No upstream named "${id}".`),
      )
      // `{"weight": null}` restores the configured weight.
      .patch(
        "/api/upstreams/:id",
        async ({ request, params: { id } }) => {
          const body = await readJsonBody(request, weightBody);
          if (body instanceof Response) return body;
          const error = await control.setWeight(id, body.weight, actorFor(request, id, body));
          if (error) return rejected(id, error);
          await control.shared();
          return shown(id);
        },
        withoutParser,
      )
      .delete(
        "/api/upstreams/:id",
        async ({ request, params: { id } }) => {
          const body = await readJsonBody(request, reasonBody);
          if (body instanceof Response) return body;
          const query = queryParameters(request);
          const waitMs = waitOf(query, 0);
          if (waitMs === undefined) return invalidWait("remove", query, "wait");
          const report = await control.remove(id, waitMs, actorFor(request, id, body));
          if (isCommandError(report)) return rejected(id, report);
          const { drained, inFlight } = report;
          // Without `wait` the response is always 202, even if the upstream is already removed.
          const removed = waitMs > 0 && upstream(id) === undefined;
          await control.shared();
          const shared = control.sharedNote(id);
          return json(removed ? 200 : 202, { id, removed, drained, inFlight, ...(shared && { shared }) });
        },
        withoutParser,
      )

      .get("/api/pools/:pool", ({ params }) => {
        const found = pool(params.pool);
        if (!found) return problem(404, "pool_unknown", `No pool named "${params.pool}".`);
        const response = json(200, found);
        response.headers.set("ETag", poolEtag(found));
        return response;
      })
      .post(
        "/api/pools/:pool/upstreams",
        async ({ request, params }) => {
          const fields = await bodyFields(request);
          if (fields instanceof Response) return fields;
          const { reason: _reason, ...spec } = fields;
          const actor = withIfMatch(actorOf(request, fields), request, () => {
            const found = pool(params.pool);
            return found && poolEtag(found);
          });
          const added = await control.add(params.pool, spec, actor);
          if (!isCommandError(added)) {
            await control.shared();
            return shown(added, 201);
          }
          const current = added.status === 412 ? pool(params.pool) : undefined;
          return current ? preconditionFailed(added, current, poolEtag(current)) : denial(added);
        },
        withoutParser,
      )
  );
}

/** The path may name an upstream as people do; the handlers get its id. */
function replaceReference(
  params: Record<string, string | undefined>,
  { idOf }: Pick<References, "idOf">,
): Response | undefined {
  if (params["id"] === undefined) return undefined;
  const id = idOf(params["id"]);
  if (id instanceof Response) return id;
  params["id"] = id;
  return undefined;
}

function invalidWait(verb: "drain" | "remove", query: URLSearchParams, name: "wait" | "deadline"): Response {
  const why = `expected a duration of at most 1h for ${name}, such as 30s`;
  const detail = problemSentence({ action: `${verb} the upstream`, why, received: quote(query.get(name)) });
  return problem(400, "wait_invalid", detail);
}

/** Fault injection, so that operators can test ejection and recovery. */
export function faultRoutes({ control, upstream, references }: Omit<ControlAccess, "pool">) {
  const { shown, rejected, actorFor } = upstreamResponses(upstream);
  return (
    new Elysia({ handler: { standardHostname: false } })
      .onBeforeHandle(({ params }) => replaceReference(params, references))
      // Starts a fault, or replaces the active one.
      .put(
        "/api/upstreams/:id/rehearsal",
        async ({ request, params: { id } }) => {
          const fields = await bodyFields(request);
          if (fields instanceof Response) return fields;
          const role = callerOf(request)?.role ?? "admin";
          if (fields["force"] === true && !reaches(role, "admin")) {
            const detail = `Cannot inject a fault with force: the role admin is required (this caller has ${role}).`;
            return problem(403, "role_insufficient", detail, { needed: "admin", role });
          }
          const { reason: _reason, ...spec } = fields;
          const error = control.injectFault(id, spec, actorFor(request, id, fields));
          return error ? rejected(id, error) : shown(id);
        },
        withoutParser,
      )
      .delete(
        "/api/upstreams/:id/rehearsal",
        async ({ request, params: { id } }) => {
          const fields = await readJsonBody(request, reasonBody);
          if (fields instanceof Response) return fields;
          const error = control.endFault(id, actorFor(request, id, fields));
          return error ? rejected(id, error) : shown(id);
        },
        withoutParser,
      )
  );
}

/** What all writes to one upstream share: the condition from `If-Match`, and responses with the current state. */
function upstreamResponses(upstream: (id: string) => UpstreamSnapshot | undefined) {
  return {
    /** The current upstream with its tag; null if it no longer exists. */
    shown(id: string, status = 200, more?: object): Response {
      const found = upstream(id);
      const response = json(status, more ? { ...more, upstream: found ?? null } : (found ?? null));
      if (found) response.headers.set("ETag", upstreamEtag(found));
      return response;
    },

    /** The error; with 412 also the current upstream. */
    rejected(id: string, error: CommandError): Response {
      const current = error.status === 412 ? upstream(id) : undefined;
      return current ? preconditionFailed(error, current, upstreamEtag(current)) : denial(error);
    },

    /** The actor, with the condition from `If-Match`. */
    actorFor: (request: Request, id: string, fields: Fields): Actor =>
      withIfMatch(actorOf(request, fields), request, () => {
        const found = upstream(id);
        return found && upstreamEtag(found);
      }),
  };
}

function preconditionFailed(
  { status, reason, message }: CommandError,
  current: object,
  tag: string,
): Response {
  const response = problem(status, reason, message, { current });
  response.headers.set("ETag", tag);
  return response;
}
