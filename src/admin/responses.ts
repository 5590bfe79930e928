/** Builds the responses of the admin API: JSON, health, problems (RFC 9457) and event streams. */

import { STATUS_CODES } from "node:http";
import type { CommandError } from "../control/control.ts";

export function json(status: number, value: unknown): Response {
  return Response.json(value, { status, headers: { "Cache-Control": "no-store" } });
}

/** @param text one word, or the cause */
export function health(status: number, text: string): Response {
  return json(status, { status: text });
}

/**
 * An error as `application/problem+json`.
 * @param reason one word for programs
 * @param detail a sentence for people
 * @param more further members, such as `problems` when there are several
 */
export function problem(status: number, reason: string, detail: string, more: object = {}): Response {
  // RFC 9457, section 4.2.1: with type "about:blank" the title is the status phrase.
  const body = {
    type: "about:blank",
    title: STATUS_CODES[status] ?? "Problem",
    status,
    detail,
    reason,
    ...more,
  };
  return Response.json(body, {
    status,
    headers: { "Content-Type": "application/problem+json", "Cache-Control": "no-store" },
  });
}

export function denial({ status, reason, message, problems }: CommandError): Response {
  return problem(status, reason, message, problems ? { problems } : {});
}

/** @param allow the methods of this path, with commas */
export function wrongMethod(allow: string): Response {
  const response = problem(405, "method_not_allowed", `Method not allowed: use ${allow}.`);
  response.headers.set("Allow", allow);
  return response;
}

/**
 * A stream of server-sent events; 503 without a body.
 * @param body undefined if too many clients are connected
 * @param subject of the stream: "events"
 */
export function sseResponse(body: ReadableStream<Uint8Array> | undefined, subject: string): Response {
  if (!body) {
    const response = problem(
      503,
      "listeners_full",
      `Cannot stream ${subject}: too many clients are connected.`,
    );
    response.headers.set("Retry-After", "10");
    return response;
  }
  return new Response(body, {
    headers: {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      // Without it NGINX buffers the stream.
      "X-Accel-Buffering": "no",
    },
  });
}

/** @param whose whether all callers together have too many streams, or the one with this name */
export function tooManyStreams(whose: "all" | "owner", maxForOwner: number, name = "this caller"): Response {
  const response =
    whose === "owner"
      ? problem(429, "streams_full", `Cannot stream: ${name} has ${maxForOwner} streams open already.`)
      : sseResponse(undefined, "events");
  response.headers.set("Retry-After", "10");
  return response;
}

/** The same response; browsers must not guess another content type. */
export function unsniffed(response: Response): Response {
  response.headers.set("X-Content-Type-Options", "nosniff");
  return response;
}

/**
 * The methods of a path, for the 405 response.
 * @param path of the request, still encoded
 */
export function methodsAt(
  routes: readonly { readonly method: string; readonly path: string }[],
  path: string,
): readonly string[] {
  return routes
    .filter((route) => isAt(route.path, path))
    .flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]));
}

/** @param pattern in the router's form: "/api/upstreams/:id" */
function isAt(pattern: string, path: string): boolean {
  const [parts, segments] = [pattern.split("/"), path.split("/")];
  if (parts.length !== segments.length) return false;
  return parts.every(
    (part, index) => part === segments[index] || (part.startsWith(":") && segments[index] !== ""),
  );
}
