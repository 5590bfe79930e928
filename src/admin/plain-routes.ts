/** What orchestrators and scrapers ask for: health checks and metrics. They need nothing else of the API. */

import { expositionType } from "../metrics/prometheus.ts";
import { isServing } from "../wording/problems.ts";
import type { AdminBackend } from "./admin-options.ts";
import { health } from "./responses.ts";

/** Responses to GET, by path. */
export type PlainRoutes = ReadonlyMap<string, () => Response | Promise<Response>>;

export function plainRoutes(balancer: Pick<AdminBackend, "phase" | "snapshot" | "metricsText">): PlainRoutes {
  return new Map<string, () => Response | Promise<Response>>([
    // 200 while the process runs.
    ["/livez", () => health(200, "alive")],
    // 200 while the balancer accepts clients: it listens and is not shutting down.
    ["/readyz", () => health(balancer.phase === "ready" ? 200 : 503, balancer.phase)],
    // 200 while the balancer is ready and every pool serves. Full slots are no reason to send its clients elsewhere.
    ["/healthz", () => healthOf(balancer)],
    ["/metrics", () => metricsOf(balancer)],
  ]);
}

function healthOf(balancer: Pick<AdminBackend, "phase" | "snapshot">): Response {
  if (balancer.phase !== "ready") return health(503, balancer.phase);
  const { pools } = balancer.snapshot();
  const unavailable = pools.filter(({ upstreams }) => !upstreams.some(isServing)).map(({ name }) => name);
  return unavailable.length > 0
    ? health(503, `no available upstream in ${unavailable.join(", ")}`)
    : health(200, "healthy");
}

async function metricsOf(balancer: Pick<AdminBackend, "metricsText">): Promise<Response> {
  return new Response(await balancer.metricsText(), { headers: { "Content-Type": expositionType } });
}
