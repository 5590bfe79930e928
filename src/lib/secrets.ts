/** Secrets as text: random generation, digests for storage, constant-time comparison. */

import { createHash, createHmac, randomBytes, randomInt, timingSafeEqual } from "node:crypto";

/** 256 random bits as 43 characters that are valid in headers, cookies and URLs. */
export function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** 128 random bits as 22 characters that are valid in headers, cookies and URLs: what nothing else may be called. */
export function newId(): string {
  return randomBytes(16).toString("base64url");
}

/** An integer in [0, below) that cannot be guessed. */
export function secretIndex(below: number): number {
  return randomInt(below);
}

/** SHA-256 as 64 hexadecimal digits, for storing a secret. Only for secrets with too much entropy to guess. */
export function digestOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** A second secret derived from the first by HMAC-SHA-256; it does not reveal the first. */
export function derivedSecret(secret: string, purpose: string): string {
  return createHmac("sha256", secret).update(purpose).digest("base64url");
}

/** Compares digests, so that the timing reveals neither content nor length. */
export function isSameSecret(left: string, right: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
