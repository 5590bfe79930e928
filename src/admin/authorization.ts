/** Authorizes requests to the admin listener: rejects foreign hosts and origins, identifies the caller, checks the role. */

import type { Access, Caller } from "../access/access.ts";
import { reaches, type Role, roles } from "../access/accounts.ts";
import { isDecodable } from "../lib/percent.ts";
import { isLoopback } from "../net/address.ts";
import { timesThrough } from "../proxy/forwarding.ts";
import { problem } from "./responses.ts";

export interface GuardOptions {
  /** The address that the listener is bound to. */
  readonly hostname: string;
  readonly access: Access;
  /** The balancer's name in Via; undefined without a balancer in this process. */
  readonly viaName?: string | undefined;
}

/** The response to a request that is rejected; undefined if it is allowed, and then {@link callerOf} has its caller. */
export function denialOf(
  request: Request,
  { hostname, access, viaName }: GuardOptions,
): Response | undefined {
  const host = request.headers.get("host") ?? "";
  const { pathname } = new URL(request.url, "http://admin");
  if (isHealthCheck(request.method, pathname)) return undefined;
  // An upstream's name may resolve to this listener, so that clients would reach it.
  if (viaName !== undefined && timesThrough(request.headers.get("via") ?? undefined, viaName) > 0)
    return problem(403, "own_clients", "The admin API does not serve the clients of its own balancer.");
  // A foreign name that resolves to 127.0.0.1 would make a foreign page "same origin" (DNS rebinding).
  if (isLoopback(hostname) && !isLoopback(host.replace(/:\d*$/, ""))) {
    return problem(403, "foreign_host", "The admin API accepts only localhost as host name.");
  }
  if (isCrossOrigin(request, host)) {
    return problem(403, "foreign_origin", "The admin API rejects requests from pages of another origin.");
  }
  if (!isDecodable(pathname)) {
    return problem(
      400,
      "path_invalid",
      "Cannot decode the path: % must be followed by two hexadecimal digits.",
    );
  }
  const needed = roleFor(request.method, pathname);
  const caller = access.identify(bearerOf(request));
  if (caller) setCaller(request, caller);
  if (needed === "public") return undefined;
  if (!caller) return unauthorized(access);
  if (reaches(caller.role, needed)) return undefined;
  const detail = `Cannot do this: the role ${needed} is required (${caller.name ?? "this caller"} has ${caller.role}).`;
  return problem(403, "role_insufficient", detail, { needed, role: caller.role });
}

/** The member `login` says whether users are configured; the dashboard then shows its login page. */
function unauthorized({ hasUsers: login }: Access): Response {
  const credential = login ? "a session from POST /api/login, or a token" : "the admin token";
  const detail = `Authentication required: send ${credential} as "Authorization: Bearer …".`;
  const response = problem(401, "unauthorized", detail, { login });
  response.headers.set("WWW-Authenticate", 'Bearer realm="evenkeel"');
  return response;
}

/** Browsers set these headers and pages cannot forge them; other clients send neither and pass. */
function isCrossOrigin(request: Request, host: string): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") return true;
  const origin = request.headers.get("origin");
  return origin !== null && !(URL.canParse(origin) && new URL(origin).host === host.toLowerCase());
}

/** Outside of the request, where no header can forge it. */
const callers = new WeakMap<Request, Caller>();

function setCaller(request: Request, caller: Caller): void {
  callers.set(request, caller);
}

/** The caller of an allowed request; undefined on public routes without a valid bearer. */
export function callerOf(request: Request): Caller | undefined {
  return callers.get(request);
}

export function bearerOf(request: Request): string | undefined {
  return /^Bearer +([^ ]+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
}

/** The role that a route requires; `public` routes need no authentication. */
export type RequiredRole = Role | "public";

/** Orchestrators call these without a token and under any host name; the responses reveal nothing. */
const healthChecks: readonly string[] = ["/livez", "/readyz", "/healthz"];

function isHealthCheck(method: string, path: string): boolean {
  return (method === "GET" || method === "HEAD") && healthChecks.includes(path);
}

/**
 * The role of every route; the first row that matches counts. A segment with a colon matches any one segment, a star at
 * the end any rest. Viewers read, operators act on upstreams, admins change the configuration.
 */
const routeRoles: readonly (readonly [method: string, path: string, needed: RequiredRole])[] = [
  ...healthChecks.map((path) => ["GET", path, "public"] as const),
  // Public: they contain nothing that is not in every copy of the program, and a browser's address bar sends no bearer.
  ["GET", "/api/docs", "public"],
  ["GET", "/api/docs/style.css", "public"],
  ["GET", "/api/openapi.json", "public"],
  ["POST", "/api/login", "public"],
  ["POST", "/api/logout", "viewer"],
  ["GET", "*", "viewer"],
  // Changes nothing.
  ["POST", "/api/requests/dry-run", "viewer"],
  ["POST", "/api/upstreams/:id/mode", "operator"],
  ["POST", "/api/upstreams/:id/drain", "operator"],
  ["PATCH", "/api/upstreams/:id", "operator"],
  ["DELETE", "/api/upstreams/:id", "operator"],
  ["PUT", "/api/upstreams/:id/rehearsal", "operator"],
  ["DELETE", "/api/upstreams/:id/rehearsal", "operator"],
  ["POST", "/api/pools/:pool/upstreams", "operator"],
  ["POST", "/api/certificates/reload", "operator"],
  ["POST", "/api/alerts/test", "operator"],
  ["POST", "/api/silences", "operator"],
  ["POST", "/api/problems/:id/dismiss", "operator"],
  ["DELETE", "/api/silences/:id", "operator"],
  ["POST", "/api/reload", "admin"],
  // The new process reads the configuration.
  ["POST", "/api/upgrade", "admin"],
];

/** Role of a route without a row: a forgotten route is never open. */
const defaultRole: RequiredRole = roles[roles.length - 1] ?? "admin";

/** Undefined without a row in the table. */
export function roleNamed(method: string, path: string): RequiredRole | undefined {
  const tableMethod = method === "HEAD" ? "GET" : method;
  return routeRoles.find(([row, pattern]) => row === tableMethod && matches(pattern, path))?.[2];
}

export function roleFor(method: string, path: string): RequiredRole {
  return roleNamed(method, path) ?? defaultRole;
}

function matches(pattern: string, path: string): boolean {
  const [parts, segments] = [pattern.split("/"), path.split("/")];
  for (const [index, part] of parts.entries()) {
    if (part === "*") return true;
    if (segments[index] === undefined || (!part.startsWith(":") && part !== segments[index])) return false;
  }
  return parts.length === segments.length;
}
