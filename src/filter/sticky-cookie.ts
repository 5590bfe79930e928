/** The cookies of a sticky pool: a keyed digest of each upstream, that shows nothing and that clients cannot make. */

import { createHmac } from "node:crypto";

import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import { type SameSite, setCookieText } from "../proxy/cookies.ts";
import type { Sticky } from "../proxy/sticky.ts";

export interface StickySettings {
  readonly cookie: string;
  /** Seconds; 0 until the browser ends. */
  readonly maxAgeSeconds: number;
  readonly sameSite: SameSite;
  /** `auto`: where the client uses https. */
  readonly secure: "auto" | "always" | "never";
  readonly path: string;
  /** By default the host of the request alone. */
  readonly domain?: string;
  /** `keep`: clients of a draining upstream stay until shortly before its deadline. */
  readonly whileDraining: "keep" | "move";
}

/**
 * Computes the digests once, so that a request costs a look-up.
 * @param secrets the first makes cookies, all are read; at least one
 */
export function createSticky(pool: Pool, settings: StickySettings, secrets: readonly string[]): Sticky {
  const [first = ""] = secrets;
  if (first === "") throw new Error("Cannot make sticky cookies: there is no secret");
  const upstreams = new Map<string, Upstream>();
  const values = new Map<Upstream, string>();
  for (const upstream of pool.upstreams) {
    for (const secret of secrets) upstreams.set(cookieValue(secret, pool, upstream), upstream);
    values.set(upstream, cookieValue(first, pool, upstream));
  }
  const { cookie, maxAgeSeconds, sameSite, secure, path, domain, whileDraining } = settings;
  const needsSecure = secure === "always" || sameSite === "None";
  const attributes = { path, sameSite, maxAgeSeconds, ...(domain !== undefined && { domain }) };
  return {
    cookieName: cookie,
    keepsWhileDraining: whileDraining === "keep",
    upstreamOf: (value) => upstreams.get(value),
    setCookie(upstream, isSecureClient) {
      const value = values.get(upstream);
      const isSecure = needsSecure || (secure === "auto" && isSecureClient);
      return value === undefined ? undefined : setCookieText(cookie, value, { ...attributes, isSecure });
    },
  };
}

/** 128 bits of HMAC-SHA-256 as 22 characters: the same for the same names and secret, in all processes and balancers. */
function cookieValue(secret: string, pool: Pool, upstream: Upstream): string {
  const digest = createHmac("sha256", secret).update(`${pool.name}\0${upstream.id}`).digest();
  return digest.subarray(0, 16).toString("base64url");
}
