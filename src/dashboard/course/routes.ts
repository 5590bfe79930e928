/** The configuration page: what counts, what operators set over it, and taking it anew after a look at what changes. */

import { Elysia } from "elysia";
import type { AdminClient } from "../admin-client.ts";
import { fresh, isForPart, markupAnswer, httpStatusOf, textResponse } from "../answers.ts";
import type { SnapshotPoller } from "../feed.ts";
import { balancerNow } from "../picture.ts";
import { renderConfigPage, renderReload } from "./render.tsx";
import { type ReloadPreview, diffFingerprint } from "./reload-card.tsx";

interface CourseOptions {
  readonly feed: SnapshotPoller;
  readonly admin: AdminClient;
}

interface PageWish {
  readonly looked?: ReloadPreview;
  readonly onlyChosen?: boolean;
}

const byHand = { parse: "none" } as const;

export function configPageRoutes({ feed, admin }: CourseOptions) {
  const reloadWith = async (looked?: ReloadPreview) => {
    const picture = await feed.renewed();
    return { configuration: picture.snapshot?.configuration, now: balancerNow(picture), looked };
  };
  const page = async ({ looked, onlyChosen = false }: PageWish = {}): Promise<Response> => {
    const [told, intents, exported, reload] = await Promise.all([
      admin.settings(),
      admin.intents(),
      admin.exported(),
      reloadWith(looked),
    ]);
    const trouble = "trouble" in told ? told.trouble : looked && troubleIn(looked);
    return markupAnswer(
      renderConfigPage({ told, onlyChosen, intents, exported, reload }),
      trouble ? httpStatusOf(trouble) : 200,
    );
  };
  /** Whatever was found out is shown in the card, as what it is: an answer, and no failure of the page. */
  const answer = async (request: Request, looked: ReloadPreview): Promise<Response> =>
    isForPart(request) ? markupAnswer(renderReload(await reloadWith(looked))) : page({ looked });

  return new Elysia({ handler: { standardHostname: false } })
    .get("/config", ({ query }) => page({ onlyChosen: query["only"] === "set" }))
    .get("/config/export", async () => {
      const told = await admin.exported();
      if ("trouble" in told)
        return textResponse(httpStatusOf(told.trouble), `Cannot export: ${told.trouble.message}.`);
      return new Response(told.value, {
        headers: { ...fresh, "Content-Type": "application/yaml; charset=utf-8" },
      });
    })
    .post(
      "/config/look",
      async ({ request }) => answer(request, { way: "dry", told: await admin.reload("dry") }),
      byHand,
    )
    .post(
      "/config/apply",
      async ({ request }) => {
        const seen = new URLSearchParams(await request.text()).get("seen");
        const told = await admin.reload("dry");
        if ("trouble" in told) return answer(request, { way: "dry", told });
        if (diffFingerprint(told.value) !== seen) return answer(request, { way: "dry", told, isStale: true });
        return answer(request, { way: "apply", told: await admin.reload("apply") });
      },
      byHand,
    );
}

function troubleIn({ told }: ReloadPreview) {
  return "trouble" in told ? told.trouble : undefined;
}
