/** Where acts are confirmed, carried out and taken back. Forms are read by hand, because a name may stand there often. */

import { Elysia } from "elysia";
import type { AdminClient } from "../admin-client.ts";
import { isForPart, htmlResponse, seeOther, httpStatusOf, textResponse } from "../responses.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { adminApiErrorSentence, urlOrigin } from "../../wording/verdict.ts";
import { backTo, type PageLocation, formLocation } from "../location.ts";
import type { UpstreamPollers } from "../live/upstream-poller.ts";
import { addingOf, newUpstreamOf } from "./add-upstream.tsx";
import { type ActionForm, needsReason, parseActionForm } from "./action-form.ts";
import { type UndoEntry, type UndoHistory, undoOfAdding } from "./undo.ts";
import { renderActed } from "./result.tsx";
import { type Effect, effectOf, presentWeight } from "../../wording/effect.ts";
import { failureText, type ActionOutcome, executeAction, undoAction } from "./execute.ts";
import { renderAdd, renderEffect, renderFailure, renderPanel } from "./render.tsx";

export interface ActionRouteOptions {
  readonly poller: SnapshotPoller;
  readonly upstreams: UpstreamPollers;
  readonly admin: AdminClient;
  readonly undoHistory: UndoHistory;
}

const byHand = { parse: "none" } as const;
const asText = async (request: Request) => new URLSearchParams(await request.text());
const queryIn = (request: Request) => new URL(request.url, "http://dashboard").searchParams;

export function actionRoutes({ poller, upstreams, admin, undoHistory }: ActionRouteOptions) {
  const effectNow = async (form: ActionForm): Promise<Effect | undefined> => {
    const { snapshot, outage } = await poller.current();
    return snapshot && !outage ? effectOf(snapshot, form) : undefined;
  };

  const withWeight = async (form: ActionForm): Promise<ActionForm> => {
    const { snapshot } = await poller.current();
    return snapshot ? { ...form, weight: presentWeight(snapshot, form.ids) } : form;
  };

  /** Shows where it was asked for what was done. */
  const acted = async (
    request: Request,
    location: PageLocation,
    undo: UndoEntry,
    id?: string,
  ): Promise<Response> => {
    await poller.renewed();
    if (location.page === "upstream") await upstreams.of(location.id).renewed();
    return isForPart(request)
      ? htmlResponse(renderActed({ deed: undo, place: location }))
      : seeOther(backTo(location, { deed: undo.key, id }));
  };

  const responseOf = async (
    request: Request,
    form: ActionForm,
    { undo, failures }: ActionOutcome,
  ): Promise<Response> => {
    const text = failures.length > 0 ? failureText(failures) : "";
    if (undo && failures.length === 0) return acted(request, form.location, undo, firstOf(form));
    const status = failures[0] ? httpStatusOf(failures[0].error) : 422;
    if (!undo) return refused(request, form, text, status);
    // Some were done: the form asks again for those that were not, under what was said of them.
    const ids = failures.map(({ id }) => id);
    return refused(request, { ...form, ids }, `${undo.text}. The others not: ${text}`, status);
  };

  const refused = async (
    request: Request,
    form: ActionForm,
    problem: string,
    status = 422,
  ): Promise<Response> => {
    const panel = { asked: form, effect: await effectNow(form), problem };
    return htmlResponse(renderPanel(panel, isForPart(request) ? "partial" : "page"), status);
  };

  return new Elysia({ handler: { standardHostname: false } })
    .get("/actions", async ({ request }) => {
      const given = parseActionForm(queryIn(request));
      const shape = isForPart(request) ? "part" : "page";
      if (!given)
        return htmlResponse(renderFailure(nothingSelected, shape, formLocation(queryIn(request))), 422);
      const form = given.weight === undefined ? await withWeight(given) : given;
      const effect = await effectNow(form);
      const problem = effect ? unknownText(effect) : await cannotAsk();
      if (effect && effect.unknown.length === form.ids.length) {
        return htmlResponse(renderFailure(problem, shape, form.location), 422);
      }
      return htmlResponse(renderPanel({ asked: form, effect, problem }, shape));
    })
    .get("/actions/effect", async ({ request }) => {
      const form = parseActionForm(queryIn(request));
      const effect = form && (await effectNow(form));
      return form && effect
        ? htmlResponse(renderEffect(effect, form.confirmed))
        : textResponse(422, nothingSelected);
    })
    .post(
      "/actions",
      async ({ request }) => {
        const form = parseActionForm(await asText(request));
        if (!form) return textResponse(422, nothingSelected);
        const state = await poller.current();
        const obstacle = actionProblem(form, await effectNow(form));
        if (obstacle) return refused(request, form, obstacle);
        return responseOf(request, form, await executeAction(form, { admin, undo: undoHistory, state }));
      },
      byHand,
    )

    .get("/actions/add", ({ request }) => {
      const adding = addingOf(queryIn(request));
      if (!adding) return textResponse(422, "Cannot add an upstream: no pool is named.");
      return htmlResponse(renderAdd({ adding }, isForPart(request) ? "part" : "page"));
    })
    .post(
      "/actions/add",
      async ({ request }) => {
        const adding = addingOf(await asText(request));
        if (!adding) return textResponse(422, "Cannot add an upstream: no pool is named.");
        const { pool, reason, location } = adding;
        const response = await admin.add({ to: "add", pool, given: newUpstreamOf(adding), reason });
        if ("error" in response) {
          const shape = isForPart(request) ? "partial" : "page";
          const problem = adminApiErrorSentence(response.error);
          return htmlResponse(renderAdd({ adding, problem }, shape), httpStatusOf(response.error));
        }
        const undo = undoHistory.add(`${response.value} belongs to ${pool}`, [undoOfAdding(response.value)]);
        return acted(request, location, undo, response.value);
      },
      byHand,
    )

    .post(
      "/undo/:key",
      async ({ request, params: { key } }) => {
        const location = formLocation(await asText(request));
        const undo = undoHistory.of(key);
        const shape = isForPart(request) ? "partial" : "page";
        if (!undo) return htmlResponse(renderFailure(tooLate, shape, location), 422);
        const state = await poller.renewed();
        const { undo: undone, failures } = await undoAction(undo, { admin, undo: undoHistory, state });
        if (undone && failures.length === 0) return acted(request, location, undone);
        const text = `Cannot undo${undone ? " all of it" : ""}: ${failureText(failures)}`;
        return htmlResponse(renderFailure(text, shape, location), 422);
      },
      byHand,
    );

  async function cannotAsk(): Promise<string> {
    const { outage, adminUrl } = await poller.current();
    return `The balancer cannot be asked at ${urlOrigin(adminUrl)}: ${outage?.message ?? "no answer yet"}.`;
  }
}

const nothingSelected = "Cannot do that: no upstream is selected. Select at least one.";
const tooLate = "Cannot undo that any more: it was undone already, or too much happened since.";

function firstOf({ ids, action }: ActionForm): string | undefined {
  return ids.length === 1 && action !== "remove" ? ids[0] : undefined;
}

function unknownText({ unknown }: Effect): string {
  if (unknown.length === 0) return "";
  return unknown.length === 1
    ? `There is no upstream called ${unknown[0]}, or no longer.`
    : `${unknown.length} of these upstreams are not there, or no longer.`;
}

/** Why it is not even tried; a browser that runs no script may send what its form would not let through. */
function actionProblem(form: ActionForm, effect: Effect | undefined): string | undefined {
  if (form.action === "weight" && form.weight === undefined)
    return "Cannot set the weight: it needs a whole number from 0 to 256, or nothing for the configured one.";
  if (needsReason(form) && form.reason === "") return "Say why: it is kept with what is done.";
  if (effect && effect.dangers.length > 0 && !form.confirmed)
    return "This was not done, because it was not confirmed: see above.";
  return undefined;
}
