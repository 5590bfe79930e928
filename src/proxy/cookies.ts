/** Cookies of the balancer's own: removes them from a request, and writes Set-Cookie. */

/**
 * A Cookie header without the cookies of these names. The others keep their bytes and their order.
 * @returns empty if nothing is left
 */
export function withoutCookies(header: string, names: ReadonlySet<string>): string {
  return header
    .split(";")
    .filter((pair) => !names.has(nameIn(pair) ?? ""))
    .join(";")
    .trim();
}

function nameIn(pair: string): string | undefined {
  const equals = pair.indexOf("=");
  return equals < 0 ? undefined : pair.slice(0, equals).trim();
}

export const sameSiteModes = ["Strict", "Lax", "None"] as const;
export type SameSite = (typeof sameSiteModes)[number];

/** Attributes of a cookie of the balancer. It is always HttpOnly: no script needs it. */
export interface CookieAttributes {
  readonly path: string;
  readonly sameSite: SameSite;
  readonly isSecure: boolean;
  /** Seconds; 0 or undefined until the browser ends. */
  readonly maxAgeSeconds?: number;
  /** By default the host of the request alone. */
  readonly domain?: string;
}

/** The value of a Set-Cookie field (RFC 6265 section 4.1.1). */
export function setCookieText(
  name: string,
  value: string,
  { path, sameSite, isSecure, maxAgeSeconds = 0, domain }: CookieAttributes,
): string {
  const attributes = [
    `${name}=${value}`,
    `Path=${path}`,
    ...(domain === undefined ? [] : [`Domain=${domain}`]),
    ...(maxAgeSeconds > 0 ? [`Max-Age=${maxAgeSeconds}`] : []),
    "HttpOnly",
    `SameSite=${sameSite}`,
    ...(isSecure ? ["Secure"] : []),
  ];
  return attributes.join("; ");
}
