/** Routes of alerts: receivers and what was sent, tests, and silences. */

import { Elysia } from "elysia";

import type { AlertDispatcher } from "../alerts/alert-dispatcher.ts";
import { maxSilenceMs, maxSilences, type NewSilence } from "../alerts/silences.ts";
import { problemSentence, quote } from "../config/problem.ts";
import { ageSecondsOf } from "../config/values.ts";
import { systemWallClock } from "../lib/clock.ts";
import { parseMomentOf } from "../lib/time-range.ts";
import type { References } from "./references.ts";
import { actorOf, readJsonBody, withoutParser } from "./request-input.ts";
import { json, problem } from "./responses.ts";
import { alertTestBody, silenceBody } from "./schemas/alert.ts";

export type AlertSource = Pick<AlertDispatcher, "snapshot" | "receivers" | "test" | "silence" | "endSilence">;

export function alertRoutes(alerts: AlertSource, references: Pick<References, "eventFilter" | "poolOf">) {
  return (
    new Elysia({ handler: { standardHostname: false } })
      .get("/api/alerts", () => json(200, alerts.snapshot))

      // Responds when the receiver has answered, or after 10 s.
      .post(
        "/api/alerts/test",
        async ({ request }) => {
          const body = await readJsonBody(request, alertTestBody);
          if (body instanceof Response) return body;
          const result = await alerts.test(body.receiver, actorOf(request).by);
          if (result === "unknown") return unknownReceiver(alerts, body.receiver);
          if (result === "busy")
            return problem(409, "test_running", `Cannot test ${body.receiver}: another test is under way.`);
          return json(200, result);
        },
        withoutParser,
      )

      .post(
        "/api/silences",
        async ({ request }) => {
          const body = await readJsonBody(request, silenceBody);
          if (body instanceof Response) return body;
          const { by, reason } = actorOf(request, body);
          const given = silenceOf({ ...body, reason }, systemWallClock());
          if (given instanceof Response) return given;
          const { pool, upstream } = body;
          const known = references.eventFilter({
            ...(pool !== undefined && { pool }),
            ...(upstream !== undefined && { upstream }),
          });
          if (known instanceof Response) return known;
          const home = known.upstream === undefined ? undefined : references.poolOf(known.upstream);
          if (pool !== undefined && home !== undefined && home !== pool)
            return invalidSilence(`upstream ${known.upstream} is in pool ${home}`, pool);
          const silence = alerts.silence({ ...given, by, upstream: known.upstream ?? null });
          if (!silence)
            return problem(
              409,
              "silences_full",
              `Cannot silence: there are ${maxSilences} silences already. End some of them.`,
            );
          return json(201, silence);
        },
        withoutParser,
      )
      .delete(
        "/api/silences/:id",
        ({ request, params: { id } }) => {
          const silence = alerts.endSilence(id, actorOf(request).by);
          return silence
            ? json(200, silence)
            : problem(404, "silence_unknown", `No silence has the id ${quote(id)}.`);
        },
        withoutParser,
      )
  );
}

function unknownReceiver({ receivers }: AlertSource, name: string): Response {
  const names = receivers.map((receiver) => receiver.name).join(", ");
  const expected = names === "" ? "the configuration has none" : `the configuration has ${names}`;
  return problem(404, "receiver_unknown", `No receiver is named ${quote(name)}: ${expected}.`);
}

interface SilenceRequest {
  readonly kind?: NewSilence["kind"] | undefined;
  readonly pool?: string | undefined;
  readonly upstream?: string | undefined;
  readonly for?: string | undefined;
  readonly until?: string | undefined;
  readonly reason: string;
}

function invalidSilence(why: string, received?: string): Response {
  const detail = problemSentence({
    action: "silence",
    why,
    ...(received !== undefined && { received: quote(received) }),
  });
  return problem(400, "silence_invalid", detail);
}

/** @param now epoch milliseconds */
function silenceOf(given: SilenceRequest, now: number): Omit<NewSilence, "by"> | Response {
  const { for: length, until: end, reason } = given;
  const [kind, pool, upstream] = [given.kind ?? null, given.pool ?? null, given.upstream ?? null];
  const refuse = invalidSilence;
  if (kind === null && pool === null && upstream === null)
    return refuse("set kind, pool or upstream, to say what is silent");
  if (reason === "") return refuse("set reason, so that others know why");
  if ((length === undefined) === (end === undefined)) return refuse("set one of for and until");
  const until =
    end === undefined ? now + ageSecondsOf(length ?? "") * 1_000 : parseMomentOf("until", end, now);
  if (typeof until === "string")
    return refuse("expected until to be a time such as 2026-11-30T06:00:00Z", end);
  if (until <= now) return refuse("expected an end in the future", end ?? length);
  if (until - now > maxSilenceMs)
    return refuse(`expected an end in at most ${maxSilenceMs / 86_400_000} days`, end ?? length);
  return { kind, pool, upstream, until, why: reason };
}
