/** The demo backend's ways to answer: one place for fields and wording. */

export function demoJson(value: unknown, status = 200): Response {
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return new Response(`${JSON.stringify(value)}\n`, { status, headers });
}

/** @param error one sentence of the form "Cannot X: why, received Y" */
export function demoProblem(status: number, error: string): Response {
  return demoJson({ error }, status);
}

/** @param allowed the methods that the path has, as the Allow field lists them (RFC 9110 section 10.2.1) */
export function methodNotAllowed(request: Request, allowed: string): Response {
  const { pathname } = new URL(request.url);
  const response = demoProblem(
    405,
    `Cannot answer ${pathname}: the method must be ${allowed}, received ${request.method}`,
  );
  response.headers.set("allow", allowed);
  return response;
}

/** What was received, as a message shows it: quoted, escaped and not too long. */
export function quoteInput(received: string): string {
  return JSON.stringify(received.length > 60 ? `${received.slice(0, 60)}…` : received);
}
