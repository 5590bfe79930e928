/** Who may talk to the admin listener: whom it knows, within the role, from no foreign page, under no foreign name. */

import type { Access } from "../access/access.ts";
import { reaches } from "../access/role.ts";
import { isLoopback } from "../net/address.ts";
import { problem } from "./responses.ts";
import { bearerOf, remember } from "./callers.ts";
import { isHealthCheck, roleFor } from "./route-roles.ts";

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
