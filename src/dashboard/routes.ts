/** What each address of the dashboard answers. */

import { html } from "@elysiajs/html";
import { Elysia, t } from "elysia";
import { type WindowName, windowNamed } from "../history/levels.ts";
import type { HistoryQuery } from "../history/history.ts";
import type { AdminClient } from "./admin-client.ts";
import { fresh, seeOther, statusOf, text } from "./answers.ts";
import { answerAsset } from "./assets.ts";
import { anchorOf } from "./escape.ts";
import type { Feed } from "./feed.ts";
import type { LiveStreams } from "./live-streams.ts";
import { renderNumbers } from "./numbers.tsx";
import {
  renderConfigPage,
  renderDone,
  renderLive,
  renderNotice,
  renderPage,
  renderUpstreamLive,
  renderUpstreamPage,
} from "./page.tsx";
import { pageOf } from "./pool-table.tsx";
import { failingAt, failingShown } from "./requests/failing-card.tsx";
import type { RequestClient } from "./requests/request-client.ts";
import { requestRoutes } from "./requests/routes.ts";
import { listQuery } from "./requests/sought.ts";
import type { Tails } from "./requests/tails.ts";
import type { UpstreamFeeds } from "./upstream-feeds.ts";
import { verdictOf } from "./verdict.ts";
import { queryOf, viewOf } from "./view.ts";

export interface RouteSetting {
  readonly feed: Feed;
  readonly upstreams: UpstreamFeeds;
  readonly live: LiveStreams;
  readonly admin: AdminClient;
  readonly requests: RequestClient;
  readonly tails: Tails;
  /** Hears what a route threw. */
  readonly bug: (error: unknown) => void;
}

const modeForm = t.Object({
  mode: t.Union([t.Literal("ready"), t.Literal("draining"), t.Literal("maintenance")]),
});

/** A handler in the shape of `fetch`. */
export function routesOf({
  feed,
  upstreams,
  live,
  admin,
  requests,
  tails,
  bug,
}: RouteSetting): (request: Request) => Promise<Response> {
  const pageWith = async (query: Query, notice = "") => {
    const window = windowIn(query);
    const [picture, past] = await Promise.all([feed.current(), admin.history({ window })]);
    const series = "value" in past ? past.value.series : [];
    const columnsOf = (pool: string) => series.find((each) => each.pool === pool)?.columns;
    return renderPage({ picture, view: viewOf(query), window, columnsOf, notice });
  };
  const upstreamPageWith = async (id: string, query: Query, notice = "") => {
    const window = windowIn(query);
    const [shown, past, failing] = await Promise.all([
      upstreams.of(id).current(),
      admin.history({ upstream: id, window }),
      requests.list(listQuery(failingAt(id), failingShown)),
    ]);
    const columns = "value" in past ? past.value.series[0]?.columns : undefined;
    const isMissing = shown.trouble?.reason === "missing";
    return {
      html: renderUpstreamPage({ shown, window, columns, notice, failing }),
      status: isMissing ? 404 : 200,
    };
  };

  const app = new Elysia({ handler: { standardHostname: false } })
    // Detection would take any answer that looks like a tag for a page, also one that only quotes one.
    .use(html({ autoDetect: false, autoDoctype: false, contentType: "text/html; charset=utf-8" }))

    .onError(({ code, error }) => {
      if (code === "NOT_FOUND") return text(404, "There is nothing here. The dashboard is at /.");
      if (code === "VALIDATION" || code === "PARSE") {
        return text(422, "Cannot set the mode: it must be ready, draining or maintenance.");
      }
      bug(error);
      return text(500, "The dashboard has a fault; the balancer is not affected.");
    })

    .get("/", async ({ html, query, set }) => {
      Object.assign(set.headers, fresh);
      return html(await pageWith(query));
    })

    .get("/upstreams/:id", async ({ html, params: { id }, query, set }) => {
      Object.assign(set.headers, fresh);
      const page = await upstreamPageWith(id, query);
      set.status = page.status;
      return html(page.html);
    })

    .get("/config", async ({ html, set }) => {
      Object.assign(set.headers, fresh);
      const told = await admin.settings();
      if ("trouble" in told) set.status = statusOf(told.trouble);
      return html(renderConfigPage(told));
    })

    .use(requestRoutes({ feed, requests, tails }))

    .get("/live", ({ query }) => live.overview(viewOf(query)) ?? tooMany())
    .get("/live/upstreams/:id", ({ params: { id } }) => live.upstream(id) ?? tooMany())

    .post(
      "/upstreams/:id/mode",
      async ({ params: { id }, body: { mode }, headers, html, query, set }) => {
        const trouble = await admin.setMode(id, mode);
        const picture = await feed.renewed();
        const byScript = headers["hx-request"] === "true";
        const view = viewOf(query);
        const onUpstream = query["page"] === "upstream";
        const back = onUpstream ? pageOf(id) : `/${queryOf(view)}#${anchorOf("upstream", id)}`;
        if (!trouble && !byScript) return seeOther(back);
        Object.assign(set.headers, fresh);
        if (!trouble && onUpstream) {
          return html(renderDone(renderUpstreamLive(await upstreams.of(id).renewed())));
        }
        if (!trouble) return html(renderDone(renderLive(picture, view)));
        const notice = `Cannot set ${id} to ${mode}: ${trouble.message}.`;
        set.status = statusOf(trouble);
        if (byScript) return html(renderNotice(notice));
        return html(
          onUpstream ? (await upstreamPageWith(id, {}, notice)).html : await pageWith(query, notice),
        );
      },
      { body: modeForm },
    )

    .get("/api/history", async ({ query }) => {
      const told = await admin.history(historyQueryOf(query), "patient");
      if ("value" in told) return Response.json(told.value, { headers: fresh });
      return text(statusOf(told.trouble), `Cannot show the history: ${told.trouble.message}.`);
    })

    .get("/numbers", async ({ html, query, set }) => {
      Object.assign(set.headers, fresh);
      const asked = historyQueryOf(query);
      const told = await admin.history(asked, "patient");
      return html(renderNumbers("value" in told ? told.value.series[0]?.columns : undefined, asked.window));
    })

    .get("/api/status", async () => {
      const picture = await feed.current();
      const { frontDoor, snapshot = null, outage = null } = picture;
      return Response.json({ verdict: verdictOf(picture), frontDoor, outage, snapshot }, { headers: fresh });
    })

    .get("/healthz", () => Response.json({ status: "alive" }, { headers: fresh }))

    .get("/assets/*", ({ path }) => answerAsset(path) ?? text(404, "No such asset."));

  return async (request) => app.fetch(request);
}

type Query = Readonly<Record<string, string | undefined>>;

function windowIn(query: Query): WindowName {
  return windowNamed(query["window"] ?? "") ?? "5m";
}

function historyQueryOf(query: Query): HistoryQuery {
  const { pool, upstream, since } = query;
  return {
    pool,
    upstream,
    window: windowIn(query),
    ...(since === undefined ? {} : { since: Number(since) || 0 }),
  };
}

function tooMany(): Response {
  return text(503, "Too many dashboards are open.");
}
