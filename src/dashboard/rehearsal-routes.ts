/** What the dashboard does when somebody begins or ends a rehearsal: an act like any other, which ending takes back. */

import { Elysia } from "elysia";
import type { UndoHistory } from "./actions/deeds.ts";
import { renderActed } from "./actions/done.tsx";
import type { DashboardCommand, FaultInput } from "./actions/order.ts";
import { renderFailure } from "./actions/render.tsx";
import type { AdminClient } from "./admin-client.ts";
import { isForPart, markupAnswer, seeOther, httpStatusOf } from "./answers.ts";
import type { SnapshotPoller } from "./feed.ts";
import type { AdminApiError } from "./picture.ts";
import { backTo, type PageLocation } from "./place.ts";
import type { UpstreamPollers } from "./upstream-feeds.ts";

export interface FaultRouteOptions {
  readonly admin: Pick<AdminClient, "order">;
  readonly feed: SnapshotPoller;
  readonly upstreams: UpstreamPollers;
  readonly deeds: UndoHistory;
}

const byHand = { parse: "none" } as const;

export function faultFormRoutes({ admin, feed, upstreams, deeds }: FaultRouteOptions) {
  const answer = async (
    request: Request,
    {
      id,
      trouble,
      action,
      words,
    }: { id: string; trouble: AdminApiError | undefined; action: string; words: string },
  ): Promise<Response> => {
    const place: PageLocation = { page: "upstream", id };
    if (trouble) {
      const sentence = `Cannot ${action} on ${id}: ${trouble.message}.`;
      return markupAnswer(
        renderFailure(sentence, isForPart(request) ? "partial" : "page", place),
        httpStatusOf(trouble),
      );
    }
    await Promise.all([feed.renewed(), upstreams.of(id).renewed()]);
    const deed = deeds.add(words, []);
    return isForPart(request)
      ? markupAnswer(renderActed({ deed, place }))
      : seeOther(backTo(place, { deed: deed.key }));
  };

  return new Elysia({ handler: { standardHostname: false } })
    .post(
      "/upstreams/:id/rehearsal",
      async ({ request, params: { id } }) => {
        const order = orderIn(id, new URLSearchParams(await request.text()));
        const trouble = "message" in order ? order : await admin.order(order);
        const words = `A rehearsal runs on ${id}`;
        return answer(request, { id, trouble, action: "begin a rehearsal", words });
      },
      byHand,
    )
    .post(
      "/upstreams/:id/rehearsal/end",
      async ({ request, params: { id } }) => {
        await request.text();
        const trouble = await admin.order({ to: "endRehearsal", id, reason: "" });
        const words = `The rehearsal on ${id} has ended`;
        return answer(request, { id, trouble, action: "end the rehearsal", words });
      },
      byHand,
    );
}

/** What makes no sense goes to the admin API as it is: it alone says what is wrong. */
function orderIn(id: string, fields: URLSearchParams): DashboardCommand | AdminApiError {
  if (fields.get("confirmed") !== "yes") {
    return { reason: "refused", message: "confirm that this is meant for live traffic" };
  }
  const percent = numberOr(fields.get("errorPercent"));
  const wish: FaultInput = {
    latencyMs: numberOr(fields.get("latencyMs")),
    errorShare: typeof percent === "number" ? percent / 100 : percent,
    error: fields.get("error") ?? undefined,
    seconds: numberOr(fields.get("seconds")),
    probes: fields.get("probes") === "yes",
  };
  return { to: "rehearse", id, wish, reason: fields.get("reason") ?? "" };
}

/** A number in a field; nothing if it was left empty, for the default to count. */
function numberOr(value: string | null): unknown {
  if (value === null || value === "") return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : value;
}
