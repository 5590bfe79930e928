/** Who may talk to the admin listener: whom it knows, within the role, from no foreign page, under no foreign name. */

import type { Access, Caller } from "../access/access.ts";
import { reaches, type Role, roles } from "../access/accounts.ts";
import { problem } from "./responses.ts";
import { isLoopback } from "../net/address.ts";

export interface GuardOptions {
  /** What the listener is bound to. */
  readonly hostname: string;
  readonly access: Access;
}

/** The answer to a request that is not served; undefined if it is. Then it is known who sent it. */
export function denialOf(request: Request, { hostname, access }: GuardOptions): Response | undefined {
  const host = request.headers.get("host") ?? "";
  const { pathname } = new URL(request.url, "http://admin");
  if (isHealthCheck(request.method, pathname)) return undefined;
  // A foreign name that resolves to 127.0.0.1 would make a foreign page "same origin" (DNS rebinding).
  if (isLoopback(hostname) && !isLoopback(host.replace(/:\d*$/, ""))) {
    return problem(403, "foreign_host", "The admin listener answers only to localhost here.");
  }
  if (isForeignPage(request, host)) {
    return problem(403, "foreign_origin", "A page of another origin may not use the admin API.");
  }
  if (!isDecodable(pathname)) {
    return problem(
      400,
      "path_invalid",
      "Cannot read the address: a percent sign needs two hexadecimal digits.",
    );
  }
  const needed = roleFor(request.method, pathname);
  const caller = access.identify(bearerOf(request));
  if (caller) remember(request, caller);
  if (needed === "nobody") return undefined;
  if (!caller) return unauthorized(access);
  if (reaches(caller.role, needed)) return undefined;
  const detail = `This needs the role ${needed}; ${caller.name ?? "this caller"} is ${caller.role}.`;
  return problem(403, "role_insufficient", detail, { needed, role: caller.role });
}

/** @returns with `login`, whether there is anybody who could log in: the dashboard goes by it */
function unauthorized({ hasUsers: login }: Access): Response {
  const how = login ? "a session from POST /api/login, or a token" : "the admin token";
  const response = problem(401, "unauthorized", `Send ${how}: Authorization: Bearer …`, { login });
  response.headers.set("WWW-Authenticate", 'Bearer realm="evenkeel"');
  return response;
}

/** Browsers say where a request comes from, and pages cannot forge it; other callers say nothing and are let through. */
function isForeignPage(request: Request, host: string): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") return true;
  const origin = request.headers.get("origin");
  return origin !== null && !(URL.canParse(origin) && new URL(origin).host === host.toLowerCase());
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

// Who sent a request, as the guard found out: kept beside the request, where no field of it can pretend otherwise.

const callers = new WeakMap<Request, Caller>();

export function remember(request: Request, caller: Caller): void {
  callers.set(request, caller);
}

/** Undefined where nobody was asked. */
export function callerOf(request: Request): Caller | undefined {
  return callers.get(request);
}

export function bearerOf(request: Request): string | undefined {
  return /^Bearer +([^ ]+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
}

// Which role each route of the admin API asks for: one table, so that nobody has to look for it in the routes.

/** `nobody` is asked who it is. */
export type Needed = Role | "nobody";

/** They come from machines that hold no token, under whatever name those know this one by, and are told nothing. */
const healthChecks: readonly string[] = ["/livez", "/readyz", "/healthz"];

export function isHealthCheck(method: string, path: string): boolean {
  return (method === "GET" || method === "HEAD") && healthChecks.includes(path);
}

/**
 * The first row that fits counts; a segment with a colon stands for any one, a star at the end for any rest. Reading is
 * for viewers, acting on upstreams for operators; what changes what the balancer is, is for admins.
 */
const routeRoles: readonly (readonly [method: string, path: string, needed: Needed])[] = [
  ...healthChecks.map((path) => ["GET", path, "nobody"] as const),
  // They hold nothing that is not in every copy of the program, and a browser's address line sends no bearer.
  ["GET", "/api/docs", "nobody"],
  ["GET", "/api/docs/style.css", "nobody"],
  ["GET", "/api/openapi.json", "nobody"],
  ["POST", "/api/login", "nobody"],
  ["POST", "/api/logout", "viewer"],
  ["GET", "*", "viewer"],
  // It asks, and changes nothing.
  ["POST", "/api/requests/dry-run", "viewer"],
  ["POST", "/api/upstreams/:id/mode", "operator"],
  ["POST", "/api/upstreams/:id/drain", "operator"],
  ["PATCH", "/api/upstreams/:id", "operator"],
  ["DELETE", "/api/upstreams/:id", "operator"],
  ["PUT", "/api/upstreams/:id/rehearsal", "operator"],
  ["DELETE", "/api/upstreams/:id/rehearsal", "operator"],
  ["POST", "/api/pools/:pool/upstreams", "operator"],
  ["POST", "/api/reload", "admin"],
];

/** What a route without a row asks for: nothing is opened by forgetting it. */
const otherwise: Needed = roles[roles.length - 1] ?? "admin";

/** Undefined if the table says nothing of it. */
export function roleNamed(method: string, path: string): Needed | undefined {
  const asked = method === "HEAD" ? "GET" : method;
  return routeRoles.find(([verb, pattern]) => verb === asked && fits(pattern, path))?.[2];
}

export function roleFor(method: string, path: string): Needed {
  return roleNamed(method, path) ?? otherwise;
}

function fits(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  for (const [index, part] of wanted.entries()) {
    if (part === "*") return true;
    if (given[index] === undefined || (!part.startsWith(":") && part !== given[index])) return false;
  }
  return wanted.length === given.length;
}
