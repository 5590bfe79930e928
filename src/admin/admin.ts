/** The admin listener: health for orchestrators, metrics for scrapers, and the API that reads and steers the balancer. */

import { Elysia } from "elysia";

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

/** A mode is a word and an actor a name: more than this is no such thing. */
const mostBodyBytes = 4_096;

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
      .get(
        "/metrics",
        () => new Response(balancer.metricsText(), { headers: { "Content-Type": expositionType } }),
      )
      .get("/api/snapshot", () => json(200, balancer.snapshot()))
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
