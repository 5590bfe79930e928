/** The door of the dashboard: who may come in, with which forms, and what they take along. Everything passes here first. */

import { assetResponse } from "../assets.ts";
import type { LoginClient } from "./login-client.ts";
import { type LoginProps, renderAccessDenied, renderAccessDeniedFragment, renderLogin } from "./pages.tsx";
import { fillPlaceholders } from "./placeholders.tsx";
import { type Visitor, Visitors } from "./visitors.ts";
import { fresh, htmlResponse, isForPage, isForPart, seeOther, textResponse } from "../responses.ts";
import { derivedSecret, isSameSecret, newSecret } from "../../lib/secrets.ts";

export interface AuthGateOptions {
  readonly visitors: Visitors;
  readonly client: LoginClient;
  /** Whether only this machine can reach the dashboard. */
  readonly onLoopback: boolean;
}

/** Says whether the dashboard lives, to machines that hold no session. */
const openPaths: ReadonlySet<string> = new Set(["/healthz"]);

export function authGate({ visitors, client, onLoopback }: AuthGateOptions) {
  return async (request: Request, address: string): Promise<Response> => {
    const { pathname } = new URL(request.url);
    if (openPaths.has(pathname)) return visitors.everybody.answer(request);
    const asset = assetResponse(pathname);
    if (asset) return asset;
    if (pathname === "/login") return login(request, address);
    const session = cookieIn(request, "session");
    const visitor = await visitors.admit(session);
    if (!visitor) return toLogin(request, pathname, session !== undefined);
    if (!visitor.person && !onLoopback) return shut(visitors.isClosed === undefined);
    if (!(await isOwnForm(request, visitor))) return forbiddenResponse(request);
    if (pathname === "/logout" && request.method === "POST") return logout(request, visitor, address);
    const response = await visitor.answer(request);
    if (!visitors.isWelcome(visitor)) {
      await response.body?.cancel();
      return toLogin(request, pathname, session !== undefined);
    }
    return visitors.hold(visitor, await personally(response, visitor));
  };

  async function login(request: Request, address: string): Promise<Response> {
    const session = cookieIn(request, "session");
    const visitor = await visitors.admit(session);
    if (visitor?.person || (visitor && onLoopback)) {
      return seeOther(nextIn(new URL(request.url).searchParams));
    }
    if (visitor) return shut(visitors.isClosed === undefined);
    if (request.method !== "POST") {
      const query = new URL(request.url).searchParams;
      const ended = { text: "The session has ended. Log in again.", tone: "calm" } as const;
      return loginPage(request, { next: nextIn(query), ...(query.has("ended") ? ended : {}) });
    }
    const form = new URLSearchParams(await request.text());
    const [name, next] = [form.get("name") ?? "", nextIn(form)];
    const visit = cookieIn(request, "visit");
    if (visit === undefined || !isSameSecret(form.get("csrf") ?? "", csrfOf(visit))) {
      const text = "This form was too old, or your browser keeps no cookies. Try again.";
      return loginPage(request, { next, name, text }, 403);
    }
    const outcome = await client.login({ name, password: form.get("password") ?? "", address });
    if (outcome.kind === "refused") {
      const page = loginPage(request, { next, name, text: outcome.words }, outcome.status);
      if (outcome.retryAfter !== undefined) page.headers.set("Retry-After", String(outcome.retryAfter));
      return page;
    }
    const response = seeOther(next);
    response.headers.append("Set-Cookie", cookieHeader(request, "session", outcome.session));
    response.headers.append("Set-Cookie", cookieHeader(request, "visit", undefined));
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

/** The form of a login is bound to the visit, since there is no session yet: nobody can log somebody else in as himself. */
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

/** Beside its origin, which was looked at already, what changes something must come from a page of this very session. */
async function isOwnForm(request: Request, { person }: Visitor): Promise<boolean> {
  if (!person || request.method === "GET" || request.method === "HEAD") return true;
  // The length was looked at too: no form is long.
  const given =
    request.headers.get("x-evenkeel-csrf") ?? new URLSearchParams(await request.clone().text()).get("csrf");
  return isSameSecret(given ?? "", person.csrf);
}

function forbiddenResponse(request: Request): Response {
  const title = "Nothing was changed";
  const text =
    "The form did not come from a page of your session. Load the page again and repeat what you did.";
  if (isForPart(request)) return htmlResponse(renderAccessDeniedFragment({ title, text }), 403);
  return htmlResponse(renderAccessDenied({ title, text }), 403);
}

/** Who reaches it from elsewhere must not act as the dashboard itself. */
function shut(isUnknown: boolean): Response {
  const text = isUnknown
    ? "The balancer cannot be asked yet who may look. Try again in a moment."
    : "This dashboard can be reached from other machines, and its balancer knows no users: anybody could act here. Name users under admin.users, or let it listen on 127.0.0.1.";
  return htmlResponse(renderAccessDenied({ title: "Nobody can log in here", text }), isUnknown ? 503 : 403);
}

/** Each in the way that it can follow: a page, a part of one, a live stream, a program. */
function toLogin(request: Request, pathname: string, hadSession: boolean): Response {
  if (pathname.startsWith("/live")) return Visitors.notifyClosing();
  const from = isForPart(request) || request.method !== "GET" ? pageBefore(request) : pathOf(request.url);
  const query = new URLSearchParams({ next: from, ...(hadSession ? { ended: "" } : {}) });
  const address = `/login?${query}`;
  if (isForPart(request)) {
    return new Response(null, { status: 401, headers: { "HX-Redirect": address, ...fresh } });
  }
  if (isForPage(request) || request.method !== "GET") return seeOther(address);
  return textResponse(401, "Log in first: /login.");
}

async function personally(response: Response, { person }: Visitor): Promise<Response> {
  if (!(response.headers.get("content-type") ?? "").startsWith("text/html")) return response;
  const { status, headers } = response;
  return new Response(fillPlaceholders(await response.text(), person), { status, headers });
}

function pageBefore(request: Request): string {
  const referrer = request.headers.get("referer") ?? "";
  return URL.canParse(referrer) ? pathOf(referrer) : "/";
}

function pathOf(address: string): string {
  const { pathname, search } = new URL(address);
  return pathname + search;
}

/** Only ever a page of ours: a link must not lead to another site by way of the login. */
function nextIn(query: URLSearchParams): string {
  const next = query.get("next") ?? "/";
  const here = "http://here";
  const isOurs = next.startsWith("/") && URL.canParse(next, here) && new URL(next, here).origin === here;
  if (!isOurs) return "/";
  const path = pathOf(new URL(next, here).href);
  return path.startsWith("//") || path.startsWith("/login") || path.startsWith("/logout") ? "/" : path;
}

// The two cookies of the dashboard: the session, and what a login form is held against before there is one.

const names = { session: "evenkeel-session", visit: "evenkeel-visit" } as const;
type CookieName = keyof typeof names;

/** What a secret of ours looks like; anything else in a cookie is not looked at. */
const shape = /^[\w-]{43}$/;

export function cookieIn(request: Request, name: CookieName): string | undefined {
  const wanted = fullName(request, name);
  for (const pair of (request.headers.get("cookie") ?? "").split(";")) {
    const [key, value = ""] = pair.trim().split("=");
    if (key === wanted && shape.test(value)) return value;
  }
  return undefined;
}

/**
 * A field that sets it, or takes it back. It lives as long as the browser: the balancer knows when the session ends.
 * "Lax" and not "Strict", so that a link to the dashboard from a chat does not ask for a login again; writes are held
 * to a token and to their origin besides.
 */
export function cookieHeader(request: Request, name: CookieName, value: string | undefined): string {
  const parts = [`${fullName(request, name)}=${value ?? ""}`, "Path=/", "HttpOnly", "SameSite=Lax"];
  if (isSecure(request)) parts.push("Secure");
  if (value === undefined) parts.push("Max-Age=0");
  return parts.join("; ");
}

/**
 * With the port, since cookies know none: two dashboards on one host would log each other out. The prefix of RFC 6265bis,
 * section 4.1.3, keeps neighbours below one domain from setting it.
 */
function fullName(request: Request, name: CookieName): string {
  const port = /:(\d{1,5})$/.exec(request.headers.get("host") ?? "")?.[1];
  const own = port === undefined ? names[name] : `${names[name]}-${port}`;
  return isSecure(request) ? `__Host-${own}` : own;
}

/** The dashboard itself speaks no TLS: what stands in front of it says so. Whoever lies only hurts the own cookie. */
function isSecure(request: Request): boolean {
  return request.headers.get("x-forwarded-proto")?.toLowerCase() === "https";
}
