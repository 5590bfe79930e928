/** What each address of the dashboard answers. */

import { html } from "@elysiajs/html";
import { Elysia, t } from "elysia";
import type { AdminClient } from "./admin-client.ts";
import { answerAsset } from "./assets.ts";
import { anchorOf } from "./escape.ts";
import type { Feed } from "./feed.ts";
import { renderedOnce, streamOf } from "./live.ts";
import { renderDone, renderLive, renderNotice, renderPage } from "./page.tsx";
import type { Trouble } from "./picture.ts";
import { verdictOf } from "./verdict.ts";

export interface RouteSetting {
  readonly feed: Feed;
  readonly admin: AdminClient;
  /** Hears what a route threw. */
  readonly bug: (error: unknown) => void;
}

/** More people than that do not look at one balancer; more streams than that are a mistake or an attack. */
const mostViewers = 200;

const modeForm = t.Object({
  mode: t.Union([t.Literal("ready"), t.Literal("draining"), t.Literal("maintenance")]),
});

/** A handler in the shape of `fetch`. */
export function routesOf({ feed, admin, bug }: RouteSetting): (request: Request) => Promise<Response> {
  const eventBytes = renderedOnce(renderLive);

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

    .get("/", async ({ html, set }) => {
      Object.assign(set.headers, fresh);
      return html(renderPage({ picture: await feed.current() }));
    })

    .get("/live", () => {
      if (feed.viewers >= mostViewers) return text(503, "Too many dashboards are open.");
      return new Response(streamOf(feed, eventBytes), {
        headers: {
          "Content-Type": "text/event-stream",
          "Cache-Control": "no-store",
          "X-Accel-Buffering": "no",
        },
      });
    })

    .post(
      "/upstreams/:id/mode",
      async ({ params: { id }, body: { mode }, headers, html, set }) => {
        const trouble = await admin.setMode(id, mode);
        const picture = await feed.renewed();
        const byScript = headers["hx-request"] === "true";
        if (!trouble && !byScript) return seeOther(`/#${anchorOf("upstream", id)}`);
        Object.assign(set.headers, fresh);
        if (!trouble) return html(renderDone(picture));
        const notice = `Cannot set ${id} to ${mode}: ${trouble.message}.`;
        set.status = statusOf(trouble);
        return html(byScript ? renderNotice(notice) : renderPage({ picture, notice }));
      },
      { body: modeForm },
    )

    .get("/api/status", async () => {
      const picture = await feed.current();
      const { frontDoor, snapshot = null, outage = null } = picture;
      return Response.json({ verdict: verdictOf(picture), frontDoor, outage, snapshot }, { headers: fresh });
    })

    .get("/healthz", () => Response.json({ status: "alive" }, { headers: fresh }))

    .get("/assets/*", ({ path }) => answerAsset(path) ?? text(404, "No such asset."));

  return async (request) => app.fetch(request);
}

const fresh = { "Cache-Control": "no-store" };

function text(status: number, sentence: string): Response {
  return new Response(`${sentence}\n`, {
    status,
    headers: { ...fresh, "Content-Type": "text/plain; charset=utf-8" },
  });
}

/** By hand: Elysia's own redirect fails on Deno. */
function seeOther(location: string): Response {
  return new Response(null, { status: 303, headers: { ...fresh, Location: location } });
}

/** What the admin API refused is the caller's matter; that it cannot be asked is a gateway's. */
function statusOf({ reason }: Trouble): number {
  return reason === "refused" ? 422 : 502;
}
