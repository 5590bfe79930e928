/** What the addresses below /requests answer, and the live tail. */

import { Elysia } from "elysia";
import { fresh, isForPart, markupAnswer, seeOther, httpStatusOf, textResponse } from "../answers.ts";
import type { SnapshotPoller } from "../feed.ts";
import type { AdminApiError } from "../picture.ts";
import { askOf, type DryRunForm, formIn } from "./dry-run-form.ts";
import { type DryRunAnswer, renderDryRunAnswer, renderDryRunPage } from "./dry-run-page.tsx";
import { renderExplainPage } from "./explain-page.tsx";
import { failingAt, failingShown, renderFailing } from "./failing-card.tsx";
import { renderRequestsPage, requestsPerPage } from "./list-page.tsx";
import type { RequestClient } from "./request-client.ts";
import { explainUrl, listQuery, parseRequestFilter } from "./sought.ts";
import type { LiveTails } from "./tails.ts";

export interface RequestRoutesOptions {
  readonly feed: SnapshotPoller;
  readonly requests: RequestClient;
  readonly tails: LiveTails;
}

export function requestPages({ feed, requests, tails }: RequestRoutesOptions) {
  const queryIn = (request: Request) => new URL(request.url).searchParams;

  return new Elysia({ handler: { standardHostname: false } })
    .get("/requests", async ({ request }) => {
      const sought = parseRequestFilter(queryIn(request));
      const [told, picture] = await Promise.all([
        requests.list(listQuery(sought, requestsPerPage)),
        feed.current(),
      ]);
      const status = "trouble" in told ? httpStatusOf(told.trouble) : 200;
      return markupAnswer(renderRequestsPage({ sought, told, picture }), status);
    })

    .get("/requests/find", ({ request }) => {
      const id = (queryIn(request).get("id") ?? "").trim();
      return seeOther(id === "" ? "/requests" : explainUrl(id));
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
      const stream = tails.open(requests, parseRequestFilter(queryIn(request)));
      if (!stream) return textResponse(503, "Too many tails are open.");
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
  return "problems" in answer ? 422 : httpStatusOf(answer.trouble);
}

function pageStatusOf(trouble: AdminApiError): number {
  return trouble.reason === "missing" ? 404 : httpStatusOf(trouble);
}
