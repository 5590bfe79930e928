/** Routes of the finder and of the list of keys: each is a page, and a part of one in the dialog. */

import { Elysia } from "elysia";
import type { AdminClient } from "../admin-client.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { htmlResponse, isForPart } from "../responses.ts";
import { findNamed, type FindResult } from "./find.ts";
import { renderFind, renderFound, renderKeys } from "./pages.tsx";

export interface KeyRouteOptions {
  readonly poller: SnapshotPoller;
  readonly admin: Pick<AdminClient, "routes">;
}

export function keyRoutes({ poller, admin }: KeyRouteOptions) {
  /** Without routes where they cannot be read: the rest is still worth finding. */
  const search = async (text: string): Promise<readonly FindResult[]> => {
    const [{ snapshot }, result] = await Promise.all([poller.current(), admin.routes()]);
    return findNamed(text, { snapshot, routes: "value" in result ? result.value : undefined });
  };
  const textIn = (request: Request) => new URL(request.url).searchParams.get("q") ?? "";

  return new Elysia({ handler: { standardHostname: false } })
    .get("/find", async ({ request }) => {
      const text = textIn(request);
      const { snapshot } = await poller.current();
      const page = { text, results: await search(text), snapshot };
      return htmlResponse(renderFind(page, isForPart(request)));
    })
    .get("/find/results", async ({ request }) => htmlResponse(renderFound(await search(textIn(request)))))
    .get("/keys", async ({ request }) => {
      const { snapshot } = await poller.current();
      return htmlResponse(renderKeys(snapshot, isForPart(request)));
    });
}
