/** Routes and readiness of the demo backend. It has no listener, so that every runtime can serve it. */

import { Elysia } from "elysia";
import { demoJson, demoProblem, methodNotAllowed, quoteInput, readText, ticks } from "./bodies.ts";
import { Counters } from "./counters.ts";
import { echo, type FaultInjectionOptions } from "./echo.ts";
import type { Clock } from "../lib/clock.ts";
import type { WebHandler } from "../runtime/runtime.ts";

/** Path of the WebSocket echo, which the runtime implements. */
export const echoPath = "/ws";

export interface AppOptions extends FaultInjectionOptions {
  readonly readiness: Readiness;
  readonly clock: Clock;
  /** Ends responses without an end, such as event streams. */
  readonly stopping: AbortSignal;
  /** Called with unexpected exceptions; the client gets a bare 500. */
  readonly bug: (error: unknown) => void;
}

interface RouteInput {
  readonly request: Request;
}

export function backendApp(options: AppOptions): WebHandler {
  const { clock, readiness } = options;
  const counters = new Counters(clock);
  /** Client addresses, because Elysia passes on only the request. */
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
    const { schedule, stopping, server } = options;
    const emit = (tick: number) => JSON.stringify({ tick, server: server() });
    const body = request.method === "HEAD" ? null : ticks({ emit, schedule, stopping });
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

  // With `standardHostname`, a short Host such as "a" breaks the path parsing of Elysia.
  const app = new Elysia({ handler: { standardHostname: false } });
  // By default Elysia responds with the text of the error. A hook applies only to routes that are added after it.
  app.onError(({ error }) => {
    options.bug(error);
    return demoProblem(500, "Cannot respond: internal error.");
  });
  for (const [path, respond] of Object.entries(reads)) {
    app.get(path, respond).head(path, respond);
    app.all(path, ({ request }) => methodNotAllowed(request, "GET, HEAD"));
  }
  app.post(
    "/admin/ready",
    ({ request }) => (isForwarded(request) ? forwarded() : readiness.change(request)),
    {
      parse: "none",
    },
  );
  app.all("/admin/ready", ({ request }) => methodNotAllowed(request, "POST"));
  app.all(echoPath, () => {
    const response = demoProblem(
      426,
      "Cannot echo: expected a WebSocket handshake (received a plain request).",
    );
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

/** Fields that proxies add (RFC 9110 section 7.6.3, RFC 7239). A client cannot make a proxy leave them out. */
const proxyFields = ["via", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/** Whether a request came through a balancer, whose clients must not switch servers off. */
function isForwarded({ headers }: Request): boolean {
  return proxyFields.some((name) => headers.has(name));
}

function forwarded(): Response {
  return demoProblem(
    403,
    "Cannot change readiness: expected a direct request (received one through a proxy).",
  );
}

/** Maximum body size of a readiness change, in bytes. */
const maxBodyBytes = 1_024;

/** Whether the backend is ready for traffic: set by the operator until it stops, then false for good. */
export class Readiness {
  #isEnabled = true;
  #isStopping = false;

  get isReady(): boolean {
    return this.#isEnabled && !this.#isStopping;
  }

  stop(): void {
    this.#isStopping = true;
  }

  /** `GET /readyz` */
  response(): Response {
    return this.isReady ? demoJson({ status: "ready" }) : demoJson({ status: "not ready" }, 503);
  }

  /** `POST /admin/ready/` with `{"ready": false}`: sets readiness and returns the resulting state. */
  async change(request: Request): Promise<Response> {
    const text = await readText(request.body, maxBodyBytes);
    const input = text === undefined ? undefined : readyOf(text);
    if (input === undefined) {
      const received =
        text === undefined ? `an incomplete body or more than ${maxBodyBytes} bytes` : quoteInput(text);
      return demoProblem(
        400,
        `Cannot change readiness: expected {"ready": true} or {"ready": false} (received ${received}).`,
      );
    }
    this.#isEnabled = input;
    return demoJson({ ready: this.isReady });
  }
}

function readyOf(text: string): boolean | undefined {
  try {
    const body: unknown = JSON.parse(text);
    const ready = typeof body === "object" && body !== null && "ready" in body ? body.ready : undefined;
    return typeof ready === "boolean" ? ready : undefined;
  } catch {
    return undefined;
  }
}
