/** Routes of the configuration page: effective values, overrides and their export, and reload after a preview. */

import { Elysia } from "elysia";
import type { AdminClient } from "../admin-client.ts";
import { fresh, isForPart, htmlResponse, httpStatusOf, errorResponse } from "../responses.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { balancerNow } from "../../wording/verdict.ts";
import { renderConfigPage, renderReload } from "./page.tsx";
import { type ReloadPreview, diffFingerprint } from "./reload-card.tsx";

interface ConfigRouteOptions {
  readonly poller: SnapshotPoller;
  readonly admin: AdminClient;
}

interface ConfigPageInput {
  readonly preview?: ReloadPreview;
  readonly onlySet?: boolean;
}

const rawBody = { parse: "none" } as const;

export function configPageRoutes({ poller, admin }: ConfigRouteOptions) {
  const reloadWith = async (preview?: ReloadPreview) => {
    const state = await poller.renewed();
    const { snapshot } = state;
    return { reload: { configuration: snapshot?.configuration, now: balancerNow(state), preview }, snapshot };
  };
  const page = async ({ preview, onlySet = false }: ConfigPageInput = {}): Promise<Response> => {
    const [result, intents, exported, { reload, snapshot }] = await Promise.all([
      admin.settings(),
      admin.intents(),
      admin.exported(),
      reloadWith(preview),
    ]);
    const error = "error" in result ? result.error : preview && errorIn(preview);
    return htmlResponse(
      renderConfigPage({ settings: result, onlySet, snapshot, intents, exported, reload }),
      error ? httpStatusOf(error) : 200,
    );
  };
  /** For htmx every result is content of the card with status 200, even a rejection: the request itself succeeded. */
  const response = async (request: Request, preview: ReloadPreview): Promise<Response> =>
    isForPart(request) ? htmlResponse(renderReload((await reloadWith(preview)).reload)) : page({ preview });

  return new Elysia({ handler: { standardHostname: false } })
    .get("/config", ({ query }) => page({ onlySet: query["only"] === "set" }))
    .get("/config/export", async () => {
      const result = await admin.exported();
      if ("error" in result) return errorResponse(result.error);
      return new Response(result.value, {
        headers: { ...fresh, "Content-Type": "application/yaml; charset=utf-8" },
      });
    })
    .post(
      "/config/preview",
      async ({ request }) => response(request, { kind: "dry", result: await admin.reload("dry") }),
      rawBody,
    )
    .post(
      "/config/apply",
      async ({ request }) => {
        const fingerprint = new URLSearchParams(await request.text()).get("seen");
        const result = await admin.reload("dry");
        if ("error" in result) return response(request, { kind: "dry", result });
        if (diffFingerprint(result.value) !== fingerprint)
          return response(request, { kind: "dry", result, isStale: true });
        return response(request, { kind: "apply", result: await admin.reload("apply") });
      },
      rawBody,
    );
}

function errorIn({ result }: ReloadPreview) {
  return "error" in result ? result.error : undefined;
}
