/** The admin listener: health for orchestrators, metrics for scrapers, and the API that reads and steers the balancer. */

import { Elysia } from "elysia";

import type { Setting } from "../config/effective.ts";
import type { UpstreamDetail } from "../detail.ts";
import type { HistoryAnswer, HistoryQuery } from "../history/history.ts";
import { windowNamed, windowNames } from "../history/levels.ts";
import { expositionType } from "../metrics/exposition.ts";
import { type Mode, modes } from "../pool/upstream.ts";
import type { Runtime, WebListener } from "../runtime/runtime.ts";
import type { Control, Phase, Snapshot } from "../snapshot.ts";
import { denialOf, type GuardSetting } from "./guard.ts";

/** What the admin side needs of the balancer. */
export interface Administered extends Control {
  readonly phase: Phase;
  snapshot(): Snapshot;
  metricsText(): string;
  /** Undefined if there is no such upstream. */
  upstream(id: string): UpstreamDetail | undefined;
  /** Undefined if there is no such pool or upstream. */
  history(query: HistoryQuery): HistoryAnswer | undefined;
}

export interface AdminSetting extends GuardSetting {
  /** 0 takes any free port. */
  readonly port: number;
  /** The effective configuration, with the source of each value and without secrets. */
  readonly settings?: () => readonly Setting[];
  /** Hears of faults of ours. */
  readonly bug: (error: unknown) => void;
}

/** Rejects with the system's code if the port cannot be had. */
export function startAdmin(
  setting: AdminSetting,
  balancer: Administered,
  runtime: Runtime,
): Promise<WebListener> {
  const app = adminApp(balancer, setting);
  return runtime.serve({
    hostname: setting.hostname,
    port: setting.port,
    bug: setting.bug,
    handle: async (request) => {
      const denial = denialOf(request, setting);
      if (!denial) return app.fetch(request);
      const answer = problem(denial.status, denial.reason, denial.message);
      if (denial.status === 401) answer.headers.set("WWW-Authenticate", 'Bearer realm="evenkeel"');
      return answer;
    },
  });
}

/** A mode is a word and an actor a name: more than this is no such thing. */
const mostBodyBytes = 4_096;

function adminApp(balancer: Administered, { settings = () => [] }: AdminSetting) {
  return (
    new Elysia({ handler: { standardHostname: false } })
      .onError(({ code, error }) => {
        if (code === "NOT_FOUND") return problem(404, "not_found", "There is no such address here.");
        throw error;
      })
      /** The process runs and answers. */
      .get("/livez", () => health(200, "alive"))
      /** It may get traffic: it listens and is not shutting down. */
      .get("/readyz", () => health(balancer.phase === "ready" ? 200 : 503, balancer.phase))
      /** It serves: ready, and in every pool at least one upstream is fit. */
      .get("/healthz", () => {
        const { pools } = balancer.snapshot();
        const empty = pools
          .filter(({ upstreams }) => !upstreams.some(({ fit }) => fit))
          .map(({ name }) => name);
        if (balancer.phase !== "ready") return health(503, balancer.phase);
        return empty.length > 0
          ? health(503, `no fit upstream in ${empty.join(", ")}`)
          : health(200, "healthy");
      })
      .get(
        "/metrics",
        () => new Response(balancer.metricsText(), { headers: { "Content-Type": expositionType } }),
      )
      .get("/api/snapshot", () => json(200, balancer.snapshot()))
      .get("/api/config", () => json(200, { settings: settings() }))
      .get("/api/history", ({ query }) => historyAnswer(balancer, query))
      .get("/api/upstreams/:id", ({ params: { id } }) => {
        const upstream = balancer.upstream(id);
        return upstream
          ? json(200, upstream)
          : problem(404, "upstream_unknown", `Cannot show the upstream: none is called ${id}`);
      })
      .post(
        "/api/upstreams/:id/mode",
        async ({ request, params: { id } }) => {
          const mode = await modeOf(request);
          if (mode === undefined) {
            return problem(
              400,
              "mode_invalid",
              `Cannot set the mode: send {"mode": …} with one of ${modes.join(", ")}`,
            );
          }
          const upstream = balancer.setMode(id, mode, actorOf(request));
          return upstream
            ? json(200, upstream)
            : problem(404, "upstream_unknown", `Cannot set the mode: no upstream is called ${id}`);
        },
        { parse: "none" },
      )
      .get("/api/upstreams/:id/mode", () => {
        const answer = problem(405, "method_not_allowed", "Set a mode with POST.");
        answer.headers.set("Allow", "POST");
        return answer;
      })
  );
}

/** `?pool=` or `?upstream=`, by default every pool; `&window=` by default 5m; `&since=` epoch milliseconds. */
function historyAnswer(balancer: Administered, query: Readonly<Record<string, string>>): Response {
  const { pool, upstream } = query;
  const window = windowNamed(query["window"] ?? "5m");
  const since = Number(query["since"] ?? 0);
  if (!window) {
    const message = `Cannot show the history: window must be one of ${windowNames.join(", ")}`;
    return problem(400, "window_invalid", message);
  }
  if (!Number.isFinite(since)) {
    return problem(
      400,
      "since_invalid",
      "Cannot show the history: since must be a time in epoch milliseconds",
    );
  }
  const answer = balancer.history({ pool, upstream, window, since });
  if (answer) return json(200, answer);
  const missing = upstream === undefined ? `no pool is called ${pool}` : `no upstream is called ${upstream}`;
  return problem(404, "series_unknown", `Cannot show the history: ${missing}`);
}

async function modeOf(request: Request): Promise<Mode | undefined> {
  const length = Number(request.headers.get("content-length") ?? Number.NaN);
  if (!(length <= mostBodyBytes)) return undefined;
  const body: unknown = await request.json().catch(() => undefined);
  if (typeof body !== "object" || body === null || !("mode" in body)) return undefined;
  return modes.find((mode) => mode === body.mode);
}

/** Who acts, as far as the caller says: a name for the record, not a proof. */
function actorOf(request: Request): string {
  const given = request.headers.get("x-evenkeel-actor") ?? "";
  return /^[\w.@ -]{1,64}$/.test(given) ? given : "api";
}

function json(status: number, value: unknown): Response {
  return Response.json(value, { status, headers: { "Cache-Control": "no-store" } });
}

function health(status: number, word: string): Response {
  return json(status, { status: word });
}

function problem(status: number, reason: string, message: string): Response {
  return json(status, { error: { status, reason, message } });
}
