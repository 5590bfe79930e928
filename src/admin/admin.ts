/** The admin listener: health for orchestrators, metrics for scrapers, and the API that reads and steers the balancer. */

import { Elysia } from "elysia";

import { expositionType } from "../metrics/exposition.ts";
import type { Runtime, WebListener } from "../runtime/runtime.ts";
import type { Phase, Snapshot } from "../snapshot.ts";
import { health, json, problem } from "./answers.ts";
import { courseRoutes } from "./course-routes.ts";
import { fleetRoutes, type Steered } from "./fleet-routes.ts";
import { denialOf, type GuardSetting } from "./guard.ts";

/** What the admin side needs of the balancer. */
export interface Administered extends Steered {
  readonly phase: Phase;
  snapshot(): Snapshot;
  metricsText(): string;
}

export interface AdminSetting extends GuardSetting {
  /** 0 takes any free port. */
  readonly port: number;
  /** Hears of faults of ours. */
  readonly bug: (error: unknown) => void;
}

/** Rejects with the system's code if the port cannot be had. */
export function startAdmin(
  setting: AdminSetting,
  balancer: Administered,
  runtime: Runtime,
): Promise<WebListener> {
  const app = adminApp(balancer);
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

function adminApp(balancer: Administered) {
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
      .use(fleetRoutes({ control: balancer.control, upstream: (id) => balancer.upstream(id) }))
      .use(courseRoutes(balancer.control))
  );
}
