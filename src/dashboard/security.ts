/** Rejects requests from other sites and foreign hosts, and sets the security headers of every response. */

import { isDecodable } from "../lib/percent.ts";
import { isLoopback } from "../net/address.ts";
import { timesThrough } from "../proxy/forwarding.ts";

const policy = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'self'",
].join("; ");

const securityHeaders: ReadonlyArray<readonly [name: string, value: string]> = [
  ["Content-Security-Policy", policy],
  ["X-Content-Type-Options", "nosniff"],
  // Not "no-referrer": with that, browsers send "Origin: null" with our own forms.
  ["Referrer-Policy", "same-origin"],
  ["Cross-Origin-Opener-Policy", "same-origin"],
  ["Cross-Origin-Resource-Policy", "same-origin"],
];

/** The same response with the security headers. */
export function secured(response: Response): Response {
  for (const [name, value] of securityHeaders) response.headers.set(name, value);
  return response;
}

/**
 * The refusal of a request; undefined if the request is allowed.
 * @param listener `onLoopback`: it is bound to a loopback address; `viaName`: of a balancer that must not lead here
 */
export function refusalOf(
  request: Request,
  { onLoopback, viaName }: { readonly onLoopback: boolean; readonly viaName?: string | undefined },
): Response | undefined {
  if (viaName !== undefined && timesThrough(request.headers.get("via") ?? undefined, viaName) > 0)
    return refuse(403, "This dashboard does not serve the clients of its own balancer.");
  const host = request.headers.get("host") ?? "";
  // A foreign name that resolves to 127.0.0.1 would make a foreign page "same origin" (DNS rebinding).
  if (onLoopback && !isLoopbackHost(host))
    return refuse(403, "This dashboard accepts only requests to localhost.");
  if (!isDecodable(new URL(request.url).pathname))
    return refuse(400, "Cannot decode the path: % must be followed by two hexadecimal digits.");
  if (request.method === "GET" || request.method === "HEAD") return undefined;
  if (!isOwnWrite(request, host)) {
    return refuse(
      403,
      "Changes are accepted only from the dashboard's own pages. Use the admin API for scripts.",
    );
  }
  const length = request.headers.get("content-length");
  if (length === null) return refuse(411, "Content-Length is required.");
  return Number(length) <= maxFormBytes ? undefined : refuse(413, "The form is too large.");
}

/** The largest of our forms lists some hundred upstreams. */
const maxFormBytes = 65_536;

function refuse(status: number, sentence: string): Response {
  return new Response(`${sentence}\n`, { status, headers: { "Content-Type": "text/plain; charset=utf-8" } });
}

/** "localhost", "localhost:8090", "127.0.0.1:8090", "[::1]:8090". */
function isLoopbackHost(host: string): boolean {
  return isLoopback(host.replace(/:\d*$/, ""));
}

/**
 * Browsers send the origin of a write, and pages cannot forge it. "same-site" is not enough: every port of localhost is
 * the same site. A caller without these headers is not a browser and is refused as well.
 */
function isOwnWrite(request: Request, host: string): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null) return site === "same-origin";
  const origin = request.headers.get("origin");
  return origin !== null && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}
