/** The authentication gate that every request passes first: sessions, login, logout and CSRF tokens, and their cookies. */

import { assetResponse } from "../assets.ts";
import type { LoginClient } from "./login-client.ts";
import { type LoginProps, renderAccessDenied, renderAccessDeniedFragment, renderLogin } from "./pages.tsx";
import { fillPlaceholders } from "./placeholders.tsx";
import { type Visitor, Visitors } from "./visitors.ts";
import { fresh, htmlResponse, isForPage, isForPart, seeOther, textResponse } from "../responses.ts";
import { countStream, StreamLimit } from "../../access/stream-limit.ts";
import { derivedSecret, isSameSecret, newSecret } from "../../lib/secrets.ts";

export interface AuthGateOptions {
  readonly visitors: Visitors;
  readonly client: LoginClient;
  /** Whether only this host can reach the dashboard. */
  readonly onLoopback: boolean;
}

/** Health checks, which carry no session. */
const publicPaths: ReadonlySet<string> = new Set(["/healthz"]);

export function authGate({ visitors, client, onLoopback }: AuthGateOptions) {
  const streams = new StreamLimit();
  return async (request: Request, address: string): Promise<Response> => {
    const { pathname } = new URL(request.url);
    if (publicPaths.has(pathname)) return visitors.anonymous.handle(request);
    const asset = assetResponse(pathname);
    if (asset) return asset;
    if (pathname === "/login") return login(request, address);
    const session = cookieIn(request, "session");
    const visitor = await visitors.admit(session);
    if (!visitor) return toLogin(request, pathname, session !== undefined);
    if (!visitor.user && !onLoopback) return noLoginResponse(visitors.requiresLogin === undefined);
    if (!(await isOwnForm(request, visitor))) return forbiddenResponse(request);
    if (pathname === "/logout" && request.method === "POST") return logout(request, visitor, address);
    const response = await visitor.handle(request);
    if (!visitors.isAdmitted(visitor)) {
      await response.body?.cancel();
      return toLogin(request, pathname, session !== undefined);
    }
    const counted = countStream(response, streams, visitor.user?.name);
    if (typeof counted === "string") return tooManyStreams(counted, streams.options.maxForOwner);
    return visitors.track(visitor, await personalize(counted, visitor));
  };

  async function login(request: Request, address: string): Promise<Response> {
    const session = cookieIn(request, "session");
    const visitor = await visitors.admit(session);
    if (visitor?.user || (visitor && onLoopback)) {
      return seeOther(nextIn(new URL(request.url).searchParams));
    }
    if (visitor) return noLoginResponse(visitors.requiresLogin === undefined);
    if (request.method !== "POST") {
      const query = new URL(request.url).searchParams;
      const ended = { text: "Your session has ended. Log in again.", tone: "calm" } as const;
      return loginPage(request, { next: nextIn(query), ...(query.has("ended") ? ended : {}) });
    }
    const form = new URLSearchParams(await request.text());
    const [name, next] = [form.get("name") ?? "", nextIn(form)];
    const visit = cookieIn(request, "visit");
    if (visit === undefined || !isSameSecret(form.get("csrf") ?? "", csrfOf(visit))) {
      const text = "This form has expired, or your browser rejects cookies. Try again.";
      return loginPage(request, { next, name, text }, 403);
    }
    const device = cookieIn(request, "device");
    const outcome = await client.login({ name, password: form.get("password") ?? "", address, device });
    if (outcome.kind === "refused") {
      const page = loginPage(request, { next, name, text: outcome.text }, outcome.status);
      if (outcome.retryAfter !== undefined) page.headers.set("Retry-After", String(outcome.retryAfter));
      return page;
    }
    const response = seeOther(next);
    response.headers.append("Set-Cookie", cookieHeader(request, "session", outcome.session));
    response.headers.append("Set-Cookie", cookieHeader(request, "visit", undefined));
    if (outcome.device !== undefined)
      response.headers.append("Set-Cookie", cookieHeader(request, "device", outcome.device));
    return response;
  }

  async function logout(request: Request, { session }: Visitor, address: string): Promise<Response> {
    if (session !== undefined) {
      visitors.forget(session);
      await client.logout(session, address);
    }
    const response = seeOther("/login");
    response.headers.append("Set-Cookie", cookieHeader(request, "session", undefined));
    return response;
  }
}

/** Binds the form to the visit cookie, because there is no session yet. This prevents login CSRF. */
function loginPage(request: Request, props: Omit<LoginProps, "csrf">, status = 200): Response {
  const known = cookieIn(request, "visit");
  const visit = known ?? newSecret();
  const response = htmlResponse(renderLogin({ ...props, csrf: csrfOf(visit) }), status);
  if (known === undefined) response.headers.append("Set-Cookie", cookieHeader(request, "visit", visit));
  return response;
}

function csrfOf(visit: string): string {
  return derivedSecret(visit, "login");
}

/** Whether a write carries the session's CSRF token. Its origin was checked before. */
async function isOwnForm(request: Request, { user }: Visitor): Promise<boolean> {
  if (!user || request.method === "GET" || request.method === "HEAD") return true;
  // Safe to buffer: the length of the body was checked before.
  const form =
    request.headers.get("x-evenkeel-csrf") ?? new URLSearchParams(await request.clone().text()).get("csrf");
  return isSameSecret(form ?? "", user.csrf);
}

function forbiddenResponse(request: Request): Response {
  const title = "Nothing was changed";
  const text = "The form does not belong to your session. Reload the page and try again.";
  if (isForPart(request)) return htmlResponse(renderAccessDeniedFragment({ title, text }), 403);
  return htmlResponse(renderAccessDenied({ title, text }), 403);
}

/** A remote visitor without a login must not use the dashboard's own token. */
function noLoginResponse(isUnknown: boolean): Response {
  const text = isUnknown
    ? "Cannot check access: the admin API has not responded yet. Try again in a moment."
    : "This dashboard is reachable from other hosts, but its balancer has no users. Add users under admin.users, or let the dashboard listen on 127.0.0.1.";
  return htmlResponse(renderAccessDenied({ title: "Login is not available", text }), isUnknown ? 503 : 403);
}

/** Leads each client to the login in a way it can follow: a page, an htmx request, a live stream, a program. */
function toLogin(request: Request, pathname: string, hadSession: boolean): Response {
  if (pathname.startsWith("/live")) return Visitors.loggedOutStream();
  const from = isForPart(request) || request.method !== "GET" ? pageBefore(request) : pathOf(request.url);
  const query = new URLSearchParams({ next: from, ...(hadSession ? { ended: "" } : {}) });
  const address = `/login?${query}`;
  if (isForPart(request)) {
    return new Response(null, { status: 401, headers: { "HX-Redirect": address, ...fresh } });
  }
  if (isForPage(request) || request.method !== "GET") return seeOther(address);
  return textResponse(401, "Log in first: /login.");
}

function tooManyStreams(whose: "all" | "owner", maxForOwner: number): Response {
  if (whose === "all") return textResponse(503, "Too many dashboards are open.");
  return textResponse(429, `You have ${maxForOwner} live pages open already: close some.`);
}

async function personalize(response: Response, { user }: Visitor): Promise<Response> {
  if (!(response.headers.get("content-type") ?? "").startsWith("text/html")) return response;
  const { status, headers } = response;
  return new Response(fillPlaceholders(await response.text(), user), { status, headers });
}

function pageBefore(request: Request): string {
  const referrer = request.headers.get("referer") ?? "";
  return URL.canParse(referrer) ? pathOf(referrer) : "/";
}

function pathOf(address: string): string {
  const { pathname, search } = new URL(address);
  return pathname + search;
}

/** Accepts only local paths, so that a link cannot lead to another site through the login (open redirect). */
function nextIn(query: URLSearchParams): string {
  const next = query.get("next") ?? "/";
  const here = "http://here";
  const isOurs = next.startsWith("/") && URL.canParse(next, here) && new URL(next, here).origin === here;
  if (!isOurs) return "/";
  const path = pathOf(new URL(next, here).href);
  return path.startsWith("//") || path.startsWith("/login") || path.startsWith("/logout") ? "/" : path;
}

/**
 * `visit` binds a login form to the browser before there is a session. `device` grants nothing: failed logins of a browser
 * that has it are counted on their own.
 */
const cookieNames = {
  session: "evenkeel-session",
  visit: "evenkeel-visit",
  device: "evenkeel-device",
} as const;
type CookieName = keyof typeof cookieNames;

/** The shape of our secrets and device tokens; a cookie with any other value is ignored. */
const secretPattern = /^(?:[\w-]{22}\.)?[\w-]{43}$/;

/** About as long as browsers keep a cookie at most (RFC 6265bis section 5.5). */
const deviceMaxAgeSeconds = 400 * 86_400;

function cookieIn(request: Request, name: CookieName): string | undefined {
  const wanted = fullName(request, name);
  for (const pair of (request.headers.get("cookie") ?? "").split(";")) {
    const [key, value = ""] = pair.trim().split("=");
    if (key === wanted && secretPattern.test(value)) return value;
  }
  return undefined;
}

/**
 * The `Set-Cookie` value that sets the cookie, or deletes it if the value is undefined. Only `device` outlasts the
 * browser: the balancer decides when the session ends. `SameSite` is "Lax", not "Strict", so that a link to the dashboard from a chat
 * needs no new login. Writes also need a token and the right origin.
 */
function cookieHeader(request: Request, name: CookieName, value: string | undefined): string {
  const parts = [`${fullName(request, name)}=${value ?? ""}`, "Path=/", "HttpOnly", "SameSite=Lax"];
  if (isSecure(request)) parts.push("Secure");
  if (value === undefined) parts.push("Max-Age=0");
  else if (name === "device") parts.push(`Max-Age=${deviceMaxAgeSeconds}`);
  return parts.join("; ");
}

/**
 * Contains the port, because cookies ignore it: two dashboards on one host would log each other out. The `__Host-` prefix
 * (RFC 6265bis section 4.1.3) keeps other hosts of the same domain from setting the cookie.
 */
function fullName(request: Request, name: CookieName): string {
  const port = /:(\d{1,5})$/.exec(request.headers.get("host") ?? "")?.[1];
  const own = port === undefined ? cookieNames[name] : `${cookieNames[name]}-${port}`;
  return isSecure(request) ? `__Host-${own}` : own;
}

/** The dashboard speaks no TLS; a TLS proxy in front of it sets the header. A forged header only affects the sender's cookie. */
function isSecure(request: Request): boolean {
  return request.headers.get("x-forwarded-proto")?.toLowerCase() === "https";
}
