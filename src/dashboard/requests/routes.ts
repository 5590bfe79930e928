/** What the addresses below /requests answer, and the live tail. */

import { Elysia } from "elysia";
import { fresh, isForPart, markupAnswer, seeOther, statusOf, text } from "../answers.ts";
import type { Feed } from "../feed.ts";
import type { Trouble } from "../picture.ts";
import { askOf, type DryRunForm, formIn } from "./dry-run-form.ts";
import { type DryRunAnswer, renderDryRunAnswer, renderDryRunPage } from "./dry-run-page.tsx";
import { renderExplainPage } from "./explain-page.tsx";
import { failingAt, failingShown, renderFailing } from "./failing-card.tsx";
import { renderRequestsPage, requestsPerPage } from "./list-page.tsx";
import type { RequestClient } from "./request-client.ts";
import { explanationOf, listQuery, soughtOf } from "./sought.ts";
import type { Tails } from "./tails.ts";

export interface RequestRoutesSetting {
  readonly feed: Feed;
  readonly requests: RequestClient;
  readonly tails: Tails;
}

export function requestRoutes({ feed, requests, tails }: RequestRoutesSetting) {
  const queryIn = (request: Request) => new URL(request.url).searchParams;

  return new Elysia({ handler: { standardHostname: false } })
    .get("/requests", async ({ request }) => {
      const sought = soughtOf(queryIn(request));
      const [told, picture] = await Promise.all([
        requests.list(listQuery(sought, requestsPerPage)),
        feed.current(),
      ]);
      const status = "trouble" in told ? statusOf(told.trouble) : 200;
      return markupAnswer(renderRequestsPage({ sought, told, picture }), status);
    })

    .get("/requests/find", ({ request }) => {
      const id = (queryIn(request).get("id") ?? "").trim();
      return seeOther(id === "" ? "/requests" : explanationOf(id));
    })

    .get("/requests/failing", async ({ request }) => {
      const upstream = queryIn(request).get("upstream") ?? "";
      const told = await requests.list(listQuery(failingAt(upstream), failingShown));
      return markupAnswer(renderFailing({ upstream, told }));
    })

    .get("/requests/dry-run", ({ request }) =>
      markupAnswer(renderDryRunPage({ form: formIn(queryIn(request)), answer: undefined })),
    )

    .post(
      "/requests/dry-run",
      async ({ request }) => {
        const form = formIn(new URLSearchParams(await request.text()));
        const answer = await answerTo(form);
        const status = statusFor(answer);
        if (isForPart(request)) return markupAnswer(renderDryRunAnswer(answer), status);
        return markupAnswer(renderDryRunPage({ form, answer }), status);
      },
      { parse: "none" },
    )

    .get("/requests/:id", async ({ params: { id } }) => {
      const [told, picture] = await Promise.all([requests.explain(id), feed.current()]);
      const status = "trouble" in told ? pageStatusOf(told.trouble) : 200;
      return markupAnswer(renderExplainPage({ requestId: id, told, picture }), status);
    })

    .get("/live/requests", ({ request }) => {
      const stream = tails.open(requests, soughtOf(queryIn(request)));
      if (!stream) return text(503, "Too many tails are open.");
      return new Response(stream, {
        headers: { ...fresh, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no" },
      });
    });

  async function answerTo(form: DryRunForm): Promise<DryRunAnswer> {
    const asked = askOf(form);
    return "problems" in asked ? asked : requests.dryRun(asked.ask);
  }
}

function statusFor(answer: DryRunAnswer): number {
  if (answer === undefined || "value" in answer) return 200;
  return "problems" in answer ? 422 : statusOf(answer.trouble);
}

function pageStatusOf(trouble: Trouble): number {
  return trouble.reason === "missing" ? 404 : statusOf(trouble);
}
