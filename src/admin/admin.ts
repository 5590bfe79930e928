/** The admin listener: health for orchestrators, metrics for scrapers, and the API that reads and steers the balancer. */

import { Elysia } from "elysia";

import type { Setting } from "../config/effective.ts";
import type { UpstreamDetail } from "../detail.ts";
import type { HistoryAnswer, HistoryQuery } from "../history/history.ts";
import { windowNamed, windowNames } from "../history/levels.ts";
import { expositionType } from "../metrics/exposition.ts";
import type { Runtime, WebListener } from "../runtime/runtime.ts";
import type { Phase, Snapshot } from "../snapshot.ts";
import { health, json, problem } from "./answers.ts";
import { courseRoutes } from "./course-routes.ts";
import { fleetRoutes, type Steered } from "./fleet-routes.ts";
import { denialOf, type GuardSetting } from "./guard.ts";
import { rehearsalRoutes } from "./rehearsal-routes.ts";

/** What the admin side needs of the balancer. */
export interface Administered extends Steered {
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
      .get("/metrics", () => {
        return new Response(balancer.metricsText(), { headers: { "Content-Type": expositionType } });
      })
      .get("/api/snapshot", () => json(200, balancer.snapshot()))
      .get("/api/config", () => json(200, { settings: settings() }))
      .get("/api/history", ({ query }) => historyAnswer(balancer, query))
      .use(fleetRoutes({ control: balancer.control, upstream: (id) => balancer.upstream(id) }))
      .use(rehearsalRoutes({ control: balancer.control, upstream: (id) => balancer.upstream(id) }))
      .use(courseRoutes(balancer.control))
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
