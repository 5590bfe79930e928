/** The demo backend's routes: what is answered where. Holds no listener, so that every runtime can mount it. */

import { Elysia } from "elysia";
import { demoJson, demoProblem, methodNotAllowed, quoteInput, readText, ticks } from "./bodies.ts";
import { Counters } from "./counters.ts";
import { echo, type FaultInjectionOptions } from "./echo.ts";
import type { Clock } from "../lib/clock.ts";
import type { WebHandler } from "../runtime/runtime.ts";

/** Where WebSocket messages are sent back; the runtime does that. */
export const echoPath = "/ws";

export interface AppOptions extends FaultInjectionOptions {
  readonly readiness: Readiness;
  readonly clock: Clock;
  /** Ends answers that have no end of their own. */
  readonly leaving: AbortSignal;
  /** Hears of a fault of ours; the client gets a bare 500. */
  readonly bug: (error: unknown) => void;
}

interface RouteInput {
  readonly request: Request;
}

export function backendApp(options: AppOptions): WebHandler {
  const { clock, readiness } = options;
  const counters = new Counters(clock);
  /** Elysia hands on nothing but the request. */
  const remotes = new WeakMap<Request, string>();

  async function counted(respond: () => Response | Promise<Response>): Promise<Response> {
    const startedAt = clock();
    const response = await respond();
    counters.record(clock() - startedAt, response.status);
    return response;
  }

  function metrics({ request }: RouteInput): Response {
    const accept = request.headers.get("accept") ?? "";
    const asText = /\btext\/plain\b|\bopenmetrics\b/.test(accept) && !accept.includes("application/json");
    if (!asText) return demoJson(counters.read());
    const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };
    return new Response(counters.text(), { headers });
  }

  function events({ request }: RouteInput): Response {
    const { schedule, leaving, server } = options;
    const tell = (tick: number) => JSON.stringify({ tick, server: server() });
    const body = request.method === "HEAD" ? null : ticks({ emit: tell, schedule, leaving });
    return new Response(body, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
    });
  }

  const reads: Readonly<Record<string, (input: RouteInput) => Response | Promise<Response>>> = {
    "/healthz": () => demoJson({ status: "alive" }),
    "/readyz": () => readiness.response(),
    "/metrics": metrics,
    "/sse": (input) => counted(() => events(input)),
  };

  // A short Host such as "a" breaks Elysia's path parsing unless it is told not to take it for standard.
  const app = new Elysia({ handler: { standardHostname: false } });
  // Elysia would answer with the error's own text; hooks hold for the routes that follow them.
  app.onError(({ error }) => {
    options.bug(error);
    return demoProblem(500, "Cannot answer: a fault of this server");
  });
  for (const [path, respond] of Object.entries(reads)) {
    app.get(path, respond).head(path, respond);
    app.all(path, ({ request }) => methodNotAllowed(request, "GET, HEAD"));
  }
  app.post("/admin/ready", ({ request }) => readiness.change(request), { parse: "none" });
  app.all("/admin/ready", ({ request }) => methodNotAllowed(request, "POST"));
  app.all(echoPath, () => {
    const response = demoProblem(426, "Cannot echo: this path is for WebSockets, received a plain request");
    response.headers.set("upgrade", "websocket");
    return response;
  });
  app.all("/*", ({ request }) => counted(() => echo(options, request, remotes.get(request) ?? "")), {
    parse: "none",
  });

  return (request, clientAddress) => {
    remotes.set(request, clientAddress);
    return app.fetch(request);
  };
}

// Whether a backend wants traffic: what its operator says, until it stops; then it never does again.

/** More than any sensible way to write the body, in bytes. */
const bodyLimit = 1_024;

export class Readiness {
  #request = true;
  #stopping = false;

  get isReady(): boolean {
    return this.#request && !this.#stopping;
  }

  stop(): void {
    this.#stopping = true;
  }

  /** `GET /readyz` */
  response(): Response {
    return this.isReady ? demoJson({ status: "ready" }) : demoJson({ status: "not ready" }, 503);
  }

  /** `POST /admin/ready/` with `{"ready": false}`: takes it over and says what holds now. */
  async change(request: Request): Promise<Response> {
    const text = await readText(request.body, bodyLimit);
    const input = text === undefined ? undefined : readyOf(text);
    if (input === undefined) {
      const received = text === undefined ? `no body of at most ${bodyLimit} bytes` : quoteInput(text);
      return demoProblem(
        400,
        `Cannot change readiness: the body must be {"ready": true} or {"ready": false}, received ${received}`,
      );
    }
    this.#request = input;
    return demoJson({ ready: this.isReady });
  }
}

function readyOf(text: string): boolean | undefined {
  try {
    const given: unknown = JSON.parse(text);
    const ready = typeof given === "object" && given !== null && "ready" in given ? given.ready : undefined;
    return typeof ready === "boolean" ? ready : undefined;
  } catch {
    return undefined;
  }
}
