/** The part of the admin API that acts on upstreams: modes, weights, draining, adding and removing. */

import { Elysia } from "elysia";

import { type Control, type Denied, type DrainReport, isDenied } from "../control/control.ts";
import { modes } from "../pool/upstream.ts";
import type { UpstreamSnapshot } from "../snapshot.ts";
import { denial, json, problem, wrongMethod } from "./answers.ts";
import { type Fields, fieldsOf, isSet, queryOf, waitOf, whoOf } from "./asked.ts";

/** What these routes need of the balancer. */
export interface Steered {
  readonly control: Control;
  upstream(id: string): UpstreamSnapshot | undefined;
}

/** Bodies are read by hand: each is bounded first. */
const byHand = { parse: "none" } as const;

export function fleetRoutes({ control, upstream }: Steered) {
  const changed = (id: string, refused: Denied | undefined, status = 200) =>
    refused ? denial(refused) : json(status, upstream(id) ?? null);

  return (
    new Elysia({ handler: { standardHostname: false } })
      .post(
        "/api/upstreams/:id/mode",
        async ({ request, params: { id } }) => {
          const fields = await fieldsOf(request);
          const mode = modes.find((known) => known === fields?.["mode"]);
          if (!fields || !mode) return badBody("mode_invalid", `{"mode": …} with one of ${modes.join(", ")}`);
          return changed(id, control.setMode(id, mode, whoOf(request, fields)));
        },
        byHand,
      )
      .get("/api/upstreams/:id/mode", () => wrongMethod("POST"))

      /**
       * Answers when it is empty, or when `wait` is over with how many are left. Without `wait` it answers at once;
       * `deadline` then says by when it should be empty.
       */
      .post(
        "/api/upstreams/:id/drain",
        async ({ request, params: { id } }) => {
          const fields = await fieldsOf(request);
          if (!fields) return badBody("body_invalid", '{"reason": …} or nothing');
          const query = queryOf(request);
          const waitMs = waitOf(query, 0);
          const deadlineMs = waitOf(query, waitMs ?? 0, "deadline");
          if (waitMs === undefined || deadlineMs === undefined) return badWait();
          const order = { waitMs, deadlineMs, force: isSet(query, "force") };
          return drained(id, await control.drain(id, order, whoOf(request, fields)));
        },
        byHand,
      )
      .get("/api/upstreams/:id/drain", () => wrongMethod("POST"))

      .get("/api/upstreams/:id", ({ params: { id } }) => {
        const found = upstream(id);
        return found ? json(200, found) : problem(404, "upstream_unknown", `No upstream is called ${id}.`);
      })
      /** `{"weight": null}` goes back to the configured one. */
      .patch(
        "/api/upstreams/:id",
        async ({ request, params: { id } }) => {
          const fields = await fieldsOf(request);
          const weight = weightIn(fields);
          if (!fields || weight === undefined) {
            return badBody("weight_invalid", '{"weight": …} with a whole number from 0 to 256, or null');
          }
          return changed(id, await control.setWeight(id, weight, whoOf(request, fields)));
        },
        byHand,
      )
      .delete(
        "/api/upstreams/:id",
        async ({ request, params: { id } }) => {
          const fields = await fieldsOf(request);
          if (!fields) return badBody("body_invalid", '{"reason": …} or nothing');
          const waitMs = waitOf(queryOf(request), 0);
          if (waitMs === undefined) return badWait();
          const report = await control.remove(id, waitMs, whoOf(request, fields));
          if (isDenied(report)) return denial(report);
          const { drained: isEmpty, inFlight } = report;
          const isGone = upstream(id) === undefined;
          return json(isGone ? 200 : 202, { id, removed: isGone, drained: isEmpty, inFlight });
        },
        byHand,
      )

      .post(
        "/api/pools/:pool/upstreams",
        async ({ request, params: { pool } }) => {
          const fields = await fieldsOf(request);
          if (!fields)
            return badBody("body_invalid", '{"url": …, "weight": …, "backup": …, "name": …, "reason": …}');
          const { reason: _reason, ...given } = fields;
          const answer = await control.add(pool, given, whoOf(request, fields));
          return isDenied(answer) ? denial(answer) : changed(answer, undefined, 201);
        },
        byHand,
      )
      .get("/api/pools/:pool/upstreams", () => wrongMethod("POST"))
  );

  function drained(id: string, report: Denied | DrainReport): Response {
    return isDenied(report) ? denial(report) : json(200, { id, ...report, upstream: upstream(id) ?? null });
  }
}

function weightIn(fields: Fields | undefined): number | null | undefined {
  const weight = fields?.["weight"];
  if (weight === null) return null;
  const isWeight = typeof weight === "number" && Number.isInteger(weight) && weight >= 0 && weight <= 256;
  return isWeight ? weight : undefined;
}

function badBody(reason: string, wanted: string): Response {
  return problem(400, reason, `Cannot understand the request: send ${wanted}`);
}

function badWait(): Response {
  return problem(
    400,
    "wait_invalid",
    "Cannot wait for that long: send a duration of at most 1h, such as wait=30s",
  );
}
