/** Routes of the request pages, the dry run and the live tail. */

import { Elysia } from "elysia";
import {
  eventStreamResponse,
  isForPart,
  htmlResponse,
  seeOther,
  httpStatusOf,
  textResponse,
} from "../responses.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import type { AdminApiError } from "../../wording/verdict.ts";
import {
  dryRunRequestOf,
  type DryRunForm,
  type DryRunReply,
  parseDryRunForm,
  renderDryRunPage,
  renderDryRunResult,
} from "./dry-run-page.tsx";
import { renderExplainPage } from "./explain-page.tsx";
import { failingAt, failingShown, renderFailing } from "./failing-card.tsx";
import { renderRequestsPage, requestsPerPage } from "./list-page.tsx";
import type { RequestClient } from "./request-client.ts";
import { explainUrl, listQuery, parseRequestFilter } from "./filter.tsx";
import type { LiveTails } from "./live-tail.ts";

export interface RequestRoutesOptions {
  readonly poller: SnapshotPoller;
  readonly requests: RequestClient;
  readonly tails: LiveTails;
}

export function requestPages({ poller, requests, tails }: RequestRoutesOptions) {
  const queryIn = (request: Request) => new URL(request.url).searchParams;

  return new Elysia({ handler: { standardHostname: false } })
    .get("/requests", async ({ request }) => {
      const filter = parseRequestFilter(queryIn(request));
      const [result, state] = await Promise.all([
        requests.list(listQuery(filter, requestsPerPage)),
        poller.current(),
      ]);
      const status = "error" in result ? httpStatusOf(result.error) : 200;
      return htmlResponse(renderRequestsPage({ filter, result, state }), status);
    })

    .get("/requests/find", ({ request }) => {
      const id = (queryIn(request).get("id") ?? "").trim();
      return seeOther(id === "" ? "/requests" : explainUrl(id));
    })

    .get("/requests/failing", async ({ request }) => {
      const upstream = queryIn(request).get("upstream") ?? "";
      const result = await requests.list(listQuery(failingAt(upstream), failingShown));
      return htmlResponse(renderFailing({ upstream, result }));
    })

    .get("/requests/dry-run", ({ request }) =>
      htmlResponse(renderDryRunPage({ form: parseDryRunForm(queryIn(request)), reply: undefined })),
    )

    .post(
      "/requests/dry-run",
      async ({ request }) => {
        const form = parseDryRunForm(new URLSearchParams(await request.text()));
        const reply = await runDry(form);
        const status = statusFor(reply);
        if (isForPart(request)) return htmlResponse(renderDryRunResult(reply), status);
        return htmlResponse(renderDryRunPage({ form, reply }), status);
      },
      { parse: "none" },
    )

    .get("/requests/:id", async ({ params: { id } }) => {
      const [result, state] = await Promise.all([requests.explain(id), poller.current()]);
      const status = "error" in result ? pageStatusOf(result.error) : 200;
      return htmlResponse(renderExplainPage({ requestId: id, result, state }), status);
    })

    .get("/live/requests", ({ request }) => {
      const stream = tails.open(requests, parseRequestFilter(queryIn(request)));
      if (!stream) return textResponse(503, "Too many live tails are open.");
      return eventStreamResponse(stream);
    });

  async function runDry(form: DryRunForm): Promise<DryRunReply> {
    const parsed = dryRunRequestOf(form);
    return "problems" in parsed ? parsed : requests.dryRun(parsed.request);
  }
}

function statusFor(reply: DryRunReply): number {
  if (reply === undefined || "value" in reply) return 200;
  return "problems" in reply ? 422 : httpStatusOf(reply.error);
}

function pageStatusOf(error: AdminApiError): number {
  return error.reason === "missing" ? 404 : httpStatusOf(error);
}
