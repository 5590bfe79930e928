/** Routes that confirm, execute and undo operator actions. Forms are parsed by hand, because a field may occur several times. */

import { Elysia } from "elysia";
import type { AdminClient } from "../admin-client.ts";
import { isForPart, htmlResponse, seeOther, httpStatusOf, textResponse } from "../responses.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { adminApiErrorSentence, urlOrigin } from "../../wording/verdict.ts";
import { backTo, type PageLocation, formLocation } from "../location.ts";
import type { UpstreamPollers } from "../live/upstream-poller.ts";
import { parseAddForm, newUpstreamInput } from "./add-upstream.tsx";
import { type ActionForm, needsReason, parseActionForm, withPoolMembers } from "./action-form.ts";
import { type UndoEntry, type UndoHistory, undoOfAdding } from "./undo.ts";
import { renderActionResult } from "./result.tsx";
import { type Effect, effectOf, presentWeight } from "../../wording/effect.ts";
import { failureText, type ActionOutcome, executeAction, undoAction } from "./execute.ts";
import { renderAdd, renderEffect, renderFailure, renderPanel } from "./render.tsx";

export interface ActionRouteOptions {
  readonly poller: SnapshotPoller;
  readonly upstreams: UpstreamPollers;
  readonly admin: AdminClient;
  readonly undoHistory: UndoHistory;
}

const rawBody = { parse: "none" } as const;
const formFields = async (request: Request) => new URLSearchParams(await request.text());
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

  /** The query of a request, with the upstreams of the pools that it names. */
  const selectedIn = async (request: Request): Promise<URLSearchParams> => {
    const { snapshot } = await poller.current();
    return withPoolMembers(queryIn(request), snapshot?.pools ?? []);
  };

  /** Shows the result on the page where the action was requested. */
  const doneResponse = async (
    request: Request,
    location: PageLocation,
    undo: UndoEntry,
    id?: string,
  ): Promise<Response> => {
    await poller.renewed();
    if (location.page === "upstream") await upstreams.of(location.id).renewed();
    return isForPart(request)
      ? htmlResponse(renderActionResult({ entry: undo, location }))
      : seeOther(backTo(location, { undo: undo.key, id }));
  };

  const responseOf = async (
    request: Request,
    form: ActionForm,
    { undo, failures }: ActionOutcome,
  ): Promise<Response> => {
    const text = failures.length > 0 ? failureText(failures) : "";
    if (undo && failures.length === 0) return doneResponse(request, form.location, undo, firstOf(form));
    const status = failures[0] ? httpStatusOf(failures[0].error) : 422;
    if (!undo) return rejectedResponse(request, form, text, status);
    // Some upstreams failed: the form is shown again for those, with the errors above it.
    const ids = failures.map(({ id }) => id);
    return rejectedResponse(request, { ...form, ids }, `${undo.text}. The rest failed. ${text}`, status);
  };

  const rejectedResponse = async (
    request: Request,
    form: ActionForm,
    problem: string,
    status = 422,
  ): Promise<Response> => {
    const panel = { form, effect: await effectNow(form), problem };
    return htmlResponse(renderPanel(panel, isForPart(request) ? "partial" : "page"), status);
  };

  return new Elysia({ handler: { standardHostname: false } })
    .get("/actions", async ({ request }) => {
      const requested = parseActionForm(await selectedIn(request));
      const shape = isForPart(request) ? "part" : "page";
      if (!requested)
        return htmlResponse(renderFailure(nothingSelected, shape, formLocation(queryIn(request))), 422);
      const form = requested.weight === undefined ? await withWeight(requested) : requested;
      const effect = await effectNow(form);
      const problem = effect ? unknownText(effect) : await unreachableText();
      if (effect && effect.unknown.length === form.ids.length) {
        return htmlResponse(renderFailure(problem, shape, form.location), 422);
      }
      return htmlResponse(renderPanel({ form, effect, problem }, shape));
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
        const form = parseActionForm(await formFields(request));
        if (!form) return textResponse(422, nothingSelected);
        const state = await poller.current();
        const obstacle = actionProblem(form, await effectNow(form));
        if (obstacle) return rejectedResponse(request, form, obstacle);
        return responseOf(request, form, await executeAction(form, { admin, undoHistory, state }));
      },
      rawBody,
    )

    .get("/actions/add", ({ request }) => {
      const form = parseAddForm(queryIn(request));
      if (!form) return textResponse(422, noPool);
      return htmlResponse(renderAdd({ form }, isForPart(request) ? "part" : "page"));
    })
    .post(
      "/actions/add",
      async ({ request }) => {
        const form = parseAddForm(await formFields(request));
        if (!form) return textResponse(422, noPool);
        const { pool, reason, location } = form;
        const response = await admin.add({ to: "add", pool, given: newUpstreamInput(form), reason });
        if ("error" in response) {
          const shape = isForPart(request) ? "partial" : "page";
          const problem = adminApiErrorSentence(response.error);
          return htmlResponse(renderAdd({ form, problem }, shape), httpStatusOf(response.error));
        }
        const undo = undoHistory.add(`${response.value} added to ${pool}`, [undoOfAdding(response.value)]);
        return doneResponse(request, location, undo, response.value);
      },
      rawBody,
    )

    .post(
      "/problems/dismiss",
      async ({ request }) => {
        const problem = (await formFields(request)).get("problem") ?? "";
        const error = await admin.order({ to: "dismiss", problem, reason: "" });
        if (error) return textResponse(httpStatusOf(error), adminApiErrorSentence(error));
        await poller.renewed();
        return seeOther("/");
      },
      rawBody,
    )

    .post(
      "/undo/:key",
      async ({ request, params: { key } }) => {
        const location = formLocation(await formFields(request));
        const undo = undoHistory.of(key);
        const shape = isForPart(request) ? "partial" : "page";
        if (!undo) return htmlResponse(renderFailure(tooLate, shape, location), 422);
        const state = await poller.renewed();
        const { undo: undone, failures } = await undoAction(undo, { admin, undoHistory, state });
        if (undone && failures.length === 0) return doneResponse(request, location, undone);
        const text = `Not ${undone ? "completely " : ""}undone. ${failureText(failures)}`;
        return htmlResponse(renderFailure(text, shape, location), 422);
      },
      rawBody,
    );

  async function unreachableText(): Promise<string> {
    const { outage, adminUrl } = await poller.current();
    return `Cannot reach the admin API at ${urlOrigin(adminUrl)}: ${outage?.message ?? "no response yet"}.`;
  }
}

const nothingSelected = "No upstream is selected. Select at least one.";
const noPool = "Cannot add an upstream: the pool is missing.";
const tooLate = "Cannot undo this action: it was already undone, or is too old.";

function firstOf({ ids, action }: ActionForm): string | undefined {
  return ids.length === 1 && action !== "remove" ? ids[0] : undefined;
}

function unknownText({ unknown }: Effect): string {
  if (unknown.length === 0) return "";
  return unknown.length === 1
    ? `No upstream named "${unknown[0]}".`
    : `${unknown.length} of the selected upstreams do not exist.`;
}

/** Why the action is rejected before it is sent; a browser may submit what the form's constraints forbid. */
function actionProblem(form: ActionForm, effect: Effect | undefined): string | undefined {
  if (form.action === "weight" && form.weight === undefined)
    return "Cannot set the weight: it must be a whole number from 0 to 256, or empty for the configured weight.";
  if (needsReason(form) && form.reason === "") return "Enter a reason: it is recorded in the audit trail.";
  if (effect && effect.dangers.length > 0 && !form.confirmed)
    return "Not confirmed: tick the box above to continue.";
  return undefined;
}
