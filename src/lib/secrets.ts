/** Secrets as text: made by the system's generator, kept as digests, compared in constant time. */

import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** 256 bits as 43 characters that fit into fields, cookies and URLs. */
export function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** What can be kept of a secret that nobody could guess: SHA-256, as 64 hexadecimal digits. */
export function digestOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** Another secret that follows from this one, and tells nothing of it. */
export function derivedSecret(secret: string, purpose: string): string {
  return createHmac("sha256", secret).update(purpose).digest("base64url");
}

/** Digests first, so that the time tells neither content nor length. */
export function isSameSecret(left: string, right: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
