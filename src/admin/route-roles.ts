/** Which role each route of the admin API asks for: one table, so that nobody has to look for it in the routes. */

import { type Role, roles } from "../access/role.ts";

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
