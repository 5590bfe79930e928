/** Who may talk to the admin listener: the bearer of the token, from no foreign page, under no foreign name. */

import { timingSafeEqual } from "node:crypto";

import { isLoopback } from "../lib/loopback.ts";

export interface GuardSetting {
  /** What the listener is bound to. */
  readonly hostname: string;
  /** Asked of every caller but the health checks; undefined only on loopback. */
  readonly token?: string | undefined;
}

export interface Denial {
  readonly status: 401 | 403;
  readonly reason: string;
  readonly message: string;
}

/** Health checks come from machines that hold no token, and tell nothing. */
const open: ReadonlySet<string> = new Set(["/livez", "/readyz", "/healthz"]);

/** Why this request is not served; undefined if it is. */
export function denialOf(request: Request, { hostname, token }: GuardSetting): Denial | undefined {
  const host = request.headers.get("host") ?? "";
  const { pathname } = new URL(request.url, "http://admin");
  if (open.has(pathname)) return undefined;
  // A foreign name that resolves to 127.0.0.1 would make a foreign page "same origin" (DNS rebinding).
  if (isLoopback(hostname) && !isLoopback(host.replace(/:\d*$/, ""))) {
    return {
      status: 403,
      reason: "foreign_host",
      message: "The admin listener answers only to localhost here.",
    };
  }
  if (isForeignPage(request, host)) {
    return {
      status: 403,
      reason: "foreign_origin",
      message: "A page of another origin may not use the admin API.",
    };
  }
  if (token !== undefined && !bears(request, token)) {
    return { status: 401, reason: "unauthorized", message: "Send the admin token: Authorization: Bearer …" };
  }
  return undefined;
}

/** Browsers say where a request comes from, and pages cannot forge it; other callers say nothing and are let through. */
function isForeignPage(request: Request, host: string): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") return true;
  const origin = request.headers.get("origin");
  return origin !== null && !(URL.canParse(origin) && new URL(origin).host === host.toLowerCase());
}

/** Compares in constant time for any two tokens of one length, so that the time tells nothing of the content. */
function bears(request: Request, token: string): boolean {
  const given = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (given === undefined) return false;
  const [left, right] = [Buffer.from(given), Buffer.from(token)];
  return left.length === right.length && timingSafeEqual(left, right);
}
