/** Routes of the request pages, the dry run and the live tail. */

import { Elysia } from "elysia";
import {
  eventStreamResponse,
  fresh,
  isForPart,
  htmlResponse,
  seeOther,
  httpStatusOf,
  textResponse,
  errorResponse,
} from "../responses.ts";
import type { AdminClient } from "../admin-client.ts";
import { csvFile } from "../csv-file.ts";
import { readRange } from "../history/range-data.ts";
import type { SnapshotPoller } from "../live/poller.ts";
import { systemWallClock } from "../../lib/clock.ts";
import type { StoredRequest } from "../../requests/recent-requests.ts";
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
import { routeNames } from "../route-list/route-view.ts";
import type { KeptPart } from "./kept-part.tsx";
import { explainUrl, keptQuery, listQuery, parseRequestFilter, type RequestFilterState } from "./filter.tsx";
import { requestColumns } from "./request-columns.ts";
import type { LiveTails } from "./live-tail.ts";

export interface RequestRoutesOptions {
  readonly poller: SnapshotPoller;
  readonly requests: RequestClient;
  readonly admin: Pick<AdminClient, "historyRange" | "events" | "problems" | "routes">;
  readonly tails: LiveTails;
}

/** Requests that a file has. */
const maxRows = 5_000;

/** The largest page of the admin API. */
const maxPage = 500;

export function requestPages({ poller, requests, admin, tails }: RequestRoutesOptions) {
  const queryIn = (request: Request) => new URL(request.url).searchParams;
  const filterIn = (request: Request) => parseRequestFilter(queryIn(request), systemWallClock());

  const keptPartOf = async (filter: RequestFilterState): Promise<KeptPart | undefined> => {
    const { range } = filter;
    if (filter.kind !== "kept" || !range) return undefined;
    const [data, summary, routes] = await Promise.all([
      readRange(admin, range),
      requests.summary(keptQuery(filter)),
      admin.routes(),
    ]);
    return { range, summary, names: routeNames(routes), ...data };
  };

  /** The requests of the page and of the pages after it, or the response with the error. */
  const rows = async (request: Request): Promise<readonly StoredRequest[] | Response> => {
    let filter = filterIn(request);
    const problems = filter.range?.problems ?? [];
    if (problems.length > 0) return textResponse(400, problems.join(" "));
    const found: StoredRequest[] = [];
    for (;;) {
      const result = await requests.list(listQuery(filter, maxPage));
      if ("error" in result) return errorResponse(result.error);
      found.push(...result.value.requests);
      const { next } = result.value;
      if (!next || found.length >= maxRows) return found;
      filter = { ...filter, cursor: next };
    }
  };

  return new Elysia({ handler: { standardHostname: false } })
    .get("/requests", async ({ request }) => {
      const filter = filterIn(request);
      const [result, state, kept] = await Promise.all([
        requests.list(listQuery(filter, requestsPerPage)),
        poller.current(),
        keptPartOf(filter),
      ]);
      const isInvalid = (filter.range?.problems.length ?? 0) > 0;
      const status = "error" in result ? httpStatusOf(result.error) : isInvalid ? 400 : 200;
      return htmlResponse(renderRequestsPage({ filter, result, state, kept }), status);
    })

    .get("/requests.json", async ({ request }) => {
      const found = await rows(request);
      return found instanceof Response ? found : Response.json({ requests: found }, { headers: fresh });
    })

    .get("/requests.csv", async ({ request }) => {
      const found = await rows(request);
      return found instanceof Response ? found : csvFile("requests", requestColumns, found);
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

    .get("/requests/dry-run", async ({ request }) => {
      const { snapshot } = await poller.current();
      const form = parseDryRunForm(queryIn(request));
      return htmlResponse(renderDryRunPage({ form, reply: undefined, snapshot }));
    })

    .post(
      "/requests/dry-run",
      async ({ request }) => {
        const form = parseDryRunForm(new URLSearchParams(await request.text()));
        const reply = await runDry(form);
        const status = statusFor(reply);
        if (isForPart(request)) return htmlResponse(renderDryRunResult(reply), status);
        const { snapshot } = await poller.current();
        return htmlResponse(renderDryRunPage({ form, reply, snapshot }), status);
      },
      { parse: "none" },
    )

    .get("/requests/:id", async ({ params: { id } }) => {
      const [result, state] = await Promise.all([requests.explain(id), poller.current()]);
      const status = "error" in result ? pageStatusOf(result.error) : 200;
      return htmlResponse(renderExplainPage({ requestId: id, result, state }), status);
    })

    .get("/live/requests", ({ request }) => {
      const stream = tails.open(requests, filterIn(request));
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
