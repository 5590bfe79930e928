/** The two cookies of the dashboard: the session, and what a login form is held against before there is one. */

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
