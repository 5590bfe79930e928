/** Where acts are confirmed, carried out and taken back. Forms are read by hand, because a name may stand there often. */

import { Elysia } from "elysia";
import type { AdminClient } from "../admin-client.ts";
import { isForPart, markupAnswer, seeOther, httpStatusOf, textResponse } from "../answers.ts";
import type { SnapshotPoller } from "../feed.ts";
import { adminApiErrorSentence } from "../picture.ts";
import { backTo, type PageLocation, placeOf } from "../place.ts";
import { urlOrigin } from "../verdict.ts";
import type { UpstreamPollers } from "../upstream-feeds.ts";
import { addingOf, newcomerOf } from "./add.tsx";
import { type ActionForm, parseActionForm, needsReason } from "./asked.ts";
import { type UndoEntry, type UndoHistory, undoOfAdding } from "./deeds.ts";
import { renderActed } from "./done.tsx";
import { type Effect, effectOf, presentWeight } from "./effect.ts";
import { failureWords, type ActionOutcome, executeAction, undoAction } from "./perform.ts";
import { renderAdd, renderEffect, renderFailure, renderPanel } from "./render.tsx";

export interface ActionRouteOptions {
  readonly feed: SnapshotPoller;
  readonly upstreams: UpstreamPollers;
  readonly admin: AdminClient;
  readonly deeds: UndoHistory;
}

const byHand = { parse: "none" } as const;
const asText = async (request: Request) => new URLSearchParams(await request.text());
const queryIn = (request: Request) => new URL(request.url, "http://dashboard").searchParams;

export function actionRoutes({ feed, upstreams, admin, deeds }: ActionRouteOptions) {
  const effectNow = async (asked: ActionForm): Promise<Effect | undefined> => {
    const { snapshot, outage } = await feed.current();
    return snapshot && !outage ? effectOf(snapshot, asked) : undefined;
  };

  const withWeight = async (asked: ActionForm): Promise<ActionForm> => {
    const { snapshot } = await feed.current();
    return snapshot ? { ...asked, weight: presentWeight(snapshot, asked.ids) } : asked;
  };

  /** Shows where it was asked for what was done. */
  const acted = async (
    request: Request,
    place: PageLocation,
    deed: UndoEntry,
    id?: string,
  ): Promise<Response> => {
    await feed.renewed();
    if (place.page === "upstream") await upstreams.of(place.id).renewed();
    return isForPart(request)
      ? markupAnswer(renderActed({ deed, place }))
      : seeOther(backTo(place, { deed: deed.key, id }));
  };

  const answerOf = async (
    request: Request,
    asked: ActionForm,
    { deed, failures }: ActionOutcome,
  ): Promise<Response> => {
    const words = failures.length > 0 ? failureWords(failures) : "";
    if (deed && failures.length === 0) return acted(request, asked.place, deed, firstOf(asked));
    const status = failures[0] ? httpStatusOf(failures[0].trouble) : 422;
    if (!deed) return refused(request, asked, words, status);
    // Some were done: the form asks again for those that were not, under what was said of them.
    const ids = failures.map(({ id }) => id);
    return refused(request, { ...asked, ids }, `${deed.words}. The others not: ${words}`, status);
  };

  const refused = async (
    request: Request,
    asked: ActionForm,
    problem: string,
    status = 422,
  ): Promise<Response> => {
    const panel = { asked, effect: await effectNow(asked), problem };
    return markupAnswer(renderPanel(panel, isForPart(request) ? "partial" : "page"), status);
  };

  return new Elysia({ handler: { standardHostname: false } })
    .get("/actions", async ({ request }) => {
      const given = parseActionForm(queryIn(request));
      const shape = isForPart(request) ? "part" : "page";
      if (!given) return markupAnswer(renderFailure(nobodySelected, shape, placeOf(queryIn(request))), 422);
      const asked = given.weight === undefined ? await withWeight(given) : given;
      const effect = await effectNow(asked);
      const problem = effect ? unknownWords(effect) : await cannotAsk();
      if (effect && effect.unknown.length === asked.ids.length) {
        return markupAnswer(renderFailure(problem, shape, asked.place), 422);
      }
      return markupAnswer(renderPanel({ asked, effect, problem }, shape));
    })
    .get("/actions/effect", async ({ request }) => {
      const asked = parseActionForm(queryIn(request));
      const effect = asked && (await effectNow(asked));
      return asked && effect
        ? markupAnswer(renderEffect(effect, asked.confirmed))
        : textResponse(422, nobodySelected);
    })
    .post(
      "/actions",
      async ({ request }) => {
        const asked = parseActionForm(await asText(request));
        if (!asked) return textResponse(422, nobodySelected);
        const picture = await feed.current();
        const obstacle = obstacleTo(asked, await effectNow(asked));
        if (obstacle) return refused(request, asked, obstacle);
        return answerOf(request, asked, await executeAction(asked, { admin, deeds, picture }));
      },
      byHand,
    )

    .get("/actions/add", ({ request }) => {
      const adding = addingOf(queryIn(request));
      if (!adding) return textResponse(422, "Cannot add an upstream: no pool is named.");
      return markupAnswer(renderAdd({ adding }, isForPart(request) ? "part" : "page"));
    })
    .post(
      "/actions/add",
      async ({ request }) => {
        const adding = addingOf(await asText(request));
        if (!adding) return textResponse(422, "Cannot add an upstream: no pool is named.");
        const { pool, reason, place } = adding;
        const answer = await admin.add({ to: "add", pool, given: newcomerOf(adding), reason });
        if ("trouble" in answer) {
          const shape = isForPart(request) ? "partial" : "page";
          const problem = adminApiErrorSentence(answer.trouble);
          return markupAnswer(renderAdd({ adding, problem }, shape), httpStatusOf(answer.trouble));
        }
        const deed = deeds.add(`${answer.value} belongs to ${pool}`, [undoOfAdding(answer.value)]);
        return acted(request, place, deed, answer.value);
      },
      byHand,
    )

    .post(
      "/undo/:key",
      async ({ request, params: { key } }) => {
        const place = placeOf(await asText(request));
        const deed = deeds.of(key);
        const shape = isForPart(request) ? "partial" : "page";
        if (!deed) return markupAnswer(renderFailure(tooLate, shape, place), 422);
        const picture = await feed.renewed();
        const { deed: undone, failures } = await undoAction(deed, { admin, deeds, picture });
        if (undone && failures.length === 0) return acted(request, place, undone);
        const words = `Cannot undo${undone ? " all of it" : ""}: ${failureWords(failures)}`;
        return markupAnswer(renderFailure(words, shape, place), 422);
      },
      byHand,
    );

  async function cannotAsk(): Promise<string> {
    const { outage, adminUrl } = await feed.current();
    return `The balancer cannot be asked at ${urlOrigin(adminUrl)}: ${outage?.message ?? "no answer yet"}.`;
  }
}

const nobodySelected = "Cannot do that: no upstream is selected. Select at least one.";
const tooLate = "Cannot undo that any more: it was undone already, or too much happened since.";

function firstOf({ ids, act }: ActionForm): string | undefined {
  return ids.length === 1 && act !== "remove" ? ids[0] : undefined;
}

function unknownWords({ unknown }: Effect): string {
  if (unknown.length === 0) return "";
  return unknown.length === 1
    ? `There is no upstream called ${unknown[0]}, or no longer.`
    : `${unknown.length} of these upstreams are not there, or no longer.`;
}

/** Why it is not even tried; a browser that runs no script may send what its form would not let through. */
function obstacleTo(asked: ActionForm, effect: Effect | undefined): string | undefined {
  if (asked.act === "weight" && asked.weight === undefined)
    return "Cannot set the weight: it needs a whole number from 0 to 256, or nothing for the configured one.";
  if (needsReason(asked) && asked.reason === "") return "Say why: it is kept with what is done.";
  if (effect && effect.dangers.length > 0 && !asked.confirmed)
    return "This was not done, because it was not confirmed: see above.";
  return undefined;
}
