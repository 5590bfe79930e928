/** The shapes in which the admin side answers: JSON, health words, and problems (RFC 9457). */

import { STATUS_CODES } from "node:http";
import type { CommandError } from "../control/control.ts";

export function json(status: number, value: unknown): Response {
  return Response.json(value, { status, headers: { "Cache-Control": "no-store" } });
}

export function health(status: number, word: string): Response {
  return json(status, { status: word });
}

/**
 * Why nothing was done, as `application/problem+json`: `detail` for people, `reason` (one word) for programs.
 * @param more what else is known: `problems` where several things are wrong
 */
export function problem(status: number, reason: string, detail: string, more: object = {}): Response {
  // RFC 9457, section 4.2.1: without a type of its own the title is the status' phrase.
  const said = {
    type: "about:blank",
    title: STATUS_CODES[status] ?? "Problem",
    status,
    detail,
    reason,
    ...more,
  };
  return Response.json(said, {
    status,
    headers: { "Content-Type": "application/problem+json", "Cache-Control": "no-store" },
  });
}

export function denial({ status, reason, message, problems }: CommandError): Response {
  return problem(status, reason, message, problems ? { problems } : {});
}

/** @param allow the methods that this address has */
export function wrongMethod(allow: string): Response {
  const response = problem(405, "method_not_allowed", `Use ${allow} here.`);
  response.headers.set("Allow", allow);
  return response;
}

/** Server-sent events that go on, or why nobody more may listen. @param what is followed: "the events" */
export function eventStream(body: ReadableStream<Uint8Array> | undefined, what: string): Response {
  if (!body) {
    const response = problem(503, "listeners_full", `Cannot follow ${what}: too many do already`);
    response.headers.set("Retry-After", "10");
    return response;
  }
  return new Response(body, {
    headers: {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      // NGINX would collect it otherwise.
      "X-Accel-Buffering": "no",
    },
  });
}

/** The same answer, which no browser takes for anything but what it says that it is. */
export function unsniffed(response: Response): Response {
  response.headers.set("X-Content-Type-Options", "nosniff");
  return response;
}

// Which methods an address has, for whoever used another one.

/** @param path of the request, still encoded */
export function methodsAt(
  routes: readonly { readonly method: string; readonly path: string }[],
  path: string,
): readonly string[] {
  return routes
    .filter((route) => isAt(route.path, path))
    .flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]));
}

/** @param pattern as the router has it: "/api/upstreams/:id" */
function isAt(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  if (wanted.length !== given.length) return false;
  return wanted.every(
    (word, index) => word === given[index] || (word.startsWith(":") && given[index] !== ""),
  );
}
