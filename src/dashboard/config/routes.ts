/** The configuration page: what counts, what operators set over it, and taking it anew after a look at what changes. */

import { Elysia } from "elysia";
import type { AdminClient } from "../admin-client.ts";
import { fresh, isForPart, htmlResponse, httpStatusOf, textResponse } from "../responses.ts";
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
  readonly onlyChosen?: boolean;
}

const byHand = { parse: "none" } as const;

export function configPageRoutes({ poller, admin }: ConfigRouteOptions) {
  const reloadWith = async (looked?: ReloadPreview) => {
    const state = await poller.renewed();
    return { configuration: state.snapshot?.configuration, now: balancerNow(state), looked };
  };
  const page = async ({ preview: looked, onlyChosen = false }: ConfigPageInput = {}): Promise<Response> => {
    const [result, intents, exported, reload] = await Promise.all([
      admin.settings(),
      admin.intents(),
      admin.exported(),
      reloadWith(looked),
    ]);
    const error = "error" in result ? result.error : looked && errorIn(looked);
    return htmlResponse(
      renderConfigPage({ told: result, onlyChosen, intents, exported, reload }),
      error ? httpStatusOf(error) : 200,
    );
  };
  /** Whatever was found out is shown in the card, as what it is: an answer, and no failure of the page. */
  const response = async (request: Request, looked: ReloadPreview): Promise<Response> =>
    isForPart(request) ? htmlResponse(renderReload(await reloadWith(looked))) : page({ preview: looked });

  return new Elysia({ handler: { standardHostname: false } })
    .get("/config", ({ query }) => page({ onlyChosen: query["only"] === "set" }))
    .get("/config/export", async () => {
      const result = await admin.exported();
      if ("error" in result)
        return textResponse(httpStatusOf(result.error), `Cannot export: ${result.error.message}.`);
      return new Response(result.value, {
        headers: { ...fresh, "Content-Type": "application/yaml; charset=utf-8" },
      });
    })
    .post(
      "/config/look",
      async ({ request }) => response(request, { kind: "dry", result: await admin.reload("dry") }),
      byHand,
    )
    .post(
      "/config/apply",
      async ({ request }) => {
        const seen = new URLSearchParams(await request.text()).get("seen");
        const result = await admin.reload("dry");
        if ("error" in result) return response(request, { kind: "dry", result });
        if (diffFingerprint(result.value) !== seen)
          return response(request, { kind: "dry", result, isStale: true });
        return response(request, { kind: "apply", result: await admin.reload("apply") });
      },
      byHand,
    );
}

function errorIn({ result }: ReloadPreview) {
  return "error" in result ? result.error : undefined;
}
