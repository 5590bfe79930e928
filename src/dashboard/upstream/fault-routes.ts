/** Handles the forms that inject a fault on an upstream and stop it. */

import { Elysia } from "elysia";
import type { UndoHistory } from "../actions/undo.ts";
import { renderActionResult } from "../actions/result.tsx";
import type { DashboardCommand, FaultInput } from "../actions/command.ts";
import { renderFailure } from "../actions/render.tsx";
import type { AdminClient } from "../admin-client.ts";
import { isForPart, htmlResponse, seeOther, httpStatusOf } from "../responses.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { type AdminApiError, adminApiErrorSentence } from "../../wording/verdict.ts";
import { backTo, type PageLocation } from "../location.ts";
import type { UpstreamPollers } from "../live/upstream-poller.ts";

export interface FaultRouteOptions {
  readonly admin: Pick<AdminClient, "order">;
  readonly poller: SnapshotPoller;
  readonly upstreams: UpstreamPollers;
  readonly undoHistory: UndoHistory;
}

/** The handlers parse the form themselves. */
const unparsed = { parse: "none" } as const;

export function faultFormRoutes({ admin, poller, upstreams, undoHistory }: FaultRouteOptions) {
  const response = async (
    request: Request,
    { id, error, text }: { id: string; error: AdminApiError | undefined; text: string },
  ): Promise<Response> => {
    const location: PageLocation = { page: "upstream", id };
    if (error) {
      return htmlResponse(
        renderFailure(adminApiErrorSentence(error), isForPart(request) ? "partial" : "page", location),
        httpStatusOf(error),
      );
    }
    await Promise.all([poller.renewed(), upstreams.of(id).renewed()]);
    const undo = undoHistory.add(text, []);
    return isForPart(request)
      ? htmlResponse(renderActionResult({ entry: undo, location }))
      : seeOther(backTo(location, { undo: undo.key }));
  };

  return new Elysia({ handler: { standardHostname: false } })
    .post(
      "/upstreams/:id/rehearsal",
      async ({ request, params: { id } }) => {
        const order = commandFrom(id, new URLSearchParams(await request.text()));
        const error = "message" in order ? order : await admin.order(order);
        const text = `Fault injected on ${id}`;
        return response(request, { id, error, text });
      },
      unparsed,
    )
    .post(
      "/upstreams/:id/rehearsal/end",
      async ({ request, params: { id } }) => {
        await request.text();
        const error = await admin.order({ to: "endRehearsal", id, reason: "" });
        const text = `Fault injection stopped on ${id}`;
        return response(request, { id, error, text });
      },
      unparsed,
    );
}

/** Invalid values are passed on unchanged: the admin API validates them. */
function commandFrom(id: string, fields: URLSearchParams): DashboardCommand | AdminApiError {
  if (fields.get("confirmed") !== "yes") {
    return { reason: "refused", message: "Confirm that the fault may affect live traffic" };
  }
  const percent = numberOr(fields.get("errorPercent"));
  const fault: FaultInput = {
    latencyMs: numberOr(fields.get("latencyMs")),
    errorShare: typeof percent === "number" ? percent / 100 : percent,
    error: fields.get("error") ?? undefined,
    seconds: numberOr(fields.get("seconds")),
    probes: fields.get("probes") === "yes",
  };
  return { to: "rehearse", id, fault, reason: fields.get("reason") ?? "" };
}

/** The number in a field; undefined if it is empty, so that the default applies; the text itself if it is no number. */
function numberOr(value: string | null): unknown {
  if (value === null || value === "") return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : value;
}
